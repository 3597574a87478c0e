"""Counts: denominators, who named what, and two queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from cases.models import CellClass, Role
from cases.services.corrections import correct_cell
from cases.services.counts import CaseCounts, ClassCount, case_counts
from tests.factories import CellFactory, SmearCaseFactory, member, named_cell

pytestmark = pytest.mark.django_db


def of_class(counts: CaseCounts, code: str) -> ClassCount:
    return next(each for each in counts.classes if each.code == code)


def test_an_empty_case_has_every_class_and_no_percentage() -> None:
    counts = case_counts(case=SmearCaseFactory())
    assert (counts.total, counts.pending, counts.failed, counts.leukocytes) == (0, 0, 0, 0)
    assert counts.limited
    assert counts.nrbc_per_100_wbc is None
    assert [each.code for each in counts.classes] == list(
        CellClass.objects.order_by("order").values_list("code", flat=True)
    )
    assert len(counts.classes) == 13
    assert all(each.percent is None for each in counts.classes)


def test_leukocytes_alone_are_the_denominator() -> None:
    case = SmearCaseFactory()
    for code, number in (
        ("neutrophil", 6), ("lymphocyte", 3), ("ig", 1),
        ("erythroblast", 5), ("platelet", 7), ("blast", 2), ("artefact", 1),
    ):  # fmt: skip
        for _ in range(number):
            named_cell(case, code)
    counts = case_counts(case=case)
    assert (counts.total, counts.leukocytes) == (25, 10)
    assert of_class(counts, "neutrophil").percent == pytest.approx(60)
    assert of_class(counts, "ig").percent == pytest.approx(10)
    neutrophil = of_class(counts, "neutrophil")
    assert neutrophil.ci_low == pytest.approx(26.24, abs=0.01)
    assert neutrophil.ci_high == pytest.approx(87.84, abs=0.01)
    for code in ("erythroblast", "platelet", "blast", "artefact"):
        assert of_class(counts, code).percent is None
        assert of_class(counts, code).ci_low is None
    assert (counts.erythroblasts, counts.nrbc_per_100_wbc) == (5, pytest.approx(50))
    assert counts.nrbc_ci_low is not None
    assert counts.nrbc_ci_low < 50
    assert (counts.platelets, counts.limited) == (7, True)
    assert sum(each.percent or 0 for each in counts.classes) == pytest.approx(100)


def test_a_hundred_leukocytes_are_enough() -> None:
    case = SmearCaseFactory()
    for _ in range(100):
        named_cell(case, "neutrophil")
    assert not case_counts(case=case).limited


def test_states_and_sources_are_told_apart() -> None:
    case = SmearCaseFactory()
    reviewer = member(case.laboratory, Role.REVIEWER)
    cells = [named_cell(case, "neutrophil") for _ in range(3)]
    named_cell(case, "monocyte", review_state="needs_review")
    CellFactory(case=case, state="queued")
    CellFactory(case=case, state="processing")
    failed = [CellFactory(case=case, state="failed") for _ in range(2)]
    named_cell(SmearCaseFactory(), "neutrophil")

    counts = case_counts(case=case)
    assert (counts.total, counts.pending, counts.failed, counts.needs_review) == (8, 2, 2, 1)

    correct_cell(cell_id=cells[0].pk, user=reviewer, to_class="monocyte")
    correct_cell(cell_id=cells[1].pk, user=reviewer, to_class="neutrophil")
    correct_cell(cell_id=failed[0].pk, user=reviewer, to_class="neutrophil")
    counts = case_counts(case=case)
    assert (counts.failed, counts.leukocytes) == (1, 5)
    neutrophil = of_class(counts, "neutrophil")
    assert (neutrophil.count, neutrophil.by_model, neutrophil.by_reviewer) == (3, 1, 2)
    assert of_class(counts, "monocyte").by_reviewer == 1


def test_names_are_in_the_readers_language() -> None:
    with translation.override("es"):
        assert of_class(case_counts(case=SmearCaseFactory()), "monocyte").name == "Monocito"


@pytest.mark.parametrize("cells", [1, 30])
def test_three_queries_however_many_cells(cells: int, django_assert_num_queries: Any) -> None:
    case = SmearCaseFactory()
    for number in range(cells):
        named_cell(case, ("neutrophil", "monocyte", "platelet")[number % 3])
    with django_assert_num_queries(3):
        case_counts(case=case)
