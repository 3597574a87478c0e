"""Fields are searched by the worker: once, whole, and under the rules of the queue."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.utils import timezone
from PIL import Image

from cases.models import Box, CaseImage, Cell, Detection, Role, SmearCase
from cases.services import fields
from cases.services.counts import case_counts
from cases.views.media import draw_photo
from classifier import tasks
from classifier.fields.detectors import Search
from classifier.fields.frames import CLASSES
from classifier.fields.models import DetectorVersion, FieldRun
from classifier.heatmaps import heatmap_png
from classifier.models import ClassificationJob, Prediction, TilePyramid
from classifier.services import queue, searches, work
from classifier.services.work import run_pending
from classifier.tiles.pyramid import count_tiles
from ml.detection.detector import Detection as Found
from tests.classifier_tests.fakes import FakePredictor, answer, make_version
from tests.factories import CellFactory, SmearCaseFactory, member
from tests.field_rows import FOUND, RED, WHITE, detection, field_of, unsearched_field

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.django_db


@dataclass
class FakeReader:
    """Finds the same cells on every field; ``before`` runs where the search would."""

    rows: Sequence[Any] = FOUND
    before: Callable[[Callable[[float], None]], None] = lambda progress: None
    device: str = "CPU fake"
    scales: list[float | None] = field(default_factory=list)

    def search(self, source: Any, *, micrometres_per_pixel: float | None, progress: Any) -> Search:
        self.scales.append(micrometres_per_pixel)
        self.before(progress)
        found = [Found(CLASSES[kind], 0.9, *box, edges=edges) for kind, box, edges in self.rows]
        return Search(found, 1.0, zoom_measured=micrometres_per_pixel is None)


@pytest.fixture(autouse=True)
def detector() -> DetectorVersion:
    return DetectorVersion.objects.create(
        name="fake", bundle="nowhere", weights_sha256="0" * 64, manifest={}, active=True
    )


@pytest.fixture
def case() -> SmearCase:
    return SmearCaseFactory(micrometres_per_pixel="0.0714")


@pytest.fixture
def image(case: SmearCase) -> CaseImage:
    return unsearched_field(case)


def fresh(image: CaseImage) -> CaseImage:
    return CaseImage.objects.get(pk=image.pk)


def test_a_field_is_searched_and_its_cells_are_named(case: SmearCase, image: CaseImage) -> None:
    make_version()
    reader, predictor = FakeReader(), FakePredictor()
    assert run_pending(predictor=predictor, field_reader=reader) == 5  # a field and four cells
    assert Detection.objects.count() == len(FOUND)
    counts = case_counts(case=case)
    assert (counts.total, counts.pending, counts.field_images, counts.fields_pending) == (
        4,
        0,
        1,
        0,
    )
    run = FieldRun.objects.get()
    assert (run.state, run.cells, run.attempts, run.zoom) == ("done", len(FOUND), 1, 1.0)
    assert reader.scales == [pytest.approx(0.0714)]
    assert (fresh(image).state, fresh(image).search_progress) == ("done", 100)
    case.refresh_from_db()
    assert case.status == "in_review"
    assert run_pending(predictor=predictor, field_reader=reader) == 0
    assert Detection.objects.count() == len(FOUND)


def test_the_model_the_photo_and_the_heatmap_show_the_same_frame(
    case: SmearCase, image: CaseImage
) -> None:
    make_version()
    seen: list[np.ndarray[Any, Any]] = []
    predictor = FakePredictor(before=lambda pictures: seen.extend(np.asarray(p) for p in pictures))
    run_pending(predictor=predictor, field_reader=FakeReader())
    cell = detection(image, 1).cell
    assert cell is not None
    assert cell.frame_side == 440  # 4.4 red cells of 100 pixels
    assert {each.shape for each in seen} == {(440, 440, 3)}
    # Beyond the upper edge of the field lies the colour of its background, one colour.
    assert len(np.unique(seen[0][:150].reshape(-1, 3), axis=0)) == 1
    with Image.open(io.BytesIO(draw_photo(cell, 768))) as photo:
        assert photo.size == (440, 440)
    with Image.open(image.file) as whole:
        inside = np.asarray(whole)[100:200, 300:350]
    left, top = cell.frame[:2]
    assert (seen[0][100 - top : 200 - top, 300 - left : 350 - left] == inside).all()
    prediction = Prediction.objects.filter(cell=cell).select_related("cell", "model_version").get()
    drawn = heatmap_png(prediction, class_code="monocyte", size=220, alpha=1)
    with Image.open(io.BytesIO(drawn)) as heatmap:
        assert heatmap.size == (220, 220)


def test_a_killed_worker_leaves_nothing_and_three_deaths_are_told(
    case: SmearCase, image: CaseImage, settings: Any
) -> None:
    def die(progress: Callable[[float], None]) -> None:
        progress(0.4)
        assert (fresh(image).state, fresh(image).search_progress) == ("processing", 40)
        raise KeyboardInterrupt  # no handler of ours sees it: as good as SIGKILL

    for attempt in range(1, settings.CLASSIFY_MAX_ATTEMPTS + 1):
        with pytest.raises(KeyboardInterrupt):
            run_pending(field_reader=FakeReader(before=die))
        assert not Detection.objects.exists()
        run = FieldRun.objects.get()
        assert (run.state, run.attempts) == ("processing", attempt)
        # Held by the dead worker until its lease runs out.
        assert run_pending(field_reader=FakeReader()) == 0
        FieldRun.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert searches.work_exists()
    run_pending(field_reader=FakeReader())
    assert (fresh(image).state, fresh(image).failure_code) == ("failed", "worker_died")
    assert case_counts(case=case).fields_failed == 1
    user = member(case.laboratory, Role.TECHNICIAN)
    assert queue.retry_failed(user=user, case=case) == 1
    assert run_pending(field_reader=FakeReader()) == 1
    assert Detection.objects.count() == len(FOUND)


def test_a_search_that_comes_on_keeps_its_lease_however_long_it_takes(
    image: CaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat has an end, for workers that hang; a field of 500 megapixels outlasts it."""
    monkeypatch.setattr(searches.leases.Heartbeat, "_beat", lambda self: None)

    def take_long(progress: Callable[[float], None]) -> None:
        for share in (0.2, 0.6, 1.0):
            soon = timezone.now() + timedelta(seconds=1)
            FieldRun.objects.update(lease_expires_at=soon)
            progress(share)
            assert FieldRun.objects.get().lease_expires_at > soon + timedelta(seconds=10)

    run_pending(field_reader=FakeReader(before=take_long))
    assert FieldRun.objects.get().state == "done"


