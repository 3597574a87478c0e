"""Runs: a version sees cells of a case or of a laboratory, beside whichever version named them.

A run adds predictions and changes nothing else. Its jobs lie in the queue's table and are claimed,
renewed, given back and given up as any other (docs/queue.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.models import Cell
from cases.models.image import WorkState
from cases.policies import Action, require
from cases.services.doorbell import ring_after_commit
from cases.services.errors import Conflict, ServiceError
from classifier.models import ClassificationJob, ModelRun, Prediction
from classifier.services.queue import ENQUEUE_LIMIT

if TYPE_CHECKING:
    from cases.models import Laboratory, SmearCase, User
    from cases.querysets import CellQuerySet
    from classifier.models import ModelVersion
    from classifier.querysets import JobQuerySet

State = ModelRun.State


def start_run(
    *,
    user: User,
    version: ModelVersion,
    laboratory: Laboratory,
    case: SmearCase | None = None,
) -> ModelRun:
    """Ask that a version sees the cells it has not seen, of a case or of a whole laboratory.

    Args:
        user: an administrator of the laboratory.
        version: active or not.
        laboratory: whose cells.
        case: one case of the laboratory; all when None.

    Returns:
        The run; workers are rung for after the commit.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Conflict: ``already_running`` when the same is being done.
        ServiceError: ``nothing_to_do`` when the version has seen every cell there.
    """
    require(user, Action.MANAGE, laboratory.pk)
    if case is not None and case.laboratory_id != laboratory.pk:
        raise ValueError("the case is another laboratory's")
    with transaction.atomic():
        same = ModelRun.objects.running().filter(
            model_version=version, laboratory=laboratory, case=case
        )
        if same.exists():
            raise Conflict(
                "already_running",
                _("This model is at work on these cells already; wait until it has finished."),
            )
        cells = Cell.objects.of_laboratories([laboratory.pk])
        newest = (cells.of_case(case.pk) if case else cells).aggregate(newest=Max("pk"))["newest"]
        run = ModelRun(
            model_version=version,
            laboratory=laboratory,
            case=case,
            newest_cell=newest or 0,
            requested_by=user,
        )
        run.cells = _unseen(run).count() + _given_up(run).count()
        if not run.cells:
            raise ServiceError(
                "nothing_to_do",
                _("This model has seen every cell there, or is about to in the queue."),
            )
        run.save()
        again = list(_given_up(run).values_list("pk", flat=True))
        ClassificationJob.objects.filter(pk__in=again).queue_again()
        ClassificationJob.objects.filter(pk__in=again).update(run=run)
        ring_after_commit()
    return run


def cancel_run(*, user: User, run: ModelRun) -> None:
    """End a run; predictions made so far stay, and a batch in work is stored when it is done.

    Raises:
        NotAllowed: when the user does not manage the run's laboratory.
        Conflict: ``run_has_ended``.
    """
    require(user, Action.MANAGE, run.laboratory_id)
    if not _end(run, State.CANCELLED):
        raise Conflict("run_has_ended", _("This run has ended already."))


def fail(*, run: ModelRun, failure_code: str) -> None:
    """End a run whose bundle cannot be used, with the reason's code."""
    _end(run, State.FAILED, failure_code=failure_code)


def enqueue(*, run: ModelRun) -> int:
    """Make the next jobs of a run; returns how many cells were looked at, 0 when none are left."""
    if run.enqueued:
        return 0
    with transaction.atomic():
        # A cancellation waits for this, or has been: then nothing is made.
        if not ModelRun.objects.select_for_update().running().filter(pk=run.pk).exists():
            return 0
        cells = _unseen(run).order_by("pk").values_list("pk", flat=True)
        jobs = [
            ClassificationJob(cell_id=pk, model_version_id=run.model_version_id, run=run)
            for pk in cells[:ENQUEUE_LIMIT]
        ]
        ClassificationJob.objects.bulk_create(jobs, ignore_conflicts=True)
        if not jobs:
            ModelRun.objects.filter(pk=run.pk).update(enqueued=True)
    return len(jobs)


def finish(*, run: ModelRun) -> bool:
    """Mark a run as done once none of its jobs is left; true when it now is."""
    unfinished = ClassificationJob.objects.filter(run_id=OuterRef("pk")).unfinished()
    ready = ModelRun.objects.running().filter(~Exists(unfinished), pk=run.pk, enqueued=True)
    # Cells that the queue took over, since the version became active meanwhile, are the queue's.
    return bool(ready.update(state=State.DONE, finished_at=timezone.now(), cells=run.jobs.count()))


def _end(run: ModelRun, state: str, *, failure_code: str = "") -> bool:
    """End a running run and take its waiting jobs out of the queue; false when it had ended."""
    with transaction.atomic():
        ended = (
            ModelRun.objects.running()
            .filter(pk=run.pk)
            .update(state=state, failure_code=failure_code, finished_at=timezone.now())
        )
        if ended:
            ClassificationJob.objects.filter(run=run, state=WorkState.QUEUED).delete()
            run.refresh_from_db()
    return bool(ended)


def _scope(run: ModelRun) -> CellQuerySet:
    cells = Cell.objects.of_laboratories([run.laboratory_id]).filter(pk__lte=run.newest_cell)
    return cells if run.case_id is None else cells.of_case(run.case_id)


def _unseen(run: ModelRun) -> CellQuerySet:
    """Cells of the run's scope without a prediction or a job of its version.

    Cells that wait for the active version are the queue's, which names them.
    """
    own = {"cell_id": OuterRef("pk"), "model_version_id": run.model_version_id}
    cells = _scope(run).filter(
        ~Exists(Prediction.objects.filter(**own)), ~Exists(ClassificationJob.objects.filter(**own))
    )
    return cells.not_pending() if run.model_version.active else cells


def _given_up(run: ModelRun) -> JobQuerySet:
    """Failed jobs of the version in the scope that no retry button reaches."""
    failed = ClassificationJob.objects.filter(
        model_version_id=run.model_version_id, state=WorkState.FAILED, cell__in=_scope(run)
    )
    if run.model_version.active:
        return failed.filter(run__isnull=False)
    return failed.filter(Q(run=None) | ~Q(run__state=State.RUNNING))
