"""Claims, leases, late workers, giving up and mending."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases import failures
from cases.models import CaseImage, Cell, Role, SmearCase
from cases.services.errors import Conflict, NotAllowed
from classifier.models import ClassificationJob, ModelVersion, Prediction
from classifier.querysets import PAUSE_LIMIT_SECONDS, PAUSE_SECONDS
from classifier.services import queue, work
from classifier.services.registry import activate_model
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, queue_cells
from tests.factories import LaboratoryFactory, member

pytestmark = pytest.mark.django_db


def take(version: ModelVersion, size: int = 16, seconds: float = 0) -> queue.Claim | None:
    """Claim as a worker would ``seconds`` from now."""
    queue.enqueue_missing(model_version=version)
    now = timezone.now() + timedelta(seconds=seconds)
    return queue.claim_batch(model_version=version, size=size, now=now)


def store(claim: queue.Claim, version: ModelVersion, code: str = "monocyte") -> int:
    outcomes = [work.Outcome(job, answer(code), 1.0) for job in claim.jobs]
    return work.store_results(claim=claim, model_version=version, device="CPU", outcomes=outcomes)


def states(model: Any) -> set[str]:
    return set(model.objects.values_list("state", flat=True))


def test_jobs_are_made_once(version: ModelVersion, case: SmearCase) -> None:
    queue_cells(case, 3)
    assert queue.enqueue_missing(model_version=version) == 3
    assert queue.enqueue_missing(model_version=version) == 0
    assert ClassificationJob.objects.count() == 3


def test_a_job_is_held_by_one_worker_only(version: ModelVersion, case: SmearCase) -> None:
    queue_cells(case, 5)
    first, second, third = take(version, 3), take(version, 3), take(version, 3)
    assert first is not None
    assert second is not None
    assert third is None
    taken = [job.pk for job in first.jobs + second.jobs]
    assert len(taken) == len(set(taken)) == 5
    assert first.token != second.token
    assert {job.attempts for job in first.jobs} == {1}
    assert states(Cell) == states(CaseImage) == {"processing"}


def test_a_claim_is_one_conditional_update(version: ModelVersion, case: SmearCase) -> None:
    queue_cells(case, 20)
    queue.enqueue_missing(model_version=version)
    with CaptureQueriesContext(connection) as queries:
        queue.claim_batch(model_version=version, size=16)
    table = connection.ops.quote_name(ClassificationJob._meta.db_table)
    (update,) = [q["sql"] for q in queries if q["sql"].startswith(f"UPDATE {table}")]
    condition = update.partition("WHERE")[2]
    assert "lease_expires_at" in condition
    assert "state" in condition
    (candidates,) = [q["sql"] for q in queries if "LIMIT 16" in q["sql"]]
    assert ("SKIP LOCKED" in candidates) == connection.features.has_select_for_update_skip_locked
    assert ClassificationJob.objects.filter(state="processing").count() == 16


def test_a_lease_that_ran_out_is_taken_over_and_the_late_worker_stores_nothing(
    version: ModelVersion, case: SmearCase, settings: Any
) -> None:
    queue_cells(case, 4)
    late = take(version)
    assert late is not None
    assert take(version, seconds=settings.CLASSIFY_LEASE_SECONDS - 5) is None
    heir = take(version, seconds=settings.CLASSIFY_LEASE_SECONDS + 5)
    assert heir is not None
    assert len(heir.jobs) == 4

    assert store(late, version, "basophil") == 0
    assert not Prediction.objects.exists()
    assert store(heir, version, "neutrophil") == 4
    assert store(heir, version, "basophil") == 0
    assert set(Prediction.objects.values_list("predicted_class__code", flat=True)) == {"neutrophil"}
    assert Prediction.objects.count() == 4


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="only for PostgreSQL, whose clock workers share"
)
@pytest.mark.parametrize("hours", [1, -1])
def test_a_worker_whose_clock_is_wrong_takes_over_no_lease_that_holds(
    version: ModelVersion, case: SmearCase, settings: Any, monkeypatch: Any, hours: int
) -> None:
    queue_cells(case, 2)
    queue.enqueue_missing(model_version=version)
    ClassificationJob.objects.update(attempts=settings.CLASSIFY_MAX_ATTEMPTS - 1)
    mine = queue.claim_batch(model_version=version, size=2)
    assert mine is not None
    with monkeypatch.context() as elsewhere:
        right = timezone.now
        elsewhere.setattr(timezone, "now", lambda: right() + timedelta(hours=hours))
        theirs = queue.claim_batch(model_version=version, size=2)
        assert theirs is not None
        assert mine.jobs[0].pk != theirs.jobs[0].pk
        assert queue.claim_batch(model_version=version, size=2) is None
        assert queue.repair() == queue.give_up() == 0
        assert queue.renew_lease(token=theirs.token)
    assert queue.claim_batch(model_version=version, size=2) is None
    assert queue.repair() == queue.give_up() == 0
    assert store(mine, version) == store(theirs, version) == 1


def test_a_renewed_lease_is_kept(version: ModelVersion, case: SmearCase, settings: Any) -> None:
    queue_cells(case, 1)
    claim = take(version)
    assert claim is not None
    soon = timezone.now() + timedelta(seconds=settings.CLASSIFY_LEASE_SECONDS - 1)
    assert queue.renew_lease(token=claim.token, now=soon)
    assert take(version, seconds=settings.CLASSIFY_LEASE_SECONDS + 30) is None
    store(claim, version)
    assert not queue.renew_lease(token=claim.token)


def test_a_batch_that_kills_its_worker_is_split_and_only_the_culprit_given_up(
    version: ModelVersion, case: SmearCase, settings: Any
) -> None:
    cells = queue_cells(case, 4)
    poison = cells[1]
    lease = settings.CLASSIFY_LEASE_SECONDS + 1
    clock = 0
    for _ in range(2):  # the whole batch dies twice
        claim = take(version, seconds=clock)
        assert claim is not None
        assert len(claim.jobs) == 4
        clock += lease
    singles = []
    while claim := take(version, seconds=clock):
        assert len(claim.jobs) == 1
        singles.append(claim.jobs[0].cell_id)
        if claim.jobs[0].cell_id != poison.pk:
            store(claim, version)
    assert sorted(singles) == [cell.pk for cell in cells]

    assert queue.give_up(now=timezone.now()) == 0
    assert queue.give_up(now=timezone.now() + timedelta(seconds=clock + lease)) == 1
    poison.refresh_from_db()
    assert (poison.state, poison.failure_code) == ("failed", failures.WORKER_DIED)
    poison.image.refresh_from_db()
    assert (poison.image.state, poison.image.failure_code) == ("failed", failures.WORKER_DIED)
    assert Cell.objects.filter(state="done").count() == 3
    assert CaseImage.objects.filter(state="done").count() == 3
    case.refresh_from_db()
    assert case.status == SmearCase.Status.IN_REVIEW


def test_fresh_cells_go_before_those_that_broke_a_batch(
    version: ModelVersion, case: SmearCase
) -> None:
    old = queue_cells(case, 1)[0]
    queue.enqueue_missing(model_version=version)
    ClassificationJob.objects.update(attempts=2)
    fresh = queue_cells(case, 2)
    claim = take(version)
    assert claim is not None
    assert [job.cell_id for job in claim.jobs] == [cell.pk for cell in fresh]
    claim = take(version)
    assert claim is not None
    assert [job.cell_id for job in claim.jobs] == [old.pk]


def test_a_released_batch_pauses_longer_each_time_and_fails_at_last(
    version: ModelVersion, case: SmearCase
) -> None:
    queue_cells(case, 1)
    clock = 0.0
    for pause in (PAUSE_SECONDS, PAUSE_SECONDS * 2):
        claim = take(version, seconds=clock)
        assert claim is not None
        now = timezone.now() + timedelta(seconds=clock)
        queue.release(token=claim.token, failure_code=failures.MODEL_ERROR, now=now)
        assert states(Cell) == states(CaseImage) == {"queued"}
        assert take(version, seconds=clock + pause - 2) is None
        clock += pause + 1
    claim = take(version, seconds=clock)
    assert claim is not None
    queue.release(token=claim.token, failure_code=failures.MODEL_ERROR)
    cell = Cell.objects.get()
    assert (cell.state, cell.failure_code) == ("failed", failures.MODEL_ERROR)


def test_the_pause_is_bounded(version: ModelVersion, case: SmearCase, settings: Any) -> None:
    settings.CLASSIFY_MAX_ATTEMPTS = 100
    queue_cells(case, 1)
    queue.enqueue_missing(model_version=version)
    ClassificationJob.objects.update(attempts=60)
    claim = take(version)
    assert claim is not None
    now = timezone.now()
    queue.release(token=claim.token, failure_code=failures.MODEL_ERROR, now=now)
    assert ClassificationJob.objects.get().not_before == now + timedelta(
        seconds=PAUSE_LIMIT_SECONDS
    )


def fail_all(version: ModelVersion) -> None:
    claim = take(version)
    assert claim is not None
    queue.mark_failed(jobs=claim.jobs, failure_code=failures.UNDECODABLE)


def test_a_retry_gives_failed_cells_fresh_attempts(version: ModelVersion, case: SmearCase) -> None:
    queue_cells(case, 2)
    fail_all(version)
    ClassificationJob.objects.update(attempts=3)
    user = member(case.laboratory)
    assert queue.retry_failed(user=user, case=case) == 2
    assert states(Cell) == states(CaseImage) == {"queued"}
    assert set(Cell.objects.values_list("failure_code", flat=True)) == {""}
    case.refresh_from_db()
    assert case.status == SmearCase.Status.PROCESSING
    assert work.run_pending(predictor=FakePredictor()) == 2
    assert states(Cell) == {"done"}


def test_a_retry_asks_the_policy_and_the_signature(version: ModelVersion, case: SmearCase) -> None:
    queue_cells(case, 1)
    fail_all(version)
    with pytest.raises(NotAllowed):
        queue.retry_failed(user=member(LaboratoryFactory()), case=case)
    SmearCase.objects.update(status=SmearCase.Status.SIGNED_OFF)
    with pytest.raises(Conflict):
        queue.retry_failed(user=member(case.laboratory, Role.REVIEWER), case=case)
    assert states(Cell) == {"failed"}


def test_cells_left_in_processing_go_back(version: ModelVersion, case: SmearCase) -> None:
    cells = queue_cells(case, 3)
    claim = take(version, 2)
    assert claim is not None
    Cell.objects.filter(pk=cells[2].pk).update(state="processing")  # no job at all
    assert queue.repair() == 1
    cells[2].refresh_from_db()
    assert cells[2].state == "queued"
    assert Cell.objects.filter(state="processing").count() == 2  # under a live lease
    store(claim, version)
    assert work.run_pending(predictor=FakePredictor()) == 1
    assert states(Cell) == {"done"}


def test_a_queued_cell_with_a_finished_job_is_done_again(
    version: ModelVersion, case: SmearCase
) -> None:
    queue_cells(case, 1)
    fail_all(version)
    Cell.objects.update(state="queued")
    assert queue.repair() == 1
    assert queue.repair() == 0
    assert work.run_pending(predictor=FakePredictor()) == 1


def test_another_model_takes_over_what_waits_and_leaves_what_is_labelled(
    version: ModelVersion, case: SmearCase
) -> None:
    cells = queue_cells(case, 6)
    done, in_work = take(version, 2), take(version, 2)
    assert done is not None
    assert in_work is not None
    store(done, version)
    other = make_version("model two", active=False)
    activate_model(version=other)

    assert list(ModelVersion.objects.active()) == [other]
    assert work.run_pending(predictor=FakePredictor()) == 2
    # Its lease still held: what it says is kept, and the cells go on to the active version.
    assert store(in_work, version) == 2
    assert work.run_pending(predictor=FakePredictor()) == 2
    made = Prediction.objects.values_list("cell_id", "model_version_id")
    assert set(made) == {(cell.pk, version.pk) for cell in cells[:4]} | {
        (cell.pk, other.pk) for cell in cells[2:]
    }
    assert work.run_pending(predictor=FakePredictor()) == 0


def test_a_model_change_while_a_worker_is_dead_loses_nothing(
    version: ModelVersion, case: SmearCase, settings: Any
) -> None:
    queue_cells(case, 3)
    dead = take(version)
    assert dead is not None
    other = make_version("model two", active=False)
    activate_model(version=other)
    later = timezone.now() + timedelta(seconds=settings.CLASSIFY_LEASE_SECONDS + 1)
    assert queue.repair() == 0
    assert queue.repair(now=later) == 3
    assert work.run_pending(predictor=FakePredictor()) == 3
    assert store(dead, version) == 0
    assert set(Prediction.objects.values_list("model_version_id", flat=True)) == {other.pk}


def test_what_a_wrong_clock_wrote_does_not_hold_for_hours(
    version: ModelVersion, case: SmearCase, settings: Any
) -> None:
    """Leases and pauses of a clock three hours ahead, met by one that is right."""
    queue_cells(case, 2)
    assert take(version, size=1, seconds=3 * 3600) is not None
    ahead = take(version, size=1, seconds=3 * 3600)
    assert ahead is not None
    queue.release(
        token=ahead.token,
        failure_code=failures.MODEL_ERROR,
        now=timezone.now() + timedelta(hours=3),
    )
    claim = take(version)
    assert claim is not None
    assert len(claim.jobs) == 2
    assert take(version) is None
