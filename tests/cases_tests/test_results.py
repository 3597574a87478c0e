"""A case's result: before and after review, absolute counts, ranges and flags."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from cases.models import Patient, SmearCase
from cases.services.corrections import correct_cell
from cases.services.results import CaseResult, ClassResult, case_result
from tests.factories import (
    LaboratorySettingsFactory,
    PatientFactory,
    ReferenceRangeFactory,
    SmearCaseFactory,
    cell_class,
    member,
    named_cell,
)

pytestmark = pytest.mark.django_db


def case_of(counts: dict[str, int], **attributes: Any) -> SmearCase:
    """A case the model has read so."""
    case = SmearCaseFactory(**attributes)
    for code, number in counts.items():
        for _ in range(number):
            named_cell(case, code, model_label=cell_class(code))
    return case


def row_of(result: CaseResult, code: str) -> ClassResult:
    return next(each for each in result.classes if each.count.code == code)


def test_before_and_after_review_stand_side_by_side() -> None:
    case = case_of({"neutrophil": 3, "erythroblast": 1})
    reviewer = member(case.laboratory, "reviewer")
    for cell in case.cells.filter(label__code="neutrophil")[:2]:
        correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
        correct_cell(cell_id=cell.pk, user=reviewer, to_class="lymphocyte")
    result = case_result(case=case)
    neutrophil, lymphocyte = row_of(result, "neutrophil").count, row_of(result, "lymphocyte").count
    assert (neutrophil.before.count, neutrophil.count) == (3, 1)
    assert neutrophil.before.percent == 100
    assert neutrophil.before.ci_low == pytest.approx(29.24, abs=0.01)
    assert neutrophil.percent == pytest.approx(100 / 3)
    assert (lymphocyte.before.count, lymphocyte.count) == (0, 2)
    assert result.counts.before_leukocytes == 3
    assert result.counts.before_nrbc.value == pytest.approx(100 / 3)


@pytest.mark.parametrize(
    ("rules", "erythroblasts", "reason", "value"),
    [
        (None, 1, "corrected", 10 / 1.05),  # 5 per 100: at the threshold nobody has set
        ({"nrbc_threshold": Decimal("5.1")}, 1, "below_threshold", 10),
        ({"nrbc_threshold": 0}, 0, "below_threshold", 10),
        ({"analyser_excludes_nrbc": True}, 10, "analyser_excludes_nrbc", 10),
        ({}, 10, "corrected", 10 / 1.5),
    ],
)
def test_white_cells_are_corrected_at_the_threshold(
    rules: dict[str, Any] | None, erythroblasts: int, reason: str, value: float
) -> None:
    case = case_of({"neutrophil": 20, "erythroblast": erythroblasts}, analyser_wbc=Decimal(10))
    if rules is not None:
        LaboratorySettingsFactory(laboratory=case.laboratory, **rules)
    white_cells = case_result(case=case).white_cells
    assert white_cells is not None
    assert (white_cells.entered, white_cells.reason) == (10, reason)
    assert white_cells.value == pytest.approx(value)


def test_absolute_counts_rest_on_the_corrected_count() -> None:
    case = case_of(
        {"neutrophil": 9, "monocyte": 1, "erythroblast": 10, "platelet": 3},
        analyser_wbc=Decimal("8.4"),
    )
    result = case_result(case=case)
    neutrophil = row_of(result, "neutrophil").absolute
    assert neutrophil is not None
    assert neutrophil.value == pytest.approx(4.2 * 0.9)
    assert neutrophil.low == pytest.approx(4.2 * 0.5550, abs=0.001)
    nrbc = row_of(result, "erythroblast").absolute
    assert nrbc is not None
    assert nrbc.value == pytest.approx(4.2)
    assert row_of(result, "platelet").absolute is None


def test_without_a_white_cell_count_there_are_no_absolute_ones() -> None:
    result = case_result(case=case_of({"neutrophil": 1}))
    assert result.white_cells is None
    assert row_of(result, "neutrophil").absolute is None
    none_named = case_result(case=case_of({}, analyser_wbc=Decimal(5)))
    assert none_named.white_cells is not None
    assert none_named.white_cells.reason == "no_leukocytes"


def test_no_range_is_assumed() -> None:
    result = case_result(case=case_of({"neutrophil": 30}))
    assert not result.has_ranges
    assert result.flags == []
    assert all(each.limits is None for each in result.classes)


def test_flags_by_percent_and_by_absolute_count() -> None:
    case = case_of({"neutrophil": 30, "eosinophil": 1}, analyser_wbc=Decimal(40))
    ReferenceRangeFactory(
        laboratory=case.laboratory, percent_low=40, percent_high=75, absolute_high=Decimal(50)
    )
    ReferenceRangeFactory(
        laboratory=case.laboratory,
        cell_class=cell_class("eosinophil"),
        percent_high=5,
        absolute_high=Decimal("0.02"),
    )
    ReferenceRangeFactory(
        laboratory=case.laboratory, cell_class=cell_class("blast"), percent_high=0
    )
    result = case_result(case=case)
    neutrophil, eosinophil = row_of(result, "neutrophil"), row_of(result, "eosinophil")
    assert neutrophil.percent_flag is not None
    assert neutrophil.absolute_flag is not None
    assert (neutrophil.percent_flag.standing, neutrophil.absolute_flag.standing) == (
        "high",
        "within",
    )
    assert eosinophil.percent_flag is not None
    assert eosinophil.percent_flag.standing == "undecided"
    assert eosinophil.percent_flag.more is not None
    assert eosinophil.absolute_flag is not None
    assert eosinophil.absolute_flag.standing == "high"  # 0.033 at the least
    blast = row_of(result, "blast")
    assert blast.percent_flag is not None
    assert blast.percent_flag.standing == "not_seen"
    assert [each.count.code for each in result.flags] == ["neutrophil", "eosinophil"]


@pytest.mark.parametrize(
    ("patient", "collected", "wanted", "missing"),
    [
        ({"sex": "female", "birth_date": date(2000, 3, 1)}, datetime(2018, 2, 28, tzinfo=UTC),
         "girls", []),
        ({"sex": "female", "birth_date": date(2000, 3, 1)}, datetime(2018, 3, 1, 12, tzinfo=UTC),
         "women", []),
        ({"sex": "male", "birth_date": date(2000, 3, 1)}, datetime(2018, 3, 1, 12, tzinfo=UTC),
         "men", []),
        ({"sex": "unknown", "birth_date": date(2000, 3, 1)}, datetime(2018, 3, 1, tzinfo=UTC),
         None, ["sex_unknown"]),
        ({"sex": "female"}, None, None, ["birth_date_unknown", "collection_unknown"]),
        ({"sex": "female", "birth_date": date(2000, 3, 1)}, None, None, ["collection_unknown"]),
        # Born after the blood was taken: no age at all.
        ({"sex": "female", "birth_date": date(2020, 3, 1)}, datetime(2018, 3, 1, tzinfo=UTC),
         None, []),
    ],
)  # fmt: skip
def test_the_range_of_the_patients_sex_and_age_at_collection(
    patient: dict[str, Any], collected: datetime | None, wanted: str | None, missing: list[str]
) -> None:
    person: Patient = PatientFactory(**patient)
    case = case_of(
        {"neutrophil": 1}, laboratory=person.laboratory, patient=person, collected_at=collected
    )
    common = {"laboratory": person.laboratory, "percent_high": 70}
    ReferenceRangeFactory(**common, sex="female", age_to=18, source="girls")
    ReferenceRangeFactory(**common, sex="female", age_from=18, source="women")
    ReferenceRangeFactory(**common, sex="male", age_from=12, source="men")
    result = case_result(case=case)
    limits = row_of(result, "neutrophil").limits
    assert (limits.source if limits else None) == wanted
    assert result.not_applied == missing


def test_the_result_costs_five_queries(django_assert_num_queries: Any) -> None:
    case = case_of({"neutrophil": 5, "monocyte": 5}, analyser_wbc=Decimal(5))
    for code in ("neutrophil", "monocyte", "lymphocyte"):
        ReferenceRangeFactory(
            laboratory=case.laboratory, cell_class=cell_class(code), percent_high=70
        )
    with django_assert_num_queries(5):
        case_result(case=case)
