"""``/healthz``: can this process serve pages. ``/readyz``: does all of the site work."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from classifier.operations.readiness import examination

if TYPE_CHECKING:
    from django.http import HttpRequest

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 ``ok`` when the database answers and is migrated, else 503.

    Says nothing of anybody's data.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        ready = _is_migrated()
    except DatabaseError:
        logger.exception("The database does not answer.")
        return _answer("database unavailable", 503)
    return _answer("ok", 200) if ready else _answer("migrations are missing", 503)


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when database, broker, storage and model can all be used, else 503.

    For whoever watches the site. A proxy should ask ``/healthz``: without a broker or a model pages
    and uploads go on.
    """
    answers = examination.answers()
    ready = all(each.ok for each in answers.values())
    parts = {
        name: {
            "ok": each.ok,
            "detail": each.detail,
            "milliseconds": round(each.milliseconds, 1),
        }
        for name, each in answers.items()
    }
    body = {"status": "ready" if ready else "not ready", "parts": parts}
    return JsonResponse(body, status=200 if ready else 503)


def _answer(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain")


_migrated = False


def _is_migrated() -> bool:
    """Whether this process's code finds the tables it needs; asked until the answer is yes."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated
