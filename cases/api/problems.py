"""Problem answers: application/problem+json as RFC 9457 asks, in the reader's language.

Members: ``type`` (a URN that ends in the code), ``title`` (of the status), ``status``, ``detail``,
``instance`` (the path asked), ``code`` (stable, for programs), ``errors`` (messages by field, when
fields are wrong) and whatever else the error has to say, such as ``current`` after a conflict.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFilesSent,
)
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

from cases.services.errors import ServiceError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
TITLES = {
    400: _("The request cannot be understood"),
    401: _("Log in first"),
    403: _("Not allowed"),
    404: _("Not found"),
    405: _("Method not allowed"),
    406: _("Not acceptable"),
    409: _("Conflict"),
    413: _("Too large"),
    415: _("Unsupported media type"),
    422: _("The request cannot be carried out"),
    429: _("Too many requests"),
    500: _("Internal error"),
    503: _("Not available at the moment"),
}


# The database is away, starting again or out of room.
DATABASE_AWAY = "database_unavailable"
DATABASE_AWAY_DETAIL = _("The database does not answer at the moment. Try again in a moment.")
SECONDS_TO_WAIT = 5


class ProblemResponse(Response):
    """JSON always, also from a view that answers in another format, as the schema's does."""

    @property
    def rendered_content(self) -> Any:
        self.accepted_renderer = JSONRenderer()
        return super().rendered_content


def problem(
    request: Any,
    *,
    status: int,
    code: str,
    detail: Any,
    extra: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Make a problem answer.

    Args:
        request: the request, for ``instance``.
        status: HTTP status.
        code: stable word for programs.
        detail: translated sentence that says what to do.
        extra: further members.
        headers: further headers.
    """
    body = {**problem_body(request, status=status, code=code, detail=detail), **(extra or {})}
    return ProblemResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def problem_body(request: Any, *, status: int, code: str, detail: Any) -> dict[str, Any]:
    """The members every problem has."""
    return {
        "type": f"urn:pbcsite:problem:{code}",
        "title": TITLES.get(status, HTTPStatus(status).phrase),
        "status": status,
        "detail": detail,
        "instance": request.path,
        "code": code,
    }


def problem_handler(exception: Exception, context: dict[str, Any]) -> Response:
    """Answer any exception of an API view with a problem; an unforeseen one is logged first."""
    request = context["request"]
    if isinstance(exception, ServiceError):
        headers = {"WWW-Authenticate": "Token"} if exception.status == 401 else None
        return problem(
            request,
            status=exception.status,
            code=exception.code,
            detail=exception.message,
            extra=exception.extra,
            headers=headers,
        )
    if isinstance(exception, SuspiciousOperation):
        return _suspicious(request, exception)
    # The messages of these two name classes and are not translated.
    if isinstance(exception, Http404):
        exception = exceptions.NotFound()
    elif isinstance(exception, PermissionDenied):
        exception = exceptions.PermissionDenied()
    answer = exception_handler(exception, context)
    if answer is None or not isinstance(exception, exceptions.APIException):
        return _unforeseen(request, exception)
    headers = {
        name: answer[name]
        for name in ("WWW-Authenticate", "Retry-After", "Allow")
        if answer.has_header(name)
    }
    if isinstance(exception, exceptions.ValidationError):
        errors = exception.detail
        if not isinstance(errors, dict):
            errors = {"non_field_errors": errors}
        return problem(
            request,
            status=answer.status_code,
            code="invalid",
            detail=_("Some fields cannot be accepted."),
            extra={"errors": _printable(errors)},
            headers=headers,
        )
    codes = exception.get_codes()
    return problem(
        request,
        status=answer.status_code,
        code=codes if isinstance(codes, str) else "error",
        detail=str(exception.detail),
        headers=headers,
    )


def _printable(errors: Any) -> Any:
    """Messages quote what was sent, and JSON may send what is no text: unpaired surrogates."""
    if isinstance(errors, dict):
        return {_printable(name): _printable(each) for name, each in errors.items()}
    if isinstance(errors, list):
        return [_printable(each) for each in errors]
    return str(errors).encode(errors="replace").decode()


def _suspicious(request: Any, exception: SuspiciousOperation) -> Response:
    """Django's own limits on a request: bytes, fields, files."""
    logger.warning("Refused a request to %s: %s", request.path, exception)
    if isinstance(exception, TooManyFilesSent):
        detail = _("The request holds too many files; send them in several requests.")
        return problem(request, status=413, code="too_many_files", detail=detail)
    if isinstance(exception, RequestDataTooBig):
        detail = _("The request is too large; send it in several parts.")
        return problem(request, status=413, code="request_too_large", detail=detail)
    detail = _("The request cannot be read; check how it is put together.")
    return problem(request, status=400, code="bad_request", detail=detail)


def _unforeseen(request: Any, exception: Exception) -> Response:
    if isinstance(exception, OperationalError | InterfaceError):
        logger.error("The database failed at %s: %s", request.path, exception)
        return problem(
            request,
            status=503,
            code=DATABASE_AWAY,
            detail=DATABASE_AWAY_DETAIL,
            headers={"Retry-After": str(SECONDS_TO_WAIT)},
        )
    # The signal is what Django itself sends: error reporters, and the test client, hear of it.
    got_request_exception.send(sender=None, request=request)
    logger.error("Unforeseen error at %s %s", request.method, request.path, exc_info=exception)
    return problem(
        request,
        status=500,
        code="internal_error",
        detail=_("Something went wrong on the server; it was logged. Try again later."),
    )
