"""The queue's rows: making jobs, claiming them, giving them back, giving them up, mending.

docs/queue.md tells the rules in words. Times are passed in so that tests need not wait.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case as Choose
from django.db.models import Exists, OuterRef, Subquery, Value, When

from cases import failures
from cases.models import CaseImage, Cell, SmearCase
from cases.models.image import WorkState
from cases.policies import Action, require
from cases.services.cases import case_signed_off, refresh_case_status
from cases.services.doorbell import ring_after_commit
from cases.services.revisions import note_changes
from cases.services.searches import search_again
from classifier.clock import queue_time
from classifier.models import ClassificationJob, ModelRun, ModelVersion
from classifier.querysets import queued_cells_without_job, stranded_cells

if TYPE_CHECKING:
    from cases.models import User
    from classifier.querysets import JobQuerySet

logger = logging.getLogger(__name__)

# Jobs made in one go: a bulk upload must not make one endless transaction.
ENQUEUE_LIMIT = 2000


@dataclass(frozen=True)
class Claim:
    """Jobs taken under one lease."""

    token: uuid.UUID
    jobs: list[ClassificationJob]


def enqueue_missing(*, model_version: ModelVersion) -> int:
    """Make jobs for queued cells that have none for this version; returns how many were looked at.

    A finished job of a cell whose box was changed since begins anew.

    A job a run has made for such a cell becomes the queue's: its result is the cell's label then.
    Two workers doing so at once do no harm: a job is unique for cell and version.
    """
    of_runs = ClassificationJob.objects.filter(
        model_version=model_version, run__isnull=False, cell__state=WorkState.QUEUED
    )
    adopted = of_runs.filter(state=WorkState.PROCESSING).update(run=None)
    adopted += of_runs.queue_again()
    cells = queued_cells_without_job(model_version.pk).order_by("pk").values_list("pk", flat=True)
    jobs = [
        ClassificationJob(cell_id=pk, model_version=model_version) for pk in cells[:ENQUEUE_LIMIT]
    ]
    ClassificationJob.objects.bulk_create(jobs, ignore_conflicts=True)
    finished = ClassificationJob.objects.of_the_queue().filter(
        model_version=model_version,
        cell__in=[job.cell_id for job in jobs],
        cell__state=WorkState.QUEUED,
        state__in=(WorkState.DONE, WorkState.FAILED),
    )
    finished.queue_again()
    return len(jobs) + adopted


def claim_batch(
    *,
    model_version: ModelVersion,
    size: int,
    run: ModelRun | None = None,
    now: datetime | None = None,
) -> Claim | None:
    """Take up to ``size`` jobs of the queue, or of a run, under a fresh lease.

    It is one conditional UPDATE.

    Jobs on their last attempt are taken singly and after all others: whatever broke a whole batch
    twice must not drag the other cells of that batch down with it.

    Returns:
        The claim with its jobs, cells and images loaded, or None when there is nothing to do.
    """
    now = now or queue_time()
    last = max(settings.CLASSIFY_MAX_ATTEMPTS - 1, 1)
    jobs = ClassificationJob.objects.filter(model_version=model_version, run=run)
    return _claim(jobs.filter(attempts__lt=last), size, now) or _claim(
        jobs.filter(attempts__gte=last, attempts__lt=settings.CLASSIFY_MAX_ATTEMPTS), 1, now
    )


def _claim(jobs: JobQuerySet, size: int, now: datetime) -> Claim | None:
    token = uuid.uuid4()
    candidates = jobs.claimable(now).order_by("pk").values_list("pk", flat=True)
    if connection.features.has_select_for_update_skip_locked:
        candidates = candidates.select_for_update(skip_locked=True)
    with transaction.atomic():
        # The candidates are a statement of their own: as a subquery of the UPDATE, PostgreSQL may
        # run it once per row and so take more than LIMIT says. It is the UPDATE that decides: a
        # row another worker took meanwhile fails its condition.
        chosen = list(candidates[:size])
        if not jobs.claimable(now).filter(pk__in=chosen).claim(token, now):
            return None
        held = ClassificationJob.objects.held_by(token)
        naming = held.of_the_queue()
        Cell.objects.filter(pk__in=naming.values("cell")).update(state=WorkState.PROCESSING)
        CaseImage.objects.filter(
            pk__in=naming.values("cell__image"), state=WorkState.QUEUED
        ).update(state=WorkState.PROCESSING)
        return Claim(token, list(held.select_related("cell__image").order_by("pk")))


def cells_named_by(jobs: list[ClassificationJob]) -> list[int]:
    """Keys of the cells whose label, state and case the jobs decide: the queue's, not a run's."""
    return [job.cell_id for job in jobs if job.run_id is None]


def renew_lease(*, token: uuid.UUID, now: datetime | None = None) -> bool:
    """Prolong a lease; false when nothing is held under it any more."""
    return bool(ClassificationJob.objects.held_by(token).renew(now or queue_time()))


def release(*, token: uuid.UUID, failure_code: str, now: datetime | None = None) -> None:
    """Give a batch back after a failure of the model or the storage as a whole.

    Each job pauses longer the more attempts it had; one without attempts left fails.
    """
    now = now or queue_time()
    with transaction.atomic():
        held = list(ClassificationJob.objects.select_for_update().held_by(token).order_by("pk"))
        spent = [job for job in held if job.attempts >= settings.CLASSIFY_MAX_ATTEMPTS]
        again = [job for job in held if job.attempts < settings.CLASSIFY_MAX_ATTEMPTS]
        ClassificationJob.objects.filter(pk__in=[job.pk for job in again]).give_back(now)
        cells = cells_named_by(again)
        Cell.objects.filter(pk__in=cells).update(state=WorkState.QUEUED)
        refresh_images(cell_ids=cells)
        mark_failed(jobs=spent, failure_code=failure_code, now=now)
        refresh_cases(cell_ids=cells_named_by(spent))


def give_up(*, now: datetime | None = None) -> int:
    """Fail the jobs whose last attempt ended with the worker's death; returns how many."""
    now = now or queue_time()
    with transaction.atomic():
        dead = list(ClassificationJob.objects.select_for_update().deserted(now).order_by("pk"))
        mark_failed(jobs=dead, failure_code=failures.WORKER_DIED, now=now)
        refresh_cases(cell_ids=cells_named_by(dead))
    for job in dead:
        logger.error(
            "Cell %s is given up after %s attempts: the worker died each time.",
            job.cell_id,
            job.attempts,
        )
    return len(dead)


