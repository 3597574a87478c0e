"""Log lines with the ids of the request and the task they belong to.

``LOG_FORMAT=json`` makes each line one JSON object. A request's id stands in the header
``X-Request-ID`` of its answer and travels to the tasks it rings for.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun
from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponseBase

FORMS: tuple[str, ...] = ("line", "json")
HEADER = "X-Request-ID"
# What a proxy may hand over: nothing that could break a line or a header.
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
UNMATCHED = "(no address)"

request_id: ContextVar[str] = ContextVar("request_id", default="")
current_task: ContextVar[str] = ContextVar("task_id", default="")
logger = logging.getLogger("pbcsite.requests")


def route_of(request: Any) -> str:
    """The pattern of the request's address."""
    match = getattr(request, "resolver_match", None)
    return f"/{match.route}" if match else UNMATCHED


class IdsFilter(logging.Filter):
    """Puts both ids on every record; ``ids`` is what a plain line shows of them.

    Django's own lines on a request name its path, which may hold a secret: here its pattern.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        path = getattr(request, "path", None)
        if path and isinstance(record.args, tuple):
            known = route_of(request)
            record.args = tuple(known if each == path else each for each in record.args)
        noted: Any = record
        noted.request_id, noted.task_id = request_id.get(), current_task.get()
        known_ids = [each for each in (noted.request_id, noted.task_id) if each]
        noted.ids = f" [{' '.join(known_ids)}]" if known_ids else ""
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in ("request_id", "task_id"):
            if value := getattr(record, name, ""):
                line[name] = value
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class RequestIdMiddleware:
    """Gives the request its id and writes one line when it is answered.

    The line names the address's pattern, not the path: some paths hold a secret.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        known = settings.BEHIND_PROXY and ACCEPTED.match(given)
        token = request_id.set(given if known else uuid.uuid4().hex)
        begun = time.perf_counter()
        try:
            response = self.get_response(request)
            response[HEADER] = request_id.get()
            self._note(request, response, (time.perf_counter() - begun) * 1000)
        finally:
            request_id.reset(token)
        return response

    @staticmethod
    def _note(request: HttpRequest, response: HttpResponseBase, milliseconds: float) -> None:
        fields = {
            "method": request.method,
            "route": route_of(request),
            "status": response.status_code,
            "milliseconds": round(milliseconds, 1),
        }
        logger.info(
            "%(method)s %(route)s %(status)s in %(milliseconds)s ms",
            fields,
            extra={"fields": fields},
        )


def configuration(*, level: str, form: str) -> dict[str, Any]:
    """The logging of every process.

    Args:
        level: of the root, such as ``INFO``.
        form: ``line`` or ``json``.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"ids": {"()": "pbcsite.logs.IdsFilter"}},
        "formatters": {
            "line": {"format": "{asctime} {levelname} {name}{ids}: {message}", "style": "{"},
            "json": {"()": "pbcsite.logs.JsonFormatter"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": form,
                "filters": ["ids"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Django would write to the console a second time, in its own form.
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
        },
    }


@setup_logging.connect
def keep_logging(**kwargs: Any) -> None:
    """Django has set logging up; with somebody listening here, Celery leaves it alone."""


@before_task_publish.connect
def send_request_id(headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    if headers is not None and request_id.get():
        headers["request_id"] = request_id.get()


@task_prerun.connect
def enter_task(task_id: str = "", task: Any = None, **kwargs: Any) -> None:
    current_task.set(task_id or "")
    request_id.set(str(getattr(task.request, "request_id", None) or ""))


@task_postrun.connect
def leave_task(**kwargs: Any) -> None:
    current_task.set("")
    request_id.set("")
