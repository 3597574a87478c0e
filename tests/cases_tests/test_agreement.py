"""Agreement of two readers, against worked examples that were published."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases.agreement import (
    bowker,
    cohen_kappa,
    compare_proportions,
    cross_table,
    fisher_exact,
    holm,
    mcnemar_exact,
    stuart_maxwell,
)

# Fleiss JL, Levin B, Paik MC, Statistical Methods for Rates and Proportions (3rd ed 2003),
# chapter 18: 100 patients, two raters, three diagnoses.
FLEISS = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
# Cohen 1960, table 1, 200 cases.
COHEN = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
# Stuart 1955: the unaided distance vision of 7477 women, right eye by left eye.
VISION = np.array(
    [[1520, 266, 124, 66], [234, 1512, 432, 78], [117, 362, 1772, 205], [36, 82, 179, 492]]
)
# Maxwell 1970 (also in Fleiss, Levin and Paik): 100 patients, two judges, three diagnoses.
MAXWELL = np.array([[35, 5, 0], [15, 20, 5], [10, 5, 5]])

tables = st.integers(2, 5).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 30), min_size=size, max_size=size), min_size=size, max_size=size
    ).map(np.array)
)


# --- kappa ---------------------------------------------------------------------------------------
def test_kappa_and_its_errors_are_those_of_fleiss() -> None:
    kappa = cohen_kappa(FLEISS)
    assert kappa.value is not None
    assert (round(kappa.observed, 2), round(kappa.expected, 2)) == (0.89, 0.66)
    assert round(kappa.value, 3) == 0.676
    assert kappa.standard_error_0 == pytest.approx(0.076, abs=5e-4)
    assert kappa.standard_error == pytest.approx(0.087, abs=1e-3)
    assert kappa.low == pytest.approx(0.68 - 1.96 * 0.087, abs=6e-3)
    assert kappa.high == pytest.approx(0.68 + 1.96 * 0.087, abs=6e-3)


def test_kappa_is_that_of_cohen() -> None:
    kappa = cohen_kappa(COHEN)
    assert (kappa.observed, kappa.expected) == (pytest.approx(0.70), pytest.approx(0.41))
    assert kappa.value == pytest.approx(0.492, abs=5e-4)


def test_kappa_of_full_agreement_is_one_and_of_one_class_alone_is_unknown() -> None:
    kappa = cohen_kappa(np.diag([10, 20, 5]))
    assert kappa.value == pytest.approx(1)
    assert kappa.standard_error == pytest.approx(0)
    assert cohen_kappa(np.array([[30, 0], [0, 0]])).value is None
    with pytest.raises(ValueError, match="no cell"):
        cohen_kappa(np.zeros((3, 3), int))


@given(tables)
def test_kappa_does_not_mind_who_is_called_first(table: np.ndarray) -> None:
    if table.sum() == 0:
        return
    one, other = cohen_kappa(table), cohen_kappa(table.T)
    if one.value is None or one.standard_error is None:
        assert other.value is None
        return
    assert one.value == pytest.approx(other.value)
    assert one.standard_error == pytest.approx(other.standard_error, abs=1e-7)
    assert -1 <= (one.low or 0) <= one.value + 1e-12
    assert one.value <= (one.high or 0) + 1e-9 <= 1 + 1e-8


def test_the_standard_error_is_the_spread_that_repeated_readings_have() -> None:
    drawn = np.random.default_rng(7).multinomial(400, FLEISS.ravel() / 100, size=4000)
    values = [cohen_kappa(each.reshape(3, 3)).value for each in drawn]
    assert np.std(np.array(values, float)) == pytest.approx(
        cohen_kappa(FLEISS * 4).standard_error, rel=0.05
    )


# --- all classes at once -------------------------------------------------------------------------
def test_stuart_maxwell_is_that_of_stuart_and_of_maxwell() -> None:
    vision = stuart_maxwell(VISION)
    assert (round(vision.statistic, 2), vision.degrees) == (11.96, 3)
    assert vision.p == pytest.approx(0.0075, abs=5e-5)
    judges = stuart_maxwell(MAXWELL)
    assert (round(judges.statistic, 2), judges.degrees) == (14.00, 2)
    assert judges.p == pytest.approx(0.0009, abs=5e-5)


def test_bowker_is_that_of_the_vision_data() -> None:
    vision = bowker(VISION)
    assert (round(vision.statistic, 2), vision.degrees) == (19.11, 6)
    assert vision.p == pytest.approx(0.0040, abs=5e-5)


def test_classes_nobody_mixes_up_add_no_degree_of_freedom() -> None:
    # The example of Uebersax's MH program: the first class is never mixed up.
    table = np.array([[30, 0, 0], [0, 10, 2], [0, 4, 8]])
    found = stuart_maxwell(table)
    assert (round(found.statistic, 3), found.degrees) == (0.667, 1)
    assert found.p == pytest.approx(0.414, abs=5e-4)
    assert bowker(table).degrees == 1
    for test in (stuart_maxwell, bowker):
        assert (test(np.diag([5, 6])).degrees, test(np.diag([5, 6])).p) == (0, 1.0)
    two_pairs = np.zeros((4, 4), int)
    two_pairs[0, 1], two_pairs[2, 3] = 9, 4
    assert stuart_maxwell(two_pairs).degrees == 2
    assert stuart_maxwell(two_pairs).statistic == pytest.approx(9 + 4)


@given(tables)
def test_both_tests_keep_within_their_range(table: np.ndarray) -> None:
    for test in (stuart_maxwell, bowker):
        found = test(table)
        assert found.statistic >= -1e-9
        assert 0 <= found.p <= 1
        assert test(table.T).statistic == pytest.approx(found.statistic, abs=1e-6)


# --- one class -----------------------------------------------------------------------------------
def test_mcnemar_is_the_binomial_test() -> None:
    # Agresti, Categorical Data Analysis, table 10.1: approval ratings, 150 and 86 changed.
    assert mcnemar_exact(150, 86) == pytest.approx(3.716e-5, rel=1e-3)
    for one, other in ((0, 5), (1, 5), (3, 3), (12, 2), (0, 0)):
        expected = stats.binomtest(one, one + other, 0.5).pvalue if one + other else 1
        assert mcnemar_exact(one, other) == pytest.approx(expected)
        assert mcnemar_exact(other, one) == mcnemar_exact(one, other)
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(-1, 3)


def test_fisher_is_that_of_the_twins_and_of_the_tea() -> None:
    # Fisher 1935: convictions of like-sex twins of criminals; the lady tasting tea.
    assert fisher_exact(10, 2, 3, 15) == pytest.approx(0.000537, abs=5e-7)
    assert fisher_exact(3, 1, 1, 3) == pytest.approx(0.486, abs=5e-4)


@given(*[st.integers(0, 60)] * 4)
def test_fisher_is_that_of_scipy(a: int, b: int, c: int, d: int) -> None:
    expected = stats.fisher_exact([[a, b], [c, d]]).pvalue
    assert fisher_exact(a, b, c, d) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("percent", "cells", "allowed"),
    # sqrt(2 p q / n) times 1.96: what a second count of as many cells may differ by.
    [(50, 200, 9.80), (10, 200, 5.88), (50, 100, 13.86), (2, 200, 2.74)],
)
def test_the_allowed_difference_is_that_of_two_counts(
    percent: int, cells: int, allowed: float
) -> None:
    count = percent * cells // 100
    found = compare_proportions(count, cells, count, cells)
    assert found.allowed is not None
    assert 100 * found.allowed == pytest.approx(allowed, abs=0.005)
    assert found.is_allowed


def test_two_hundred_cells_of_each_are_compared() -> None:
    near, far = compare_proportions(20, 200, 30, 200), compare_proportions(20, 200, 40, 200)
    assert near.is_allowed
    assert far.is_allowed is False
    assert far.p_fisher is not None
    assert far.p_fisher < 0.01
    assert far.difference == pytest.approx(0.1)
    nothing = compare_proportions(0, 0, 5, 10)
    assert (nothing.first, nothing.difference, nothing.is_allowed) == (None, None, None)
    assert compare_proportions(0, 200, 0, 200).is_allowed
    with pytest.raises(ValueError, match="proportion"):
        compare_proportions(3, 2, 0, 2)


def test_the_limit_is_crossed_by_about_one_in_twenty_counts() -> None:
    draw = np.random.default_rng(3).binomial(200, 0.2, size=(4000, 2))
    crossed = [not compare_proportions(int(a), 200, int(b), 200).is_allowed for a, b in draw]
    assert np.mean(crossed) == pytest.approx(0.05, abs=0.012)


def test_holm_keeps_the_order_and_the_largest() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_pairs_are_counted_and_half_a_reading_is_refused() -> None:
    table = cross_table(["a", "a", "b"], ["a", "b", "b"], ["a", "b"])
    assert table.tolist() == [[1, 1], [0, 1]]
    with pytest.raises(ValueError, match="no pairs"):
        cross_table(["a"], [], ["a"])
    assert math.isclose(cohen_kappa(table).observed, 2 / 3)
