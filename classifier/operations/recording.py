"""The worker's side: say that it lives, and add up what it did.

Nothing here may stop a batch: what cannot be written is logged and forgotten.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import F
from django.utils import timezone

from classifier.operations.models import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

logger = logging.getLogger(__name__)

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CELL_MILLISECONDS = (2.5, 5, 10, 25, 50, 75, 100, 150, 200, 300, 500, 1000, 2500)
OVER = "+Inf"
SECONDS_BETWEEN_SIGNS = 15
# A worker that has not been seen for this long is silent: killed, cut off or hung.
SILENT_AFTER = timedelta(seconds=4 * SECONDS_BETWEEN_SIGNS)
# What workers under names that are gone did is kept in one row, so that sums never fall.
FORGET_AFTER = timedelta(days=7)
PAST = "(past workers)"
SUMS = ("batches", "failed_batches", "claimed", "cells", "milliseconds")
COUNTS = ("batch_sizes", "cell_milliseconds", "failures")

_name = ""  # of this process, once it has started as a worker
_stopped = threading.Event()


def start(name: str) -> None:
    """Enter this process as a worker and give signs of life until :func:`stop`."""
    global _name
    now = timezone.now()
    _name = name[:200]
    _stopped.clear()
    _safely(
        lambda: Worker.objects.update_or_create(
            name=_name,
            defaults={"started_at": now, "seen_at": now, "stopped_at": None, "busy_since": None},
        )
    )
    threading.Thread(target=_live, name="signs-of-life", daemon=True).start()


def stop() -> None:
    """Enter that this worker left in good order."""
    global _name
    _stopped.set()
    if _name:
        name, _name, now = _name, "", timezone.now()
        _safely(
            lambda: Worker.objects.filter(name=name).update(
                stopped_at=now, seen_at=now, busy_since=None
            )
        )


def _live() -> None:
    while not _stopped.wait(SECONDS_BETWEEN_SIGNS):
        close_old_connections()
        _safely(lambda: Worker.objects.filter(name=_name).update(seen_at=timezone.now()))
        connection.close()


def begin_batch(*, model_name: str, device: str) -> None:
    """Enter that a batch is in work."""
    if _name:
        now = timezone.now()
        _safely(
            lambda: Worker.objects.filter(name=_name).update(
                busy_since=now, seen_at=now, model_name=model_name[:80], device=device[:120]
            )
        )


def end_batch(
    *, size: int, milliseconds: Iterable[float] = (), failures: Iterable[str] = (), failed: bool
) -> None:
    """Add a batch to this worker's sums.

    Args:
        size: cells claimed.
        milliseconds: of inference, one for each cell that was read.
        failures: the failure codes of those that were not.
        failed: the batch as a whole broke and was given back.
    """
    if not _name:
        return
    spent = list(milliseconds)
    counts: dict[str, Counter[str]] = {
        "batch_sizes": Counter([bucket(size, BATCH_SIZES)]),
        "cell_milliseconds": Counter(bucket(each, CELL_MILLISECONDS) for each in spent),
        "failures": Counter(failures),
    }
    sums = {
        "batches": 1,
        "failed_batches": int(failed),
        "claimed": size,
        "cells": len(spent),
        "milliseconds": sum(spent),
    }
    _safely(lambda: _add(_name, sums, counts))


@transaction.atomic
def _add(name: str, sums: Mapping[str, float], counts: Mapping[str, Mapping[str, int]]) -> None:
    worker = Worker.objects.select_for_update().filter(name=name).first()
    if worker is None:
        now = timezone.now()
        worker = Worker.objects.create(name=name, started_at=now, seen_at=now)
    for field, more in counts.items():
        setattr(worker, field, dict(Counter(getattr(worker, field)) + Counter(more)))
    worker.busy_since = None
    worker.seen_at = timezone.now()
    worker.save(update_fields=[*counts, "busy_since", "seen_at"])
    Worker.objects.filter(pk=worker.pk).update(
        **{field: F(field) + more for field, more in sums.items()}
    )


def fold_past() -> int:
    """Move the sums of workers not seen for a week into one row; returns how many there were."""
    with transaction.atomic():
        long_ago = timezone.now() - FORGET_AFTER
        gone = list(Worker.objects.select_for_update().not_seen_since(long_ago).exclude(name=PAST))
        for worker in gone:
            sums = {field: getattr(worker, field) for field in SUMS}
            _add(PAST, sums, {field: getattr(worker, field) for field in COUNTS})
            worker.delete()
    return len(gone)


def bucket(value: float, bounds: tuple[float, ...]) -> str:
    """The upper bound a value falls under, as text."""
    place = bisect_left(bounds, value)
    return f"{bounds[place]:g}" if place < len(bounds) else OVER


def _safely(write: Callable[[], object]) -> None:
    try:
        write()
    except DatabaseError:
        logger.warning("The worker's state could not be written.", exc_info=True)
