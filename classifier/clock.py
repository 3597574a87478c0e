"""The one clock that leases and pauses are measured by."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.utils import timezone


def queue_time() -> datetime:
    """Return the time now by the clock all workers share; on PostgreSQL one query.

    Workers on several machines share the database's. By clocks of their own that differ by more
    than a lease, each would take the other's work over again and again, until jobs that hurt nobody
    had no attempts left. With SQLite everything runs on one machine.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return now