def mark_failed(
    *, jobs: list[ClassificationJob], failure_code: str, now: datetime | None = None
) -> None:
    """Mark jobs as failed inside the caller's transaction; the queue's with their cells and images.

    The caller refreshes the cases at its end.
    """
    cells = cells_named_by(jobs)
    rows = ClassificationJob.objects.filter(pk__in=[job.pk for job in jobs])
    rows.fail(failure_code, now or queue_time())
    Cell.objects.filter(pk__in=cells).update(state=WorkState.FAILED, failure_code=failure_code)
    refresh_images(cell_ids=cells)


def retry_failed(*, user: User, case: SmearCase) -> int:
    """Put the failed cells and fields of a case back into the queue with fresh attempts and ring.

    Returns:
        How many cells and fields were put back.

    Raises:
        NotAllowed: when the user may not upload to the case's laboratory.
        Conflict: ``case_signed_off``.
    """
    require(user, Action.UPLOAD, case.laboratory_id)
    with transaction.atomic():
        cells = list(
            Cell.objects.select_for_update()
            .filter(case=case, state=WorkState.FAILED)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        # Cells, images, then the case: every transaction locks in this order, so none deadlock.
        _queue_again(cells)
        fields = search_again(case_id=case.pk)
        if fields:
            refresh_case_status(case_id=case.pk)
        if not SmearCase.objects.filter(pk=case.pk).not_frozen().exists():
            raise case_signed_off()
        ring_after_commit()
    return len(cells) + fields


def repair(*, now: datetime | None = None) -> int:
    """Mend what a crash between transactions or a change of model can leave behind.

    Cells in ``processing`` that nobody works on and nobody would take over, and queued cells whose
    job is finished, go back to the queue; jobs of inactive versions and of ended runs are dropped.

    Returns:
        How many cells were put back.
    """
    now = now or queue_time()
    with transaction.atomic():
        ClassificationJob.objects.superseded(now).delete()
        cells = set(stranded_cells(now).values_list("pk", flat=True)[:ENQUEUE_LIMIT])
        again = ClassificationJob.objects.finished_but_queued_again()
        cells |= set(again.values_list("cell_id", flat=True)[:ENQUEUE_LIMIT])
        _queue_again(sorted(cells))
    if cells:
        logger.warning("%s cells were put back into the queue.", len(cells))
    return len(cells)


def _queue_again(cells: list[int]) -> None:
    Cell.objects.filter(pk__in=cells).update(state=WorkState.QUEUED, failure_code="")
    ClassificationJob.objects.filter(cell_id__in=cells, model_version__active=True).queue_again()
    refresh_images(cell_ids=cells)
    refresh_cases(cell_ids=cells)


def hand_on(*, cell_ids: list[int]) -> None:
    """Let the version that is active now name cells that another one has just seen."""
    Cell.objects.filter(pk__in=cell_ids).update(state=WorkState.QUEUED)


def refresh_images(*, cell_ids: list[int]) -> None:
    """Bring the images of these cells in line: unfinished, failed if one cell failed, or done.

    A field that is still searched, or could not be, stays as it is.
    """
    images = Cell.objects.filter(pk__in=cell_ids).values("image")
    unsearched = CaseImage.objects.unsearched().values("pk")
    # Locked first, so that the next statement sees what other workers did to the same images.
    keys = list(
        CaseImage.objects.select_for_update()
        .filter(pk__in=images)
        .exclude(pk__in=unsearched)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    cells = Cell.objects.filter(image_id=OuterRef("pk"))
    failed = cells.filter(state=WorkState.FAILED).order_by("pk")
    CaseImage.objects.filter(pk__in=keys).update(
        state=Choose(
            When(Exists(cells.filter(state=WorkState.PROCESSING)), then=Value("processing")),
            When(Exists(cells.filter(state=WorkState.QUEUED)), then=Value("queued")),
            When(Exists(failed), then=Value("failed")),
            default=Value("done"),
        ),
        failure_code=Choose(
            When(Exists(cells.pending()), then=Value("")),
            When(Exists(failed), then=Subquery(failed.values("failure_code")[:1])),
            default=Value(""),
        ),
    )


def refresh_cases(*, cell_ids: list[int]) -> None:
    """Tell these cells' cases that cells changed, and bring their status in line.

    In a fixed order, so that none deadlock.
    """
    note_changes(cell_ids=cell_ids)
    cases = Cell.objects.filter(pk__in=cell_ids).order_by("case_id")
    for case_id in cases.values_list("case_id", flat=True).distinct():
        refresh_case_status(case_id=case_id)
