"""Corrections: rows for ever, and of two people at once only one wins."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from cases.models import Cell, Correction, Role, SmearCase
from cases.services import corrections
from cases.services.corrections import correct_cell
from cases.services.errors import Conflict, Missing, NotAllowed, ServiceError
from tests.factories import CellFactory, LaboratoryFactory, SmearCaseFactory, member, named_cell

pytestmark = pytest.mark.django_db


@pytest.fixture
def case() -> SmearCase:
    return SmearCaseFactory()


@pytest.fixture
def reviewer(case: SmearCase) -> Any:
    return member(case.laboratory, Role.REVIEWER, username="rita")


def test_a_correction_is_a_row_and_moves_the_label(case: SmearCase, reviewer: Any) -> None:
    cell = named_cell(case, "neutrophil", review_state="needs_review")
    row = correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte", comment=" folded ")
    cell.refresh_from_db()
    assert (cell.label.code, cell.label_source) == ("monocyte", "reviewer")
    assert (cell.review_state, cell.version) == ("corrected", 1)
    assert cell.confidence == 0.9  # the model's, kept as it was
    assert (row.from_class.code, row.to_class.code) == ("neutrophil", "monocyte")
    assert (row.made_by, row.comment, row.cell_version) == (reviewer, "folded", 1)


def test_the_same_class_confirms_and_undoing_is_another_row(case: SmearCase, reviewer: Any) -> None:
    cell = named_cell(case, "neutrophil")
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="neutrophil")
    cell.refresh_from_db()
    assert (cell.review_state, cell.label_source) == ("confirmed", "reviewer")
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="blast")
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="neutrophil", comment="undone")
    rows = Correction.objects.filter(cell=cell).order_by("id")
    assert [(each.from_class.code, each.to_class.code) for each in rows] == [
        ("neutrophil", "neutrophil"),
        ("neutrophil", "blast"),
        ("blast", "neutrophil"),
    ]
    assert [each.cell_version for each in rows] == [1, 2, 3]


def test_corrections_are_never_changed_nor_deleted(case: SmearCase, reviewer: Any) -> None:
    cell = named_cell(case, "neutrophil")
    row = correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    for change in (
        row.save,
        row.delete,
        Correction.objects.all().delete,
        lambda: Correction.objects.update(comment="x"),
    ):
        with pytest.raises(TypeError):
            change()


@pytest.mark.parametrize("state", ["queued", "processing", "failed"])
def test_a_cell_the_model_has_not_named_can_be_named(
    case: SmearCase, reviewer: Any, state: str
) -> None:
    cell = CellFactory(case=case, state=state)
    row = correct_cell(cell_id=cell.pk, user=reviewer, to_class="unidentified")
    cell.refresh_from_db()
    assert row.from_class is None
    assert (cell.label.code, cell.review_state, cell.state) == ("unidentified", "corrected", state)
    assert not Cell.objects.open_to_the_model().filter(pk=cell.pk).exists()


def test_who_looked_at_an_older_state_is_told_the_current_one(
    case: SmearCase, reviewer: Any
) -> None:
    cell = named_cell(case, "neutrophil")
    other = member(case.laboratory, Role.ADMINISTRATOR, username="otto")
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte", expected_version=0)
    for expected in ({"expected_version": 0}, {"expected_label": "neutrophil"}):
        with pytest.raises(Conflict) as caught:
            correct_cell(cell_id=cell.pk, user=other, to_class="blast", **expected)
        assert caught.value.code == "stale_cell"
        current = caught.value.extra["current"]
        assert current["label"] == "monocyte"
        assert current["version"] == 1
        assert current["corrected_by"] == "rita"
        assert current["corrected_at"]
    correct_cell(
        cell_id=cell.pk, user=other, to_class="blast", expected_version=1,
        expected_label="monocyte",
    )  # fmt: skip
    assert Correction.objects.count() == 2


def test_what_cannot_be_corrected(case: SmearCase, reviewer: Any) -> None:
    cell = named_cell(case, "neutrophil")
    wrong: list[tuple[dict[str, Any], type[ServiceError], str]] = [
        ({"to_class": "dragon"}, ServiceError, "unknown_class"),
        ({"comment": "x" * 2001}, ServiceError, "comment_too_long"),
        ({"cell_id": 2**40}, Missing, "cell_not_found"),
        ({"user": member(case.laboratory, Role.TECHNICIAN)}, NotAllowed, "not_allowed"),
        ({"user": member(LaboratoryFactory(), Role.REVIEWER)}, NotAllowed, "not_allowed"),
    ]
    for change, kind, code in wrong:
        arguments = {"cell_id": cell.pk, "user": reviewer, "to_class": "monocyte", **change}
        with pytest.raises(kind) as caught:
            correct_cell(**arguments)
        assert caught.value.code == code
    SmearCase.objects.filter(pk=case.pk).update(status="signed_off")
    with pytest.raises(Conflict) as conflict:
        correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    assert conflict.value.code == "case_signed_off"
    cell.refresh_from_db()
    assert (cell.version, Correction.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("version", [0, None])
def test_of_two_people_at_once_exactly_one_wins(
    case: SmearCase, monkeypatch: pytest.MonkeyPatch, version: int | None
) -> None:
    cell = named_cell(case, "neutrophil")
    people = [member(case.laboratory, Role.REVIEWER) for _ in range(4)]
    all_read = threading.Barrier(len(people), timeout=20)
    require = corrections.require

    def wait_for_the_others(*args: Any) -> None:
        # The cell has been read by now, and nothing written.
        require(*args)
        all_read.wait()

    monkeypatch.setattr(corrections, "require", wait_for_the_others)

    def correct(user: Any) -> str:
        try:
            correct_cell(cell_id=cell.pk, user=user, to_class="monocyte", expected_version=version)
        except Conflict as conflict:
            return f"{conflict.code}: now {conflict.extra['current']['label']}"
        finally:
            connection.close()
        return "won"

    with ThreadPoolExecutor(len(people)) as pool:
        outcomes = sorted(pool.map(correct, people))
    assert outcomes == ["stale_cell: now monocyte"] * 3 + ["won"]
    assert Correction.objects.filter(cell=cell).count() == 1
    cell.refresh_from_db()
    assert cell.version == 1
