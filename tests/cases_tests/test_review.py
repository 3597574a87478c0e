"""Steps of corrections, taking them back, flags, and what others see of it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from cases.models import Cell, CellFlag, Correction, CorrectionBatch, Role, SmearCase, User
from cases.services.changes import CHANGES_MAX
from cases.services.corrections import correct_cell, correct_cells, undo_batch
from cases.services.errors import Conflict, Missing, NotAllowed, ServiceError
from cases.services.flags import flag_cells
from classifier.services.work import run_pending
from tests.cases_tests.api_client import API, assert_problem
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, queue_cells
from tests.factories import CaseImageFactory, CellFactory, SmearCaseFactory, member, named_cell

pytestmark = pytest.mark.django_db


def seen(*cells: Cell) -> dict[int, int]:
    """What somebody sees who opens the page now."""
    return dict(Cell.objects.filter(pk__in=[c.pk for c in cells]).values_list("pk", "version"))


def standing(*cells: Cell) -> list[tuple[Any, ...]]:
    rows = Cell.objects.filter(pk__in=[c.pk for c in cells]).order_by("pk")
    return list(
        rows.values_list("label__code", "label_source", "review_state", "flagged", "confidence")
    )


@pytest.fixture
def cells(case: SmearCase) -> list[Cell]:
    """Cells of every kind: sure, doubtful, reviewed, and one without a name."""
    reviewed = {"label_source": "reviewer", "review_state": "confirmed"}
    return [
        named_cell(case, "neutrophil"),
        named_cell(case, "monocyte", confidence=0.4, review_state="needs_review"),
        named_cell(case, "ig", **reviewed),
        CellFactory(case=case, state="failed"),
    ]


def test_one_step_names_many_cells_and_is_taken_back_as_one(
    case: SmearCase, cells: list[Cell], reviewer: User
) -> None:
    before = standing(*cells)
    step = correct_cells(
        case_id=case.pk, user=reviewer, versions=seen(*cells), to_class="blast", comment="clone"
    )
    assert {row[:4] for row in standing(*cells)} == {("blast", "reviewer", "corrected", False)}
    assert set(step.corrections.values_list("comment", "cell_version")) == {("clone", 1)}
    undoing = undo_batch(batch_id=step.pk, user=reviewer)
    # Whoever undoes a hasty confirmation must not leave the doubtful cell looking reviewed.
    assert standing(*cells) == before
    assert undoing.undoes == step
    assert Correction.objects.count() == 2 * len(cells)
    with pytest.raises(Conflict) as again:
        undo_batch(batch_id=step.pk, user=reviewer)
    assert again.value.code == "already_undone"
    redone = undo_batch(batch_id=undoing.pk, user=reviewer)
    assert {row[0] for row in standing(*cells)} == {"blast"}
    assert list(CorrectionBatch.objects.undoable_by(reviewer.pk)) == []
    assert redone.undoes == undoing


def test_without_a_class_each_cell_is_confirmed_as_what_it_is(
    case: SmearCase, cells: list[Cell], reviewer: User
) -> None:
    correct_cells(case_id=case.pk, user=reviewer, versions=seen(*cells[:3]), to_class=None)
    assert [row[:3] for row in standing(*cells[:3])] == [
        (code, "reviewer", "confirmed") for code in ("neutrophil", "monocyte", "ig")
    ]
    with pytest.raises(ServiceError) as caught:
        correct_cells(case_id=case.pk, user=reviewer, versions=seen(*cells), to_class=None)
    assert caught.value.code == "nothing_to_confirm"
    assert str(cells[3].number) in str(caught.value.message)


def test_one_stale_cell_refuses_the_whole_step(
    case: SmearCase, cells: list[Cell], reviewer: User
) -> None:
    versions = seen(*cells)
    step = correct_cells(case_id=case.pk, user=reviewer, versions=versions, to_class="blast")
    other = member(case.laboratory, Role.REVIEWER, username="otto")
    correct_cell(cell_id=cells[1].pk, user=other, to_class="smudge")
    now = standing(*cells)
    for act in (
        lambda: correct_cells(
            case_id=case.pk,
            user=reviewer,
            versions=seen(*cells) | {cells[1].pk: 1},
            to_class="lymphocyte",
        ),
        lambda: flag_cells(
            case_id=case.pk,
            user=reviewer,
            versions=seen(*cells) | {cells[1].pk: 1},
            raised=True,
        ),
        lambda: undo_batch(batch_id=step.pk, user=reviewer),
    ):
        with pytest.raises(Conflict) as caught:
            act()
        assert caught.value.code == "stale_cells"
        assert caught.value.extra["stale"] == 1
        (told,) = caught.value.extra["cells"]
        assert (told["cell"], told["label"], told["corrected_by"]) == (
            cells[1].pk, "smudge", "otto",
        )  # fmt: skip
        assert standing(*cells) == now
    assert Correction.objects.count() == len(cells) + 1
    assert not CellFlag.objects.exists()


def test_what_a_step_refuses(case: SmearCase, cells: list[Cell], reviewer: User) -> None:
    elsewhere = named_cell(SmearCaseFactory(laboratory=case.laboratory), "ig")
    technician = member(case.laboratory, Role.TECHNICIAN)
    wrong: list[tuple[dict[str, Any], type[ServiceError], str]] = [
        ({"versions": {}}, ServiceError, "nothing_chosen"),
        ({"versions": dict.fromkeys(range(10_001), 0)}, ServiceError, "too_many_cells"),
        ({"versions": seen(elsewhere)}, Missing, "cell_not_found"),
        ({"to_class": "dragon"}, ServiceError, "unknown_class"),
        ({"comment": "x" * 2001}, ServiceError, "comment_too_long"),
        ({"user": technician}, NotAllowed, "not_allowed"),
        ({"case_id": 2**40}, Missing, "case_not_found"),
    ]
    for change, kind, code in wrong:
        asked = {"case_id": case.pk, "user": reviewer, "versions": seen(*cells), "to_class": "ig"}
        with pytest.raises(kind) as caught:
            correct_cells(**{**asked, **change})
        assert caught.value.code == code
    step = correct_cells(case_id=case.pk, user=reviewer, versions=seen(*cells), to_class="blast")
    with pytest.raises(NotAllowed) as not_yours:
        undo_batch(batch_id=step.pk, user=member(case.laboratory, Role.ADMINISTRATOR))
    assert not_yours.value.code == "not_yours"
    SmearCase.objects.filter(pk=case.pk).update(status="signed_off")
    now = standing(*cells)
    for act in (
        lambda: correct_cells(case_id=case.pk, user=reviewer, versions=seen(*cells), to_class="ig"),
        lambda: flag_cells(case_id=case.pk, user=reviewer, versions=seen(*cells), raised=True),
        lambda: undo_batch(batch_id=step.pk, user=reviewer),
    ):
        with pytest.raises(Conflict) as frozen:
            act()
        assert frozen.value.code == "case_signed_off"
    assert standing(*cells) == now


def test_flags_ask_for_review_and_a_word_on_the_cell_answers_them(
    case: SmearCase, cells: list[Cell], reviewer: User
) -> None:
    sure = cells[0]
    flag_cells(
        case_id=case.pk, user=reviewer, versions=seen(sure, cells[1]), raised=True, note="Blast?"
    )
    assert [row[2:4] for row in standing(sure, cells[1])] == [("needs_review", True)] * 2
    row = CellFlag.objects.of_cell(sure.pk).get()
    assert (row.made_by, row.note, row.raised) == (reviewer, "Blast?", True)
    assert list(Cell.objects.of_case(case.pk).needing_review().in_queue_order())[:2] == [
        cells[1], sure,
    ]  # fmt: skip
    # Lowered, each is again what it was before.
    flag_cells(case_id=case.pk, user=reviewer, versions=seen(sure, cells[1]), raised=False)
    assert [row[2:4] for row in standing(sure, cells[1])] == [
        ("unreviewed", False), ("needs_review", False),
    ]  # fmt: skip
    flag_cells(case_id=case.pk, user=reviewer, versions=seen(sure), raised=True)
    step = correct_cells(case_id=case.pk, user=reviewer, versions=seen(sure), to_class=None)
    assert standing(sure)[0][2:4] == ("confirmed", False)
    undo_batch(batch_id=step.pk, user=reviewer)
    assert standing(sure)[0][2:4] == ("needs_review", True)
    raised = CellFlag.objects.of_cell(sure.pk).order_by("id").values_list("raised", flat=True)
    assert list(raised) == [True, False, True, False, True]


def test_the_model_neither_answers_a_flag_nor_is_lost_by_an_undo(
    case: SmearCase, reviewer: User
) -> None:
    make_version()
    flagged, named = queue_cells(case, 2)
    flag_cells(case_id=case.pk, user=reviewer, versions=seen(flagged), raised=True)
    step = correct_cell(cell_id=named.pk, user=reviewer, to_class="blast")
    run_pending(predictor=FakePredictor(reply=lambda picture: answer("monocyte", 0.99)))
    assert standing(flagged)[0][:4] == ("monocyte", "model", "needs_review", True)
    assert step.batch is not None
    undo_batch(batch_id=step.batch.pk, user=reviewer)
    assert standing(named)[0][:3] == ("monocyte", "model", "needs_review")
    flag_cells(case_id=case.pk, user=reviewer, versions=seen(flagged), raised=False)
    assert standing(flagged)[0][2:4] == ("needs_review", False)


@pytest.mark.django_db(transaction=True)
def test_of_two_overlapping_steps_at_once_exactly_one_is_done(
    case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cases.services import corrections

    cells = [named_cell(case, "neutrophil") for _ in range(6)]
    people = [member(case.laboratory, Role.REVIEWER) for _ in range(4)]
    ready = threading.Barrier(len(people), timeout=20)
    require = corrections.require
    monkeypatch.setattr(corrections, "require", lambda *args: (require(*args), ready.wait()))

    def correct(number: int) -> str:
        # Each begins elsewhere; all share the cells in the middle.
        chosen = dict.fromkeys([cell.pk for cell in cells[number % 3 : number % 3 + 4]], 0)
        try:
            correct_cells(
                case_id=case.pk, user=people[number], versions=chosen, to_class="monocyte"
            )
        except Conflict as conflict:
            return conflict.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(people)) as pool:
        outcomes = sorted(pool.map(correct, range(len(people))))
    assert outcomes == ["done"] + ["stale_cells"] * 3
    assert Correction.objects.count() == 4


def test_a_step_over_the_api_and_what_the_other_reader_is_told(
    client: APIClient, case: SmearCase, cells: list[Cell], django_assert_num_queries: Any
) -> None:
    changes = f"{API}/cases/{case.pk}/changes/"
    start = client.get(changes, {"since": 0}).data
    assert (start["revision"], start["cells"], start["counts"]) == (0, [], None)
    body = {"cells": [{"id": c.pk, "version": 0} for c in cells[:2]], "to": "blast"}
    done = client.post(f"{API}/cases/{case.pk}/corrections/", body)
    assert done.status_code == 201, done.data
    assert done.data["revision"] == 1
    assert {each["label"] for each in done.data["cells"]} == {"blast"}
    blasts = next(each for each in done.data["counts"]["classes"] if each["code"] == "blast")
    assert blasts["count"] == 2
    told = client.get(changes, {"since": 0}).data
    assert told["revision"] == 1
    assert {(each["id"], each["label"], each["corrected_by"]) for each in told["cells"]} == {
        (cells[0].pk, "blast", "rita"), (cells[1].pk, "blast", "rita"),
    }  # fmt: skip
    # Session, user, memberships, the readings that blind somebody, the case.
    with django_assert_num_queries(5):
        assert client.get(changes, {"since": 1}).data["cells"] == []
    late = client.post(f"{API}/cases/{case.pk}/corrections/", body | {"to": None})
    problem = assert_problem(late, 409, "stale_cells")
    assert problem["stale"] == 2
    assert {each["label"] for each in problem["cells"]} == {"blast"}
    flagged = {"cells": [{"id": cells[2].pk, "version": 0}], "raised": True, "note": "?"}
    assert client.post(f"{API}/cases/{case.pk}/flags/", flagged).data["counts"]["needs_review"] == 1
    undone = client.post(f"{API}/steps/{done.data['step']['id']}/undo/")
    assert undone.status_code == 201
    assert {each["label"] for each in undone.data["cells"]} == {"neutrophil", "monocyte"}
    for wrong in (
        {"cells": []}, {"cells": [{"id": "1", "version": 0}]}, {"cells": [{"id": 1}]},
        {"cells": [{"id": 1, "version": 0}, {"id": 1, "version": 1}]}, {"cells": [1]}, {},
    ):  # fmt: skip
        answer = client.post(f"{API}/cases/{case.pk}/corrections/", {"to": "ig", **wrong})
        assert "cells" in assert_problem(answer, 400, "invalid")["errors"]
    for since in ("", "x", "-1"):
        assert_problem(client.get(changes, {"since": since}), 400, "invalid")


def test_many_cells_cost_few_queries_and_changes_come_in_parts(
    client: APIClient, case: SmearCase, reviewer: User, django_assert_max_num_queries: Any
) -> None:
    image = CaseImageFactory(case=case)
    model_label = named_cell(case, "neutrophil", image=image).label
    many = CHANGES_MAX + 100
    Cell.objects.bulk_create(
        Cell(
            case=case, image=image, number=1000 + number, left=0, top=0, width=24, height=24,
            label=model_label, label_source="model", state="done", confidence=0.9,
        )
        for number in range(many)
    )  # fmt: skip
    keys = list(Cell.objects.order_by("pk").values_list("pk", flat=True))
    for part in (keys[:300], keys[300:]):
        body = {"cells": [{"id": key, "version": 0} for key in part], "to": "monocyte"}
        with django_assert_max_num_queries(26):
            assert client.post(f"{API}/cases/{case.pk}/corrections/", body).status_code == 201
    with django_assert_max_num_queries(11):
        first = client.get(f"{API}/cases/{case.pk}/changes/?since=0").data
    # Cells of one revision are not parted, so that nothing is missed between two questions.
    assert (first["revision"], first["more"], len(first["cells"])) == (2, False, many + 1)
    correct_cell(cell_id=keys[0], user=reviewer, to_class="ig")
    second = client.get(f"{API}/cases/{case.pk}/changes/?since=2").data
    assert [each["id"] for each in second["cells"]] == [keys[0]]
