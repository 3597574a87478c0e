"""``/healthz``: whether this process can serve pages."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

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
