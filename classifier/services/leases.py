"""Taking rows under a lease, giving them back, giving them up: as the queue of cells does it.

docs/queue.md tells the rules in words.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone

from cases import failures
from cases.models.image import WorkState
from classifier.querysets import PAUSE_LIMIT_SECONDS, PAUSE_SECONDS
from classifier.services.queue import RENEWALS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from classifier.querysets import LeasedQuerySet

logger = logging.getLogger(__name__)


def claim_one(rows: LeasedQuerySet, *, now: datetime | None = None) -> Any:
    """Take the row that waits longest under a fresh lease; None when nothing waits.

    The conditional UPDATE decides: a row another worker took meanwhile is not taken twice.
    """
    now = now or timezone.now()
    waiting = rows.claimable(now).filter(attempts__lt=settings.CLASSIFY_MAX_ATTEMPTS)
    for pk in waiting.order_by("queued_at").values_list("pk", flat=True)[:10]:
        token = uuid.uuid4()
        if rows.claimable(now).filter(pk=pk).claim(token, now + _length()):
            return rows.filter(lease_token=token).first()
    return None


def give_back(row: Any, *, failure_code: str, now: datetime | None = None) -> None:
    """After a failure: try again after a pause that grows, or fail for good with the reason."""
    now = now or timezone.now()
    held = type(row).objects.filter(pk=row.pk).held_by(row.lease_token)
    if row.attempts >= settings.CLASSIFY_MAX_ATTEMPTS:
        fail(held, failure_code=failure_code, now=now)
        return
    pause = min(PAUSE_SECONDS * 2 ** (row.attempts - 1), PAUSE_LIMIT_SECONDS)
    held.update(
        state=WorkState.QUEUED,
        not_before=now + timedelta(seconds=pause),
        lease_token=None,
        lease_expires_at=None,
    )


def fail(rows: LeasedQuerySet, *, failure_code: str, now: datetime) -> int:
    """End rows without a result; returns how many."""
    return rows.finish(now, state=WorkState.FAILED, failure_code=failure_code)


def give_up(rows: LeasedQuerySet, *, now: datetime | None = None) -> int:
    """Fail the rows whose last attempt ended with the worker's death; returns how many."""
    now = now or timezone.now()
    dead = rows.claimable(now).filter(attempts__gte=settings.CLASSIFY_MAX_ATTEMPTS)
    return fail(dead, failure_code=failures.WORKER_DIED, now=now)


def renew(row: Any) -> bool:
    """Prolong a row's lease; false when it is not held any more."""
    held = type(row).objects.filter(pk=row.pk).held_by(row.lease_token)
    return bool(held.update(lease_expires_at=timezone.now() + _length()))


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


def _length() -> timedelta:
    return timedelta(seconds=settings.CLASSIFY_LEASE_SECONDS)
