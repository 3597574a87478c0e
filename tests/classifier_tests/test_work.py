"""What a run does with cells, labels, failures and the case."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone
from PIL import Image

from cases import failures
from cases.models import CaseImage, Cell, Role, SmearCase
from cases.services.corrections import correct_cell
from classifier import inference, tasks
from classifier.inference import BundleError
from classifier.models import ClassificationJob, ModelVersion, Prediction
from classifier.services import queue, work
from tests.classifier_tests.fakes import (
    FakePredictor,
    answer,
    make_version,
    no_answer,
    queue_cells,
)
from tests.factories import CellFactory, SmearCaseFactory, cell_class, member, picture_bytes

pytestmark = pytest.mark.django_db


def test_everything_that_waits_is_classified_in_batches_across_cases(
    version: ModelVersion, case: SmearCase
) -> None:
    other = SmearCaseFactory()
    queue_cells(case, 10)
    queue_cells(other, 10)
    model = FakePredictor()
    assert work.run_pending(predictor=model) == 20
    assert model.batches == [16, 4]
    assert Prediction.objects.count() == 20
    assert set(Cell.objects.values_list("state", flat=True)) == {"done"}
    assert set(CaseImage.objects.values_list("state", flat=True)) == {"done"}
    assert set(SmearCase.objects.values_list("status", flat=True)) == {"in_review"}
    assert set(ClassificationJob.objects.values_list("state", "attempts")) == {("done", 1)}
    version.refresh_from_db()
    assert version.device == model.device


def test_a_prediction_is_kept_whole(version: ModelVersion, case: SmearCase) -> None:
    cell = queue_cells(case, 1)[0]
    work.run_pending(predictor=FakePredictor())
    kept = Prediction.objects.get()
    cell.refresh_from_db()
    assert cell.label == kept.predicted_class == cell_class("monocyte")
    assert cell.label_source == Cell.LabelSource.MODEL
    assert cell.confidence == kept.confidence == pytest.approx(0.9)
    assert cell.version == 1
    assert sum(kept.probabilities) == pytest.approx(1)
    assert kept.heatmap_peaks[version.classes.index("monocyte")] == pytest.approx(2.5)
    assert Image.open(BytesIO(kept.heatmaps)).size == (4, 4 * len(version.classes))
    np.testing.assert_array_equal(np.frombuffer(kept.embedding, "<f2"), np.arange(512))
    assert (kept.device, kept.preprocessing_version) == (
        "CPU fake, float32",
        version.preprocessing_version,
    )
    assert kept.milliseconds > 0


@pytest.mark.parametrize(
    ("confidence", "review"), [(0.79, "needs_review"), (0.8, "unreviewed"), (0.99, "unreviewed")]
)
def test_a_doubtful_cell_needs_review(
    version: ModelVersion, case: SmearCase, confidence: float, review: str
) -> None:
    queue_cells(case, 1)
    work.run_pending(predictor=FakePredictor(reply=lambda picture: answer("ig", confidence)))
    assert Cell.objects.get().review_state == review


def test_a_reviewers_label_stays(version: ModelVersion, case: SmearCase) -> None:
    before, during = queue_cells(case, 2)
    reviewer = member(case.laboratory, Role.REVIEWER)
    correct_cell(cell_id=before.pk, user=reviewer, to_class="blast")

    def correct_meanwhile(pictures: Any) -> None:
        correct_cell(cell_id=during.pk, user=reviewer, to_class="smudge")

    work.run_pending(predictor=FakePredictor(before=correct_meanwhile))
    for cell, code in ((before, "blast"), (during, "smudge")):
        cell.refresh_from_db()
        assert cell.label == cell_class(code)
        assert cell.label_source == Cell.LabelSource.REVIEWER
        assert cell.review_state == Cell.ReviewState.CORRECTED
        assert (cell.state, cell.confidence, cell.version) == ("done", pytest.approx(0.9), 1)
    assert Prediction.objects.count() == 2


def test_an_image_that_cannot_be_decoded_or_is_missing_fails_alone(
    version: ModelVersion, case: SmearCase
) -> None:
    whole, broken, cut, gone = queue_cells(case, 4)
    data = picture_bytes(seed=1)
    for cell, content in ((broken, b"no picture"), (cut, data[: len(data) // 2])):
        cell.image.file.save("x.png", ContentFile(content))
    gone.image.file.storage.delete(gone.image.file.name)

    def reply(picture: bytes) -> Any:
        return answer() if len(picture) > len(data) // 2 else no_answer()

    assert work.run_pending(predictor=FakePredictor(reply=reply)) == 4
    codes = dict(Cell.objects.values_list("pk", "failure_code"))
    assert codes == {
        whole.pk: "",
        broken.pk: failures.UNDECODABLE,
        cut.pk: failures.UNDECODABLE,
        gone.pk: failures.FILE_MISSING,
    }
    assert Cell.objects.filter(state="failed").count() == 3
    assert CaseImage.objects.get(pk=gone.image_id).failure_code == failures.FILE_MISSING
    assert CaseImage.objects.get(pk=whole.image_id).state == "done"
    assert Prediction.objects.count() == 1
    assert set(ClassificationJob.objects.filter(state="failed").values_list("attempts")) == {(1,)}
    case.refresh_from_db()
    assert case.status == SmearCase.Status.IN_REVIEW


@pytest.mark.parametrize("code", [*failures.MESSAGES, "from another release"])
def test_every_failure_has_a_sentence(code: str) -> None:
    assert len(str(failures.failure_message(code))) > 20
    assert failures.failure_message("") == ""


def test_a_model_that_fails_as_a_whole_gives_the_batch_back_and_says_so(
    version: ModelVersion, case: SmearCase, caplog: Any
) -> None:
    queue_cells(case, 3)

    def out_of_memory(pictures: Any) -> None:
        raise MemoryError("no more")

    with pytest.raises(MemoryError), caplog.at_level(logging.ERROR):
        work.run_pending(predictor=FakePredictor(before=out_of_memory))
    assert "Traceback" in caplog.text
    assert set(Cell.objects.values_list("state", flat=True)) == {"queued"}
    assert work.run_pending(predictor=FakePredictor()) == 0  # pauses
    ClassificationJob.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    assert work.run_pending(predictor=FakePredictor()) == 3


def test_a_storage_that_is_away_gives_the_batch_back(
    version: ModelVersion, case: SmearCase, monkeypatch: Any
) -> None:
    queue_cells(case, 2)

    def away(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("storage")

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage._open", away)
    with pytest.raises(ConnectionError):
        work.run_pending(predictor=FakePredictor())
    assert set(Cell.objects.values_list("state", flat=True)) == {"queued"}


def test_a_needless_ring_costs_three_queries(
    version: ModelVersion, case: SmearCase, django_assert_num_queries: Any
) -> None:
    queue_cells(case, 3)
    work.run_pending(predictor=FakePredictor())
    # The queue's work, the fields' work, the runs' work; PostgreSQL is asked for the time.
    with django_assert_num_queries(3 + (connection.vendor == "postgresql")):
        tasks.classify_pending()


def test_a_batch_costs_the_same_queries_whatever_its_size(
    version: ModelVersion, case: SmearCase, django_assert_max_num_queries: Any
) -> None:
    queue_cells(case, 16)
    queue.enqueue_missing(model_version=version)
    with django_assert_max_num_queries(40):
        work.run_pending(predictor=FakePredictor())


def test_a_stop_is_heard_between_batches(
    version: ModelVersion, case: SmearCase, settings: Any
) -> None:
    settings.CLASSIFY_BATCH_SIZE = 2
    queue_cells(case, 6)
    asked = iter((False, False, False, True))
    assert work.run_pending(predictor=FakePredictor(), should_stop=lambda: next(asked)) == 4
    assert work.run_pending(predictor=FakePredictor(), worker_batches=1) == 2


def test_without_a_model_cells_stay_queued(case: SmearCase) -> None:
    queue_cells(case, 2)
    assert work.run_pending(predictor=FakePredictor()) == 0
    make_version(active=False)
    assert work.run_pending(predictor=FakePredictor()) == 0
    assert set(Cell.objects.values_list("state", flat=True)) == {"queued"}


def test_a_missing_bundle_is_named_and_cells_stay_queued(
    version: ModelVersion, case: SmearCase, caplog: Any
) -> None:
    queue_cells(case, 2)
    with pytest.raises(BundleError), caplog.at_level(logging.ERROR):
        tasks.classify_pending()
    assert "nowhere" in caplog.text
    assert "stay queued" in caplog.text
    assert set(Cell.objects.values_list("state", flat=True)) == {"queued"}
    assert not ClassificationJob.objects.filter(attempts__gt=0).exists()


def test_the_sweep_rings_only_while_something_waits(
    version: ModelVersion, case: SmearCase, monkeypatch: Any
) -> None:
    rings: list[int] = []
    monkeypatch.setattr(tasks, "ring", lambda: rings.append(1))
    tasks.sweep()
    assert rings == []
    queue_cells(case, 2)
    tasks.sweep()
    assert rings == [1]
    queue.enqueue_missing(model_version=version)
    claim = queue.claim_batch(model_version=version, size=16)
    assert claim is not None
    tasks.sweep()
    assert rings == [1]
    ClassificationJob.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    tasks.sweep()
    assert rings == [1, 1]


def test_cells_of_one_image_are_cut_out_each_with_its_box(
    version: ModelVersion, case: SmearCase
) -> None:
    first = queue_cells(case, 1)[0]
    Cell.objects.filter(pk=first.pk).update(left=2, top=3, width=10, height=12)
    CellFactory(case=case, image=first.image, number=99, left=0, top=0, width=24, height=24)
    seen: list[Any] = []

    def reply(picture: Any) -> Any:
        seen.append(picture)
        return answer() if isinstance(picture, bytes) else no_answer()

    work.run_pending(predictor=FakePredictor(reply=reply))
    assert seen[0].size == (10, 12)
    assert isinstance(seen[1], bytes)
    image = CaseImage.objects.get()
    assert (image.state, image.failure_code) == ("failed", failures.UNDECODABLE)


def test_a_turned_photo_is_cut_out_upright() -> None:
    photo = Image.fromarray(np.arange(40 * 20 * 3, dtype=np.uint8).reshape(20, 40, 3))
    exif = photo.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    stream = BytesIO()
    photo.save(stream, "PNG", exif=exif)
    data = stream.getvalue()
    assert inference.cut_out(data, inference.Box(0, 0, 20, 40)) is data
    part = inference.cut_out(data, inference.Box(5, 10, 8, 6))
    assert isinstance(part, Image.Image)
    upright = photo.transpose(Image.Transpose.ROTATE_270)
    np.testing.assert_array_equal(np.asarray(part), np.asarray(upright)[10:16, 5:13])


@pytest.mark.django_db(transaction=True)
def test_a_slow_worker_keeps_its_lease(settings: Any) -> None:
    settings.CLASSIFY_LEASE_SECONDS = 1
    version = make_version()
    queue_cells(SmearCaseFactory(), 2)
    taken: list[Any] = []

    def slow(pictures: Any) -> None:
        for _ in range(8):
            time.sleep(0.25)
            taken.append(queue.claim_batch(model_version=version, size=16))

    assert work.run_pending(predictor=FakePredictor(before=slow)) == 2
    assert taken == [None] * 8
    assert not [each for each in threading.enumerate() if each.name == "lease"]
