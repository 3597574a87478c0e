"""Means per field and what follows from them, against published tables and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from cases.field_estimates import mean_interval, per_field, platelet_estimate, precision, recall


@pytest.mark.parametrize(
    ("count", "low", "high"),
    # Exact 95 % limits of a Poisson count, as tabulated (Documenta Geigy; Garwood 1936).
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.624, 11.668), (10, 4.795, 18.390),
     (50, 37.111, 65.918), (100, 81.364, 121.627)],
)  # fmt: skip
def test_garwoods_limits(count: int, low: float, high: float) -> None:
    assert mean_interval(count, 1) == pytest.approx((low, high), abs=1e-3)
    of_ten = per_field(count, 10)
    assert (of_ten.value, of_ten.low, of_ten.high) == pytest.approx(
        (count / 10, low / 10, high / 10), abs=1e-4
    )


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    dice = np.random.default_rng(7)
    for mean in (0.4, 3.0):
        sums = dice.poisson(mean * 5, 4000)
        ends = {int(each): mean_interval(int(each), 5) for each in set(sums)}
        held = np.mean([ends[int(each)][0] <= mean <= ends[int(each)][1] for each in sums])
        assert held >= 0.945


def test_nothing_of_no_field_and_no_nonsense() -> None:
    assert per_field(0, 0).value is None
    for count, fields in ((-1, 1), (1, 0)):
        with pytest.raises(ValueError, match="no mean"):
            mean_interval(count, fields)


def test_platelets_of_the_mean_and_the_laboratorys_factor() -> None:
    mean = per_field(120, 10)
    estimate = platelet_estimate(mean, 15_000)
    assert estimate.value == pytest.approx(180)  # 12 a field: 180 x 10^9/L
    assert estimate.low == pytest.approx(mean.low * 15)  # type: ignore[operator]


def test_precision_and_recall_with_exact_intervals() -> None:
    found, missed = precision(98, 2), recall(98, 0)
    assert (found.value, found.low, found.high) == pytest.approx((98, 92.96, 99.76), abs=0.01)
    assert (missed.value, missed.low) == pytest.approx((100, 96.31), abs=0.01)
