"""Taking rows under a lease, giving them back, giving them up: as the queue of cells does it.

docs/queue.md tells the rules in words.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import close_old_connections, connection

from cases import failures
from classifier.clock import queue_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from classifier.querysets import LeasedQuerySet

logger = logging.getLogger(__name__)

# A worker that lives but gets nowhere holds its lease no longer than this many times its length.
RENEWALS_MAX = 10


def claim_one(rows: LeasedQuerySet, *, now: datetime | None = None) -> Any:
    """Take the row that waits longest under a fresh lease; None when nothing waits.

    The conditional UPDATE decides: a row another worker took meanwhile is not taken twice.
    """
    now = now or queue_time()
    waiting = rows.claimable(now).filter(attempts__lt=settings.CLASSIFY_MAX_ATTEMPTS)
    for pk in waiting.order_by("queued_at").values_list("pk", flat=True)[:10]:
        token = uuid.uuid4()
        if rows.claimable(now).filter(pk=pk).claim(token, now):
            return rows.filter(lease_token=token).first()
    return None


def give_back(row: Any, *, failure_code: str, now: datetime | None = None) -> None:
    """After a failure: try again after a pause that grows, or fail for good with the reason."""
    now = now or queue_time()
    held = type(row).objects.filter(pk=row.pk).held_by(row.lease_token)
    if row.attempts >= settings.CLASSIFY_MAX_ATTEMPTS:
        held.fail(failure_code, now)
    else:
        held.give_back(now)


def give_up(rows: LeasedQuerySet, *, now: datetime | None = None) -> int:
    """Fail the rows whose last attempt ended with the worker's death; returns how many."""
    now = now or queue_time()
    return rows.deserted(now).fail(failures.WORKER_DIED, now)


def renew(row: Any) -> bool:
    """Prolong a row's lease; false when it is not held any more."""
    held = type(row).objects.filter(pk=row.pk).held_by(row.lease_token)
    return bool(held.renew(queue_time()))


class Heartbeat:
    """Prolongs a lease while there is work under it: a slow worker is not taken for a dead one.

    It stops after RENEWALS_MAX lengths: a worker that hangs loses its lease after all.

    Args:
        renew: prolongs it; answers whether it was still held.
    """

    def __init__(self, renew: Callable[[], bool]) -> None:
        self._renew = renew
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        pause = settings.CLASSIFY_LEASE_SECONDS / 3
        for _ in range(RENEWALS_MAX * 3):
            if self._done.wait(pause):
                return
            try:
                close_old_connections()
                if not self._renew():
                    return
            except Exception:
                # The work goes on: at worst another worker repeats it and this one stores nothing.
                logger.exception("The lease could not be prolonged.")
            finally:
                connection.close()
