"""The intervals against published values."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from cases.differential import (
    absolute,
    corrected_wbc,
    per_hundred,
    percentage,
    proportion_interval,
)


# Rümke's table of 95 % limits, as reprinted in CLSI H20-A2, rounded to whole percent there.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 100, 0, 4), (1, 100, 0, 6), (2, 100, 0, 8), (5, 100, 1, 12), (9, 100, 4, 17),
        (50, 100, 39, 61), (100, 100, 96, 100), (0, 200, 0, 2), (20, 200, 6, 16),
        (0, 500, 0, 1), (50, 500, 7, 13), (0, 1000, 0, 1), (500, 1000, 46, 54),
    ],
)  # fmt: skip
def test_published_limits(count: int, total: int, low: int, high: int) -> None:
    estimate = percentage(count, total)
    assert estimate.low is not None
    assert estimate.high is not None
    # The table widens to whole percent: ours lie within it, at most one percent inside.
    assert low <= estimate.low < low + 1
    assert high - 1 < estimate.high <= high


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(9, 100, 4.20, 16.40), (0, 100, 0, 3.62), (100, 100, 96.38, 100), (1, 1, 2.5, 100)],
)
def test_exact_limits(count: int, total: int, low: float, high: float) -> None:
    estimate = percentage(count, total)
    assert estimate.value == pytest.approx(100 * count / total)
    assert estimate.low == pytest.approx(low, abs=0.006)
    assert estimate.high == pytest.approx(high, abs=0.006)


@pytest.mark.parametrize(("count", "total"), [(0, 7), (3, 7), (7, 7), (812, 10_000)])
def test_the_same_as_scipys_exact_test(count: int, total: int) -> None:
    wanted = binomtest(count, total).proportion_ci(0.95, method="exact")
    assert proportion_interval(count, total) == pytest.approx((wanted.low, wanted.high))


def test_nothing_is_estimated_from_nothing() -> None:
    assert percentage(0, 0).value is None
    assert per_hundred(0, 0).low is None
    for count, total in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="not a proportion"):
            proportion_interval(count, total)


def test_nucleated_red_cells_per_hundred_leukocytes() -> None:
    equal = per_hundred(100, 100)
    assert equal.value == 100
    # Equal counts: the interval of the ratio is the same seen from either side.
    assert equal.low is not None
    assert equal.high is not None
    assert equal.low * equal.high == pytest.approx(100 * 100)
    many = per_hundred(300, 100)
    assert many.value == 300
    assert many.low is not None
    assert 200 < many.low < 300
    none = per_hundred(0, 100)
    assert (none.value, none.low) == (0, 0)
    # p < 3.62 % becomes odds of 3.76 per hundred.
    assert none.high == pytest.approx(3.756, abs=0.005)
    lonely = per_hundred(5, 0)
    assert (lonely.value, lonely.high) == (None, None)
    assert lonely.low is not None
    assert lonely.low > 0


# Nucleated red cells taken for leukocytes: worked examples of laboratories' teaching pages
# (best-lab.org, "WBC correction for the presence of nucleated red blood cells": 17,400 with 8).
@pytest.mark.parametrize(
    ("wbc", "nrbc", "corrected"), [(17_400, 8, 16_111), (10.0, 25, 8.0), (12.0, 0, 12.0)]
)
def test_white_cells_without_nucleated_red_cells(wbc: float, nrbc: float, corrected: float) -> None:
    assert corrected_wbc(wbc, nrbc) == pytest.approx(corrected, abs=0.5 if wbc > 100 else 1e-9)


def test_absolute_counts_carry_the_interval_of_the_percentage() -> None:
    nine = absolute(percentage(9, 100), 8.0)
    assert (nine.value, nine.low, nine.high) == pytest.approx((0.72, 0.336, 1.312), abs=0.001)
    assert absolute(per_hundred(5, 0), 8.0).value is None
    assert absolute(percentage(0, 0), 8.0) == percentage(0, 0)
