"""Named, chainable queries of the model's side."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Case as Choose
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery, Value, When

from cases.models.image import WorkState
from cases.querysets import AppendOnlyQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from cases.querysets import CellQuerySet

# After a failure, the growing pause before the next attempt: its first length and its longest.
PAUSE_SECONDS, PAUSE_LIMIT_SECONDS = 5, 300
# A pause that seems longer was set by a clock that was wrong.
LONGEST_PAUSE = timedelta(seconds=2 * PAUSE_LIMIT_SECONDS)


def _jobs() -> JobQuerySet:
    """All jobs; models.py imports this module, so the model is looked up by name."""
    return apps.get_model("classifier", "ClassificationJob").objects.all()


def _cells() -> CellQuerySet:
    return apps.get_model("cases", "Cell").objects.all()


def queued_cells_without_job(model_version: Any) -> CellQuerySet:
    """Queued cells without an unfinished job of the queue for that version, maybe an OuterRef.

    A finished one is of before a reviewer changed the cell's box: it is put back.
    """
    jobs = _jobs().of_the_queue().unfinished()
    jobs = jobs.filter(cell_id=OuterRef("pk"), model_version_id=model_version)
    return _cells().queued().filter(~Exists(jobs))


def held_at(now: datetime) -> Q:
    """Leases that hold at ``now``.

    One that reaches further ahead than a worker takes it was given by a clock that was wrong; it
    must not hold for the hours until that time has come.
    """
    return Q(lease_expires_at__gte=now, lease_expires_at__lte=now + _furthest_lease())


def _lease() -> timedelta:
    return timedelta(seconds=settings.CLASSIFY_LEASE_SECONDS)


def _furthest_lease() -> timedelta:
    # Many times its length: a clock that was set by minutes is no reason to work twice.
    return 10 * _lease()


def _end_of_pause(now: datetime) -> Choose:
    """The longer, the more attempts a row had."""
    growing = []
    attempts, seconds = 1, PAUSE_SECONDS
    while seconds < PAUSE_LIMIT_SECONDS:
        growing.append(When(attempts=attempts, then=Value(now + timedelta(seconds=seconds))))
        attempts, seconds = attempts + 1, seconds * 2
    longest = Value(now + timedelta(seconds=PAUSE_LIMIT_SECONDS))
    return Choose(*growing, default=longest, output_field=models.DateTimeField())


def stranded_cells(now: datetime) -> CellQuerySet:
    """Cells in ``processing`` that no worker holds and no claim would take over."""
    held = held_at(now) | Q(model_version__active=True)
    jobs = _jobs().of_the_queue().filter(held, cell_id=OuterRef("pk"), state=WorkState.PROCESSING)
    return _cells().filter(~Exists(jobs), state=WorkState.PROCESSING)


class ModelVersionQuerySet(models.QuerySet[Any]):
    """Queries on model versions."""

    def active(self) -> Self:
        return self.filter(active=True)

    def with_work(self, now: datetime) -> Self:
        """Versions for which a worker would find something to do at ``now``."""
        uncounted = queued_cells_without_job(OuterRef(OuterRef("pk")))
        waiting = _jobs().of_the_queue().claimable(now).filter(model_version_id=OuterRef("pk"))
        return self.filter(Exists(uncounted) | Exists(waiting))


class ModelRunQuerySet(models.QuerySet[Any]):
    """Queries on model runs."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(laboratory_id__in=laboratory_ids)

    def running(self) -> Self:
        return self.filter(state="running")

    def with_work(self, now: datetime) -> Self:
        """Runs for which a worker would find something to do at ``now``, if only to end them."""
        jobs = _jobs().filter(run_id=OuterRef("pk"))
        return self.running().filter(
            Q(enqueued=False) | Exists(jobs.claimable(now)) | ~Exists(jobs.unfinished())
        )

    def for_display(self) -> Self:
        """With names, and how far each has come: ``done`` and ``failed`` cells."""
        return (
            self.select_related("model_version", "laboratory", "case", "requested_by")
            .annotate(
                done=Count("jobs", filter=Q(jobs__state=WorkState.DONE)),
                failed=Count("jobs", filter=Q(jobs__state=WorkState.FAILED)),
            )
            .order_by("-id")
        )


