"""Two versions against the reviewers."""

from __future__ import annotations

import itertools

import pytest
from scipy.stats import binomtest

from cases.models import Cell, SmearCase
from cases.services.corrections import correct_cell
from classifier.models import ModelVersion
from classifier.services import comparison, runs, work
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, queue_cells
from tests.factories import member

pytestmark = pytest.mark.django_db

# What the reviewer, the first and the second version call each cell.
CELLS = [
    ("monocyte", "monocyte", "monocyte"),
    ("monocyte", "monocyte", "ig"),
    ("ig", "monocyte", "ig"),
    ("ig", "neutrophil", "ig"),
    ("ig", "neutrophil", "ig"),
    ("blast", "ig", "lymphocyte"),
]


@pytest.fixture
def versions(case: SmearCase, version: ModelVersion) -> tuple[ModelVersion, ModelVersion]:
    """Both have seen the six cells, which a reviewer named, and a seventh that nobody did."""
    administrator = member(case.laboratory, "administrator")
    other = make_version("model two", active=False)
    cells = queue_cells(case, 7)
    first = itertools.chain((answer(row[1]) for row in CELLS), [answer("platelet")])
    work.run_pending(predictor=FakePredictor(reply=lambda picture: next(first)))
    runs.start_run(user=administrator, version=other, laboratory=case.laboratory)
    second = itertools.chain(
        (answer(row[2], unfamiliar=row[0] == "blast") for row in CELLS), [answer("basophil")]
    )
    work.run_pending(predictor=FakePredictor(reply=lambda picture: next(second)))
    for cell, row in zip(cells, CELLS, strict=False):
        correct_cell(cell_id=cell.pk, user=administrator, to_class=row[0])
    queue_cells(case, 1)  # seen by the first alone
    work.run_pending(predictor=FakePredictor())
    correct_cell(cell_id=Cell.objects.last().pk, user=administrator, to_class="platelet")
    return version, other


def figures(
    versions: tuple[ModelVersion, ModelVersion], *, corrected_only: bool = False
) -> comparison.Comparison:
    cells = comparison.reviewed_cells(
        policy_cells=Cell.objects.all(),
        first=versions[0],
        second=versions[1],
        corrected_only=corrected_only,
    )
    return comparison.compare(cells)


def test_figures_are_those_counted_by_hand(versions: tuple[ModelVersion, ModelVersion]) -> None:
    found = figures(versions)
    assert found.n == 6
    assert (found.both_right, found.only_first, found.only_second, found.neither) == (1, 1, 3, 1)
    assert found.agreement.value == pytest.approx(100 / 6)
    assert found.differing == 5
    assert found.first_right.value == pytest.approx(200 / 6)
    assert found.second_right.value == pytest.approx(400 / 6)
    assert found.p_value == pytest.approx(binomtest(1, 4).pvalue)
    assert (found.first_unfamiliar, found.second_unfamiliar) == (0, 1)
    rows = {row.code: dict(zip([c.code for c in found.columns], counts, strict=True))
            for row, counts in found.agreement_rows}  # fmt: skip
    assert rows["neutrophil"]["ig"] == 2
    assert rows["monocyte"] == {"ig": 2, "lymphocyte": 0, "monocyte": 1, "neutrophil": 0}
    by_class = {each.cell_class.code: each for each in found.classes}
    ig = by_class["ig"]
    assert ig.n == 3
    assert (ig.first_recall.value, ig.second_recall.value) == (0, 100)
    assert ig.second_recall.low == pytest.approx(29.24, abs=0.01)  # Clopper-Pearson, 3 of 3
    assert (ig.first_precision.value, ig.second_precision.value) == (0, 75)
    assert by_class["blast"].n == 1
    assert by_class["blast"].second_precision.value is None  # no model calls a cell so


def test_confirmed_cells_may_be_left_out(versions: tuple[ModelVersion, ModelVersion]) -> None:
    assert figures(versions, corrected_only=True).n == 4


def test_turning_the_versions_round_turns_the_figures_round(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    one, two = figures(versions), figures((versions[1], versions[0]))
    assert (one.only_first, one.first_right) == (two.only_second, two.second_right)
    assert one.p_value == two.p_value


@pytest.mark.parametrize("pair", [(0, 1), (1, 4), (7, 7), (0, 30), (113, 150), (2000, 2100)])
def test_mcnemar_is_the_exact_binomial_test(pair: tuple[int, int]) -> None:
    expected = binomtest(min(pair), sum(pair)).pvalue
    assert comparison.mcnemar_p(*pair) == pytest.approx(expected, rel=1e-9)
    assert comparison.mcnemar_p(*pair[::-1]) == pytest.approx(expected, rel=1e-9)


def test_nothing_to_test_with_no_cell() -> None:
    assert comparison.mcnemar_p(0, 0) is None


def test_a_cell_that_differs_is_listed_with_both_words(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    cells = comparison.reviewed_cells(
        policy_cells=Cell.objects.all(), first=versions[0], second=versions[1]
    )
    assert comparison.differing_cells(cells).count() == 5
