"""Runs of a version over cells that another one named, and what activation leaves alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from cases.models import Cell, Role, SmearCase, User
from cases.services.corrections import correct_cell
from cases.services.errors import Conflict, NotAllowed, ServiceError
from classifier import inference, tasks
from classifier.inference import BundleError
from classifier.models import ClassificationJob, ModelActivation, ModelRun, ModelVersion, Prediction
from classifier.services import queue, runs, work
from classifier.services.registry import activate_model
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, queue_cells
from tests.factories import LaboratoryFactory, SmearCaseFactory, member

pytestmark = pytest.mark.django_db

NAMED = ("label__code", "label_source", "review_state", "confidence", "state", "version")


@pytest.fixture
def administrator(case: SmearCase) -> User:
    return member(case.laboratory, Role.ADMINISTRATOR)


@pytest.fixture
def other(version: ModelVersion) -> ModelVersion:
    return make_version("model two", active=False, review_threshold=0.99)


def says(code: str, confidence: float = 0.9) -> FakePredictor:
    return FakePredictor(reply=lambda picture: answer(code, confidence))


def named(case: SmearCase, count: int) -> list[Cell]:
    """Cells the active version has called monocytes."""
    cells = queue_cells(case, count)
    work.run_pending(predictor=says("monocyte"))
    return cells


def start(administrator: User, version: ModelVersion, case: SmearCase) -> ModelRun:
    return runs.start_run(
        user=administrator, version=version, laboratory=case.laboratory, case=case
    )


def shown(run: ModelRun) -> ModelRun:
    return ModelRun.objects.for_display().get(pk=run.pk)


def test_a_run_adds_predictions_and_changes_nothing_else(
    case: SmearCase, other: ModelVersion, administrator: User
) -> None:
    named(case, 5)
    before = list(Cell.objects.order_by("pk").values_list(*NAMED))
    run = start(administrator, other, case)
    assert (run.cells, run.state) == (5, "running")
    assert work.run_pending(predictor=says("neutrophil")) == 5
    assert list(Cell.objects.order_by("pk").values_list(*NAMED)) == before
    made = Prediction.objects.filter(model_version=other)
    assert set(made.values_list("predicted_class__code", flat=True)) == {"neutrophil"}
    assert Prediction.objects.count() == 10
    run = shown(run)
    assert (run.state, run.done, run.failed, run.cells) == ("done", 5, 0, 5)
    assert run.finished_at is not None


def test_a_laboratory_is_run_whole_and_no_other(
    case: SmearCase, other: ModelVersion, administrator: User
) -> None:
    named(case, 2)
    named(SmearCaseFactory(laboratory=case.laboratory), 2)
    named(SmearCaseFactory(), 2)
    runs.start_run(user=administrator, version=other, laboratory=case.laboratory)
    work.run_pending(predictor=says("neutrophil"))
    seen = Prediction.objects.filter(model_version=other)
    assert set(seen.values_list("cell__case__laboratory_id", flat=True)) == {case.laboratory_id}
    assert seen.count() == 4


def test_cells_that_come_later_are_not_the_runs(
    case: SmearCase, other: ModelVersion, administrator: User
) -> None:
    named(case, 1)
    run = start(administrator, other, case)
    named(case, 1)  # the queue comes first, then the run
    assert Prediction.objects.filter(model_version=other).count() == 1
    assert shown(run).state == "done"


def test_new_cells_come_before_the_next_batch_of_a_run(
    case: SmearCase, version: ModelVersion, other: ModelVersion, administrator: User, settings: Any
) -> None:
    settings.CLASSIFY_BATCH_SIZE = 2
    named(case, 4)
    start(administrator, other, case)
    work.run_pending(predictor=says("neutrophil"), worker_batches=1)
    queue_cells(case, 1)
    work.run_pending(predictor=says("basophil"), worker_batches=1)
    assert (
        Prediction.objects.filter(predicted_class__code="basophil").get().model_version == version
    )
    work.run_pending(predictor=says("neutrophil"))
    assert Prediction.objects.filter(model_version=other).count() == 4


def test_a_run_may_be_worked_on_twice_and_stores_each_prediction_once(
    case: SmearCase, other: ModelVersion, administrator: User, settings: Any
) -> None:
    named(case, 3)
    run = start(administrator, other, case)
    runs.enqueue(run=run)
    dead = queue.claim_batch(model_version=other, run=run, size=16)
    assert dead is not None
    later = timezone.now() + timedelta(seconds=settings.CLASSIFY_LEASE_SECONDS + 1)
    heir = queue.claim_batch(model_version=other, run=run, size=16, now=later)
    assert heir is not None
    for claim, stored in ((dead, 0), (heir, 3), (heir, 0)):
        outcomes = [work.Outcome(job, answer("neutrophil")) for job in claim.jobs]
        assert (
            work.store_results(claim=claim, model_version=other, device="CPU", outcomes=outcomes)
            == stored
        )
    work.run_pending(predictor=FakePredictor())
    assert shown(run).state == "done"
    assert Prediction.objects.filter(model_version=other).count() == 3


def test_a_picture_that_cannot_be_read_fails_in_the_run_alone(
    case: SmearCase, other: ModelVersion, administrator: User
) -> None:
    cells = named(case, 2)
    cells[0].image.file.delete(save=False)
    run = start(administrator, other, case)
    work.run_pending(predictor=says("neutrophil"))
    run = shown(run)
    assert (run.state, run.done, run.failed) == ("done", 1, 1)
    cells[0].refresh_from_db()
    assert (cells[0].state, cells[0].failure_code) == ("done", "")
    again = start(administrator, other, case)
    assert again.cells == 1  # the one that failed is tried again


def test_a_cancelled_run_stops_and_keeps_what_it_made(
    case: SmearCase, other: ModelVersion, administrator: User, settings: Any
) -> None:
    settings.CLASSIFY_BATCH_SIZE = 2
    named(case, 6)
    run = start(administrator, other, case)
    work.run_pending(predictor=says("neutrophil"), worker_batches=1)
    held = queue.claim_batch(model_version=other, run=run, size=2)
    assert held is not None
    runs.cancel_run(user=administrator, run=run)
    with pytest.raises(Conflict):
        runs.cancel_run(user=administrator, run=run)
    assert work.run_pending(predictor=says("neutrophil")) == 0
    outcomes = [work.Outcome(job, answer("neutrophil")) for job in held.jobs]
    work.store_results(claim=held, model_version=other, device="CPU", outcomes=outcomes)
    assert (shown(run).state, shown(run).done) == ("cancelled", 4)
    assert Prediction.objects.filter(model_version=other).count() == 4
    assert not ClassificationJob.objects.unfinished().exists()


def test_jobs_a_dead_worker_held_of_a_cancelled_run_are_swept(
    case: SmearCase, other: ModelVersion, administrator: User, settings: Any
) -> None:
    named(case, 1)
    run = start(administrator, other, case)
    runs.enqueue(run=run)
    queue.claim_batch(model_version=other, run=run, size=2)
    runs.cancel_run(user=administrator, run=run)
    later = timezone.now() + timedelta(seconds=settings.CLASSIFY_LEASE_SECONDS + 1)
    queue.repair(now=later)
    assert not ClassificationJob.objects.filter(run=run).exists()


def test_a_bundle_that_cannot_be_used_ends_the_run_and_not_the_queue(
    case: SmearCase, other: ModelVersion, administrator: User, monkeypatch: Any
) -> None:
    named(case, 1)
    run = start(administrator, other, case)

    def reader_for(version: ModelVersion) -> Any:
        if version == other:
            raise BundleError("missing", inference.bundle_folder(version), "Gone.", "Copy it.")
        return says("basophil")

    monkeypatch.setattr(work, "reader_for", reader_for)
    queue_cells(case, 1)
    assert work.run_pending() == 1
    assert (shown(run).state, shown(run).failure_code) == ("failed", "missing")


def test_what_a_run_refuses(
    case: SmearCase, version: ModelVersion, other: ModelVersion, administrator: User
) -> None:
    named(case, 1)
    for role in (Role.TECHNICIAN, Role.REVIEWER):
        with pytest.raises(NotAllowed):
            start(member(case.laboratory, role), other, case)
    with pytest.raises(NotAllowed):
        start(member(LaboratoryFactory(), Role.ADMINISTRATOR), other, case)
    with pytest.raises(ServiceError) as refusal:
        start(administrator, version, case)  # it named them
    assert refusal.value.code == "nothing_to_do"
    run = start(administrator, other, case)
    with pytest.raises(Conflict):
        start(administrator, other, case)
    with pytest.raises(NotAllowed):
        runs.cancel_run(user=member(LaboratoryFactory(), Role.ADMINISTRATOR), run=run)


def test_the_sweep_rings_for_runs_after_a_lost_ring(
    case: SmearCase, other: ModelVersion, administrator: User, monkeypatch: Any
) -> None:
    rung: list[bool] = []
    monkeypatch.setattr(tasks, "ring", lambda: rung.append(True))
    named(case, 1)
    tasks.sweep()
    assert rung == []
    start(administrator, other, case)
    tasks.sweep()
    assert rung == [True]


def test_activation_changes_no_cell(
    case: SmearCase, version: ModelVersion, other: ModelVersion, administrator: User
) -> None:
    """Unreviewed, doubtful, corrected and signed cells all stay as they are."""
    cells = queue_cells(case, 3)
    replies = iter([answer("monocyte", 0.95), answer("ig", 0.4), answer("basophil", 0.85)])
    work.run_pending(predictor=FakePredictor(reply=lambda picture: next(replies)))
    correct_cell(cell_id=cells[2].pk, user=administrator, to_class="blast")
    signed = SmearCaseFactory(laboratory=case.laboratory)
    named(signed, 1)
    SmearCase.objects.filter(pk=signed.pk).update(status="signed_off")
    before = list(Cell.objects.order_by("pk").values_list(*NAMED))
    runs.start_run(user=administrator, version=other, laboratory=case.laboratory)
    work.run_pending(predictor=says("neutrophil", 0.5))

    activate_model(version=other, user=administrator)
    queue.repair()
    work.run_pending(predictor=says("neutrophil", 0.5))
    assert list(Cell.objects.order_by("pk").values_list(*NAMED)) == before
    assert Prediction.objects.filter(model_version=version).count() == 4

    (fresh,) = queue_cells(case, 1)
    work.run_pending(predictor=says("neutrophil", 0.985))
    fresh.refresh_from_db()
    # Named by the new version and held against the new version's threshold.
    assert (fresh.label.code, fresh.review_state) == ("neutrophil", "needs_review")


def test_who_activated_what_is_kept(
    version: ModelVersion, other: ModelVersion, administrator: User
) -> None:
    activate_model(version=other, user=administrator)
    activate_model(version=other, user=administrator)
    activate_model(version=version)
    made = ModelActivation.objects.values_list("model_version__name", "made_by")
    assert list(made) == [("model one", None), ("model two", administrator.pk)]
    for role in (Role.TECHNICIAN, Role.REVIEWER):
        with pytest.raises(NotAllowed):
            activate_model(version=other, user=member(LaboratoryFactory(), role))


def test_a_batch_of_a_version_deactivated_meanwhile_names_nothing(
    case: SmearCase, version: ModelVersion, other: ModelVersion
) -> None:
    (cell,) = queue_cells(case, 1)
    queue.enqueue_missing(model_version=version)
    claim = queue.claim_batch(model_version=version, size=1)
    assert claim is not None
    activate_model(version=other)
    outcomes = [work.Outcome(claim.jobs[0], answer("monocyte"))]
    assert work.store_results(claim=claim, model_version=version, device="", outcomes=outcomes) == 1
    cell.refresh_from_db()
    assert (cell.label, cell.state) == (None, "queued")
    work.run_pending(predictor=says("neutrophil"))
    cell.refresh_from_db()
    assert cell.label.code == "neutrophil"
    assert Prediction.objects.count() == 2


@pytest.mark.parametrize("held", [True, False])
def test_cells_that_wait_are_named_though_a_run_has_jobs_for_them(
    case: SmearCase, version: ModelVersion, other: ModelVersion, administrator: User, held: bool
) -> None:
    """A run of a version that becomes the active one, over cells that still wait for a name."""
    ModelVersion.objects.update(active=False)
    cells = queue_cells(case, 2)
    run = start(administrator, other, case)
    runs.enqueue(run=run)
    claim = queue.claim_batch(model_version=other, run=run, size=1) if held else None
    activate_model(version=other)
    work.run_pending(predictor=says("neutrophil"))
    if claim:
        outcomes = [work.Outcome(claim.jobs[0], answer("neutrophil"))]
        work.store_results(claim=claim, model_version=other, device="", outcomes=outcomes)
    for cell in cells:
        cell.refresh_from_db()
        assert (cell.label.code, cell.state) == ("neutrophil", "done")
    assert Prediction.objects.count() == 2
    work.run_pending(predictor=FakePredictor())
    assert shown(run).state == "done"