class LeasedQuerySet(models.QuerySet[Any]):
    """Rows that wait for a worker, are held by one, or are finished."""

    def claimable(self, now: datetime) -> Self:
        """Rows waiting whose pause is over, or left by a worker whose lease has run out."""
        paused = Q(not_before__gt=now, not_before__lte=now + LONGEST_PAUSE)
        over = Q(lease_expires_at__lt=now) | Q(lease_expires_at__gt=now + _furthest_lease())
        return self.filter(
            (Q(state=WorkState.QUEUED) & (Q(not_before=None) | ~paused))
            | (Q(state=WorkState.PROCESSING) & over)
        )

    def unfinished(self) -> Self:
        return self.filter(state__in=(WorkState.QUEUED, WorkState.PROCESSING))

    def held_by(self, token: UUID | None) -> Self:
        """Rows under that lease; none without one."""
        return self.filter(state=WorkState.PROCESSING, lease_token=token)

    def deserted(self, now: datetime) -> Self:
        """Rows whose last attempt ended with the worker's death."""
        return self.claimable(now).filter(attempts__gte=settings.CLASSIFY_MAX_ATTEMPTS)

    def claim(self, token: UUID, now: datetime) -> int:
        """Give the rows to the holder of ``token``; returns how many there were."""
        return self.update(
            state=WorkState.PROCESSING,
            lease_token=token,
            lease_expires_at=now + _lease(),
            not_before=None,
            attempts=F("attempts") + 1,
        )

    def renew(self, now: datetime, **progress: Any) -> int:
        """Prolong the rows' lease; returns how many there were."""
        return self.update(lease_expires_at=now + _lease(), **progress)

    def give_back(self, now: datetime) -> int:
        """Put rows that failed back for another attempt, after a pause that grows."""
        return self.update(
            state=WorkState.QUEUED,
            not_before=_end_of_pause(now),
            lease_token=None,
            lease_expires_at=None,
        )

    def fail(self, failure_code: str, now: datetime) -> int:
        """End the rows without a result; returns how many there were."""
        return self.finish(now, state=WorkState.FAILED, failure_code=failure_code)

    def finish(self, now: datetime, **result: Any) -> int:
        """End the rows, done unless ``result`` says otherwise; returns how many there were."""
        values = {"state": WorkState.DONE, **result}
        return self.update(lease_token=None, lease_expires_at=None, finished_at=now, **values)

    def begin_anew(self, **changes: Any) -> int:
        """Put the rows back with fresh attempts; returns how many there were."""
        return self.update(
            state=WorkState.QUEUED,
            attempts=0,
            lease_token=None,
            lease_expires_at=None,
            not_before=None,
            failure_code="",
            finished_at=None,
            **changes,
        )


class JobQuerySet(LeasedQuerySet):
    """Queries on classification jobs."""

    def of_the_queue(self) -> Self:
        """Jobs whose result is the cell's label."""
        return self.filter(run=None)

    def superseded(self, now: datetime) -> Self:
        """Unfinished jobs nobody waits for and no worker holds: the queue's of versions that are
        not active, and those of runs that have ended."""
        return (
            self.unfinished()
            .filter(
                Q(run=None, model_version__active=False)
                | Q(run__isnull=False) & ~Q(run__state="running")
            )
            .exclude(held_at(now), state=WorkState.PROCESSING)
        )

    def finished_but_queued_again(self) -> Self:
        """Finished jobs of the active version whose cell has been put back into the queue."""
        return self.filter(
            state__in=(WorkState.DONE, WorkState.FAILED),
            model_version__active=True,
            cell__state=WorkState.QUEUED,
        )

    def queue_again(self) -> int:
        """Put the jobs back with fresh attempts, as the queue's."""
        return self.begin_anew(run=None)


class PredictionQuerySet(AppendOnlyQuerySet):
    """Queries on predictions."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(cell__case__laboratory_id__in=laboratory_ids)

    def without_blobs(self) -> Self:
        """Leave the heatmaps and the embedding in the database."""
        return self.defer("heatmaps", "embedding")

    def of_present_box(self) -> Self:
        """Of what was said of cells as they lie now, not before a reviewer changed their box."""
        return self.filter(box_version=F("cell__box_version"))

    def of_cell(self, cell: Any) -> Self:
        return self.filter(cell=cell)

    def of_cells(self, cell_ids: Iterable[int]) -> Self:
        return self.filter(cell_id__in=cell_ids)

    def with_model_and_class(self) -> Self:
        return self.select_related("model_version", "predicted_class")

    def naming_first(self) -> Self:
        """The prediction that named its cell before those that runs added; else the newest first.

        Adds ``named_at``: when the queue finished the version's job, empty for a run's.
        """
        jobs = (
            _jobs()
            .of_the_queue()
            .filter(
                cell_id=OuterRef("cell_id"),
                model_version_id=OuterRef("model_version_id"),
                state=WorkState.DONE,
            )
        )
        return self.annotate(named_at=Subquery(jobs.values("finished_at")[:1])).order_by(
            F("named_at").desc(nulls_last=True), "-id"
        )

    def for_api(self) -> Self:
        """With what the API tells of each, in a constant number of queries."""
        return self.without_blobs().select_related("cell", "model_version", "predicted_class")

    def latest_of(self, cell: Any, model_version_id: int | None = None) -> Any:
        """What named the cell, or what one model version said; None when there is no prediction."""
        found = self.filter(cell=cell).of_present_box().defer("embedding")
        if model_version_id is not None:
            found = found.filter(model_version_id=model_version_id)
        found = found.naming_first()
        return found.select_related("cell", "model_version", "predicted_class").first()
