"""Cells of fields: what reviewers do to them, and that what is excluded counts nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cases.models import Box, Cell, Detection, DetectionCorrection, Role, SmearCase
from cases.services import fields
from cases.services.changes import changes_since
from cases.services.counts import case_counts
from cases.services.errors import Conflict, NotAllowed, ServiceError
from cases.services.laboratory_settings import save_settings
from cases.services.readings import request_double_reading
from cases.services.searches import change_kind, store_found
from cases.services.signing import readiness
from cases.services.snapshots import case_snapshot
from classifier.reports.services.cell_tables import cells_json
from classifier.reports.services.training_folder import reviewed_cells_of_case
from tests.factories import SmearCaseFactory, cell_class, member
from tests.field_rows import (
    FOUND,
    PLATELET,
    RED,
    WHITE,
    detection,
    field_of,
    found_cells,
    unsearched_field,
)

if TYPE_CHECKING:
    from cases.models import CaseImage, User

pytestmark = pytest.mark.django_db
BOX = Box(100, 100, 80, 80)


@pytest.fixture
def case() -> SmearCase:
    return SmearCaseFactory()


@pytest.fixture
def field(case: SmearCase) -> CaseImage:
    return field_of(case)


@pytest.fixture
def reviewer(case: SmearCase) -> User:
    return member(case.laboratory, Role.REVIEWER)


def test_what_is_found_becomes_numbered_cells_in_reading_order(case: SmearCase) -> None:
    field = field_of(case, label=None)
    rows = list(Detection.objects.filter(image=field).order_by("number"))
    assert [each.number for each in rows] == list(range(1, len(FOUND) + 1))
    named = [each for each in rows if each.kind != RED]
    assert [each.cell.number for each in named] == [1, 2, 3, 4]
    assert all(each.cell_id is None for each in rows if each.kind == RED)
    assert {each.cell.state for each in named} == {"queued"}
    assert {each.cell.frame_side for each in named} == {440}
    field.refresh_from_db()
    case.refresh_from_db()
    assert (field.state, case.status, case.last_cell_number) == ("queued", "processing", 4)
    # Twice is once: a second worker stores nothing.
    assert store_found(image_id=field.pk, found=found_cells()) == 0
    assert Detection.objects.count() == len(FOUND)


def test_an_excluded_cell_counts_nowhere(case: SmearCase, field: CaseImage, reviewer: User) -> None:
    before = case_counts(case=case)
    assert (before.leukocytes, before.platelets, before.before_leukocytes) == (3, 1, 3)
    first = detection(field, 1)
    Cell.objects.filter(pk=first.cell_id).update(
        review_state="needs_review", unfamiliar=False, label_source="reviewer"
    )
    assert readiness(case=case).obstacles[0].code == "cells_need_review"
    assert reviewed_cells_of_case(user=reviewer, case=case).count() == 1
    fields.remove_detection(user=reviewer, detection=first, version=0)
    after = case_counts(case=case)
    assert (after.total, after.leukocytes, after.needs_review, after.excluded) == (3, 2, 0, 1)
    assert (after.before_leukocytes, after.reviewed, after.not_reviewed) == (2, 0, 3)
    assert readiness(case=case).ready
    # Signature, exports, training, work list, gallery's queue and double readings.
    snapshot = case_snapshot(case=case)
    assert len(snapshot["cells"]["rows"]) == 3
    assert snapshot["counts"]["total"] == 3
    assert cells_json_rows(case) == [2, 3, 4]
    assert reviewed_cells_of_case(user=reviewer, case=case).count() == 0
    assert Cell.objects.progress_by_case([case.pk])[case.pk]["total"] == 3
    assert not Cell.objects.of_case(case.pk).needing_review().exists()
    assert not SmearCase.objects.out_of_order().exists()
    readers = [member(case.laboratory, Role.REVIEWER).pk for _ in range(2)]
    asked = request_double_reading(case_id=case.pk, user=reviewer, reader_ids=readers)
    assert set(asked.cells.values_list("cell__number", flat=True)) == {2, 3}


def cells_json_rows(case: SmearCase) -> list[int]:
    import json

    return [each["cell"] for each in json.loads(b"".join(cells_json(case=case)))["cells"]]


def test_a_removal_is_kept_seen_and_taken_back(
    case: SmearCase, field: CaseImage, reviewer: User
) -> None:
    case.refresh_from_db()
    known = case.revision
    removed = fields.remove_detection(
        user=reviewer, detection=detection(field, 1), version=0, comment="stain"
    )
    assert (removed.excluded, removed.version) == ("removed", 1)
    made = DetectionCorrection.objects.get()
    assert (made.action, made.made_by, made.comment) == ("removed", reviewer, "stain")
    assert made.before["excluded"] == ""
    assert made.after["excluded"] == "removed"
    case.refresh_from_db()
    changes = changes_since(case=case, revision=known)
    assert [cell.excluded for cell in changes.cells] == ["removed"]
    with pytest.raises(Conflict, match="detection_changed") as error:
        fields.restore_detection(user=reviewer, detection=removed, version=0)
    assert error.value.extra["current"]["version"] == 1
    fields.restore_detection(user=reviewer, detection=removed, version=1)
    assert case_counts(case=case).leukocytes == 3
    with pytest.raises(Conflict, match="not_removed"):
        fields.restore_detection(user=reviewer, detection=removed, version=2)


def test_a_missed_cell_is_added_and_queued(
    case: SmearCase, field: CaseImage, reviewer: User
) -> None:
    added = fields.add_detection(user=reviewer, image=field, kind=WHITE, box=BOX)
    assert (added.number, added.source, added.score) == (len(FOUND) + 1, "reviewer", None)
    assert added.found_left is None
    # 4.4 diameters of the field's red cells, of 100 pixels.
    assert (added.cell.number, added.cell.state, added.cell.frame_side) == (5, "queued", 440)
    case.refresh_from_db()
    assert case.status == "processing"
    red = fields.add_detection(user=reviewer, image=field, kind=RED, box=BOX)
    assert red.cell is None
    changed = fields.change_kind_of_cell(
        user=reviewer, detection=red, version=red.version, kind=PLATELET
    )
    assert changed.cell.number == 6
    assert changed.found_kind == ""


def test_a_fixed_box_is_shown_to_the_model_again(
    case: SmearCase, field: CaseImage, reviewer: User
) -> None:
    fields.change_box(user=reviewer, detection=detection(field, 1), version=0, box=BOX)
    row = detection(field, 1)
    assert row.box == BOX
    assert (row.found_left, row.found_width) == (300, 90)
    cell = row.cell
    assert (cell.left, cell.state, cell.box_version) == (100, "queued", 1)
    assert cell.frame == (-80, -80, 440, 440)


@pytest.mark.parametrize(
    ("box", "code"),
    [
        (Box(-1, 0, 50, 50), "box_outside_image"),
        (Box(600, 0, 50, 50), "box_outside_image"),
        (Box(0, 440, 50, 50), "box_outside_image"),
        (Box(0, 0, 3, 50), "box_too_small"),
        (Box(10, 10, -5, 50), "box_too_small"),
    ],
)
def test_boxes_that_no_cell_has(field: CaseImage, reviewer: User, box: Box, code: str) -> None:
    with pytest.raises(ServiceError, match=code):
        fields.add_detection(user=reviewer, image=field, kind=WHITE, box=box)
    with pytest.raises(ServiceError, match=code):
        fields.change_box(user=reviewer, detection=detection(field, 1), version=0, box=box)
    assert not DetectionCorrection.objects.exists()


def test_the_border_rule_of_a_counting_chamber(case: SmearCase, field: CaseImage) -> None:
    manager = member(case.laboratory, Role.ADMINISTRATOR)
    rules = {"require_all_reviewed": False, "nrbc_threshold": 5, "analyser_excludes_nrbc": False}

    def choose(rule: str) -> None:
        save_settings(user=manager, laboratory=case.laboratory, border_rule=rule, **rules)

    assert case_counts(case=case).leukocytes == 3
    choose("left_top")
    assert detection(field, 2).excluded == "border"
    assert detection(field, 2).cell.excluded == "border"
    assert detection(field, 3).excluded == ""
    assert detection(field, len(FOUND)).excluded == "border"  # a red cell below
    assert case_counts(case=case).leukocytes == 2
    # A field stored from now on obeys it, and what is removed stays so when the rule goes.
    second = field_of(case)
    assert case_counts(case=case).leukocytes == 4
    fields.remove_detection(
        user=member(case.laboratory, Role.REVIEWER),
        detection=detection(second, 2),
        version=detection(second, 2).version,
    )
    choose("count_all")
    assert case_counts(case=case).leukocytes == 5
    # Signed cases keep what was signed.
    SmearCase.objects.filter(pk=case.pk).update(status="signed_off")
    choose("left_top")
    assert case_counts(case=case).leukocytes == 5


def test_the_same_cell_on_two_fields_counts_once(
    case: SmearCase, field: CaseImage, reviewer: User
) -> None:
    other = field_of(case)
    assert case_counts(case=case).leukocytes == 6
    same, original = detection(other, 1), detection(field, 1)

    def mark(row: Detection, of: Detection) -> Detection:
        return fields.mark_duplicate(user=reviewer, detection=row, version=row.version, of=of)

    marked = mark(same, original)
    assert case_counts(case=case).leukocytes == 5
    assert marked.duplicate_of == original
    assert Cell.objects.get(pk=marked.cell_id).excluded == "duplicate"
    for row, of, code in (
        (detection(field, 2), detection(field, 1), "not_another_field"),
        (detection(field, 4), detection(other, 2), "other_kind_of_cell"),
        (detection(field, 2), marked, "original_not_counted"),
        (original, detection(other, 2), "has_duplicates"),
    ):
        with pytest.raises(ServiceError, match=code):
            mark(row, of)
    with pytest.raises(Conflict, match="has_duplicates"):
        fields.remove_detection(user=reviewer, detection=original, version=original.version)
    fields.unmark_duplicate(user=reviewer, detection=marked, version=marked.version)
    assert case_counts(case=case).leukocytes == 6


def test_a_field_that_is_searched_or_failed_keeps_the_case_from_being_signed(
    case: SmearCase, field: CaseImage, reviewer: User
) -> None:
    waiting = unsearched_field(case)
    assert [each.code for each in readiness(case=case).obstacles] == ["fields_pending"]
    readers = [member(case.laboratory, Role.REVIEWER).pk for _ in range(2)]
    with pytest.raises(Conflict, match="cells_pending"):
        request_double_reading(case_id=case.pk, user=reviewer, reader_ids=readers)
    with pytest.raises(Conflict, match="not_searched_yet"):
        fields.add_detection(user=reviewer, image=waiting, kind=WHITE, box=BOX)
    type(waiting).objects.filter(pk=waiting.pk).update(state="failed")
    assert [each.code for each in readiness(case=case).obstacles] == ["fields_failed"]


def test_a_signed_case_is_frozen_and_a_technician_only_looks(
    case: SmearCase, field: CaseImage, reviewer: User
) -> None:
    row = detection(field, 1)
    other = detection(field_of(case), 1)
    calls: list[tuple[Any, dict[str, Any]]] = [
        (fields.add_detection, {"image": field, "kind": WHITE, "box": BOX}),
        (fields.remove_detection, {"detection": row, "version": 0}),
        (fields.change_box, {"detection": row, "version": 0, "box": BOX}),
        (fields.change_kind_of_cell, {"detection": row, "version": 0, "kind": RED}),
        (fields.mark_duplicate, {"detection": row, "version": 0, "of": other}),
        (change_kind, {"image": field, "kind": "single_cell"}),
    ]
    for service, given in calls[:-1]:
        with pytest.raises(NotAllowed):
            service(user=member(case.laboratory, Role.TECHNICIAN), **given)
    SmearCase.objects.filter(pk=case.pk).update(status="signed_off")
    for service, given in calls:
        with pytest.raises(Conflict, match="case_signed_off"):
            service(user=reviewer, **given)
    assert not DetectionCorrection.objects.exists()


def test_the_kind_of_an_image_is_corrected_and_corrected_back(
    case: SmearCase, field: CaseImage, reviewer: User
) -> None:
    fields.remove_detection(user=reviewer, detection=detection(field, 2), version=0)
    change_kind(user=reviewer, image=field, kind="single_cell")
    whole = Cell.objects.get(image=field, detection=None)
    assert (whole.width, whole.state, whole.number) == (640, "queued", 5)
    assert case_counts(case=case).total == 1
    field.refresh_from_db()
    assert (field.state, field.kind_source) == ("queued", "given")
    with pytest.raises(Conflict, match="not_a_field"):
        fields.remove_detection(user=reviewer, detection=detection(field, 1), version=0)
    change_kind(user=reviewer, image=field, kind="field")
    counts = case_counts(case=case)
    assert (counts.total, counts.leukocytes, counts.pending, counts.excluded) == (3, 2, 0, 2)
    with pytest.raises(Conflict, match="kind_already"):
        change_kind(user=reviewer, image=field, kind="field")


def test_a_single_cell_becomes_a_field_that_is_searched(case: SmearCase, reviewer: User) -> None:
    image = unsearched_field(case, kind="single_cell", state="done")
    Cell.objects.create(
        case=case, image=image, number=1, left=0, top=0, width=640, height=480,
        label=cell_class("monocyte"), label_source="model", state="done",
    )  # fmt: skip
    change_kind(user=reviewer, image=image, kind="field")
    image.refresh_from_db()
    case.refresh_from_db()
    assert (image.state, image.searched_at, case.status) == ("queued", None, "processing")
    assert case_counts(case=case).total == 0
