"""The pages of 400, 500 and 503. Django's own know no request, so their scripts lack the nonce."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, OperationalError
from django.http import HttpResponse, JsonResponse
from django.template import loader

from cases.api.problems import (
    CONTENT_TYPE,
    DATABASE_AWAY,
    DATABASE_AWAY_DETAIL,
    SECONDS_TO_WAIT,
    problem_body,
)

if TYPE_CHECKING:
    from django.http import HttpRequest


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, "400.html", 400)


def server_error(request: HttpRequest) -> HttpResponse:
    """A database that is away, restarting or full is not an error of this program: 503."""
    if not isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return _page(request, "500.html", 500)
    if request.path.startswith("/api/"):
        answer: HttpResponse = JsonResponse(
            problem_body(request, status=503, code=DATABASE_AWAY, detail=DATABASE_AWAY_DETAIL),
            status=503,
            content_type=CONTENT_TYPE,
        )
    else:
        answer = _page(request, "503.html", 503)
    answer["Retry-After"] = str(SECONDS_TO_WAIT)
    return answer


def _page(request: HttpRequest, template: str, status: int) -> HttpResponse:
    # No context processors: they may ask the database, which may be what failed.
    context: dict[str, Any] = {"request": request}
    return HttpResponse(loader.get_template(template).render(context), status=status)
