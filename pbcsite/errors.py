"""The pages of 400 and 500. Django's own know no request, so their scripts would lack the nonce."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.template import loader

if TYPE_CHECKING:
    from django.http import HttpRequest


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, "400.html", 400)


def server_error(request: HttpRequest) -> HttpResponse:
    return _page(request, "500.html", 500)


def _page(request: HttpRequest, template: str, status: int) -> HttpResponse:
    # No context processors: they may ask the database, which may be what failed.
    context: dict[str, Any] = {"request": request}
    return HttpResponse(loader.get_template(template).render(context), status=status)