def test_cells_and_tiles_do_not_wait_for_the_end_of_a_long_search(
    case: SmearCase, image: CaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker does all: whoever comes meanwhile, and the field's own picture, go first."""
    make_version()
    other = CellFactory(label=None, state="queued", case=SmearCaseFactory())
    Cell.objects.filter(pk=other.pk).update(state="done")
    total = count_tiles(image.width, image.height)
    TilePyramid.objects.create(image=image, folder="nowhere", tiles_total=total)
    seen = []

    def come_meanwhile(progress: Callable[[float], None]) -> None:
        Cell.objects.filter(pk=other.pk).update(state="queued")
        progress(0.5)
        seen.append((Cell.objects.get(pk=other.pk).state, TilePyramid.objects.get().state))

    monkeypatch.setattr(work, "reader_for", lambda version: FakePredictor())
    monkeypatch.setattr(searches, "reader_for", lambda version: FakeReader(before=come_meanwhile))
    tasks.classify_pending()
    assert seen == [("done", "done")]
    assert FieldRun.objects.get().state == "done"
    assert fresh(image).detections.count() == len(FOUND)


def test_what_goes_wrong_meanwhile_does_not_end_the_search(
    image: CaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**kwargs: Any) -> int:
        raise RuntimeError("no memory")

    monkeypatch.setattr(tasks.tiles, "build_waiting", fail)
    reader = FakeReader(before=lambda progress: progress(0.5))
    monkeypatch.setattr(searches, "reader_for", lambda version: reader)
    tasks.classify_pending()
    assert FieldRun.objects.get().state == "done"


def test_a_search_that_was_taken_over_stores_nothing(image: CaseImage) -> None:
    def lose(progress: Callable[[float], None]) -> None:
        FieldRun.objects.update(lease_token=None)
        progress(0.5)

    run_pending(field_reader=FakeReader(before=lose), worker_batches=1)
    assert not Detection.objects.exists()


@pytest.mark.parametrize(
    ("error", "code", "attempts"),
    [(ValueError("no TIFF"), "undecodable", 1), (FileNotFoundError(), "file_missing", 1),
     (RuntimeError("memory"), "model_error", 3), (OSError("storage"), "file_unreadable", 3)],
)  # fmt: skip
def test_what_cannot_be_searched_says_why(
    image: CaseImage, error: Exception, code: str, attempts: int
) -> None:
    def fail(progress: Callable[[float], None]) -> None:
        raise error

    for _ in range(attempts):
        FieldRun.objects.update(not_before=None)
        try:
            run_pending(field_reader=FakeReader(before=fail))
        except (RuntimeError, OSError):
            assert attempts > 1
    assert (fresh(image).state, fresh(image).failure_code) == ("failed", code)
    assert FieldRun.objects.get().attempts == attempts


def test_an_image_one_is_not_sure_of_is_judged_by_its_cells(case: SmearCase) -> None:
    unsure = {"kind_source": "unsure", "width": 480, "height": 480}
    one = unsearched_field(case, **unsure)
    run_pending(field_reader=FakeReader(rows=[FOUND[0], *FOUND[4:9]]))
    assert (fresh(one).kind, fresh(one).kind_source) == ("single_cell", "measured")
    assert Cell.objects.get().frame == (0, 0, 480, 480)
    many = unsearched_field(case, **unsure)
    run_pending(field_reader=FakeReader(rows=FOUND))
    assert (fresh(many).kind, fresh(many).kind_source) == ("field", "measured")
    assert fresh(many).detections.count() == len(FOUND) - 1  # one lies outside this image


def test_a_fixed_box_is_named_anew_and_the_former_prediction_stays(case: SmearCase) -> None:
    make_version()
    image = field_of(case, label=None)
    run_pending(predictor=FakePredictor())
    reviewer = member(case.laboratory, Role.REVIEWER)
    row = detection(image, 1)
    fields.change_box(user=reviewer, detection=row, version=0, box=Box(200, 200, 80, 80))
    assert Prediction.objects.latest_of(row.cell) is None  # of another box
    answers = FakePredictor(reply=lambda picture: answer("lymphocyte"))
    assert run_pending(predictor=answers) == 1
    made = Prediction.objects.filter(cell=row.cell).order_by("box_version")
    assert [each.predicted_class.code for each in made] == ["monocyte", "lymphocyte"]
    assert Cell.objects.get(pk=row.cell_id).label.code == "lymphocyte"  # type: ignore[union-attr]
    assert Prediction.objects.latest_of(row.cell) == made[1]


def test_a_box_fixed_while_the_model_looks_is_looked_at_again(case: SmearCase) -> None:
    make_version()
    image = field_of(case, rows=[FOUND[0]], label=None)
    reviewer = member(case.laboratory, Role.REVIEWER)

    def fix(pictures: Any) -> None:
        row = detection(image, 1)
        if row.version == 0:
            fields.change_box(user=reviewer, detection=row, version=0, box=Box(9, 9, 80, 80))

    predictor = FakePredictor(before=fix)
    run_pending(predictor=predictor)
    assert predictor.batches == [1, 1]
    assert list(Prediction.objects.order_by("pk").values_list("box_version", flat=True)) == [0, 1]
    assert Cell.objects.get().state == "done"
    assert ClassificationJob.objects.get().state == "done"


def test_a_white_cell_called_a_platelet_needs_a_reviewer_however_sure_the_model(
    case: SmearCase,
) -> None:
    make_version()
    image = field_of(case, label=None)
    sure = FakePredictor(reply=lambda picture: answer("platelet", confidence=0.99))
    run_pending(predictor=sure)
    states = {number: detection(image, number).cell.review_state for number in range(1, 5)}  # type: ignore[union-attr]
    assert states == dict.fromkeys((1, 2, 3), "needs_review") | {4: "unreviewed"}


def test_the_sides_of_frames_follow_the_red_cells(case: SmearCase) -> None:
    image = field_of(case)
    reviewer = member(case.laboratory, Role.REVIEWER)
    assert (
        fields.add_detection(
            user=reviewer, image=image, kind=WHITE, box=Box(9, 9, 80, 80)
        ).cell.frame_side
        == 440
    )  # type: ignore[union-attr]
    for row in image.detections.filter(kind=RED):
        fields.remove_detection(user=reviewer, detection=row, version=0)
    # Without red cells the whole white ones are the measure: 0.397 of a frame.
    added = fields.add_detection(user=reviewer, image=image, kind=WHITE, box=Box(9, 9, 90, 90))
    assert added.cell is not None
    assert added.cell.frame_side == pytest.approx(90 / 0.397, abs=15)
