"""Figures of the queue and the workers, in a bounded number of queries over small indexes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Min
from django.utils import timezone

from cases.models import Cell, Correction
from cases.models.image import WorkState
from classifier.models import ClassificationJob
from classifier.operations.models import Worker
from classifier.operations.recording import COUNTS, PAST, SILENT_AFTER, SUMS

if TYPE_CHECKING:
    from datetime import datetime

STOPPED = "stopped"
SILENT = "silent"
BUSY = "busy"
IDLE = "idle"


@dataclass(frozen=True)
class Depth:
    """The queue at this moment, across all laboratories.

    Attributes:
        queued: cells that wait for a name.
        processing: jobs that a worker holds, runs included.
        failed: failed jobs by failure code; a retried cell leaves it.
        oldest: when the cell that waits longest was uploaded.
    """

    queued: int
    processing: int
    failed: dict[str, int]
    oldest: datetime | None

    @property
    def age_seconds(self) -> float:
        """How long the oldest has been waiting; 0 when none does."""
        if self.oldest is None:
            return 0.0
        return max(0.0, (timezone.now() - self.oldest).total_seconds())


def depth() -> Depth:
    """Count the queue: three queries, each over a partial index."""
    waiting = Cell.objects.queued().aggregate(number=Count("pk"), oldest=Min("created_at"))
    jobs = ClassificationJob.objects
    failed = jobs.filter(state=WorkState.FAILED).order_by().values_list("failure_code")
    return Depth(
        queued=waiting["number"],
        processing=jobs.unfinished().filter(state=WorkState.PROCESSING).count(),
        failed=dict(failed.annotate(number=Count("pk"))),
        oldest=waiting["oldest"],
    )


@dataclass(frozen=True)
class Totals:
    """What all workers did since the first, those that are gone included."""

    sums: dict[str, float]
    counts: dict[str, Counter[str]]


def state_of(worker: Worker) -> str:
    """What the worker is doing, as far as its signs tell."""
    if worker.stopped_at is not None:
        return STOPPED
    if worker.seen_at < timezone.now() - SILENT_AFTER:
        return SILENT
    return BUSY if worker.busy_since is not None else IDLE


def totals(workers: list[Worker]) -> Totals:
    sums = {field: float(sum(getattr(each, field) for each in workers)) for field in SUMS}
    counts: dict[str, Counter[str]] = {}
    for field in COUNTS:
        counts[field] = Counter()
        for each in workers:
            counts[field].update(getattr(each, field))
    return Totals(sums, counts)


def present(workers: list[Worker]) -> list[Worker]:
    """Those that are shown one by one."""
    return [each for each in workers if each.name != PAST]


def corrections_made() -> int:
    """Rows of corrections, confirmations included: they are never removed but with a patient."""
    return Correction.objects.count()
