"""Temperature, calibration error and the review threshold, against values worked out apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax as reference_softmax

from ml.calibration import (
    calibrate,
    choose_threshold,
    exact_interval,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)


def drawn(count: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose labels are drawn from the softmax at this temperature."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 4, (count, 8))
    chances = reference_softmax(logits / temperature, axis=1)
    labels = (chances.cumsum(axis=1) > generator.random((count, 1))).argmax(axis=1)
    return logits.astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_the_temperature_of_the_draw_is_found(temperature: float) -> None:
    logits, labels = drawn(20_000, temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.03)


def test_calibration_lowers_error_and_likelihood() -> None:
    logits, labels = drawn(20_000, 2.5)
    result = calibrate(logits, labels)
    assert result["ece_before"] > 0.1
    assert result["ece"] < 0.02
    assert result["nll"] < result["nll_before"]


def test_the_calibration_error_of_three_cells_by_hand() -> None:
    """Two bins: 0.9 and 0.85 hold one right of two, 0.5 is right (edges belong below)."""
    probabilities = np.array([[0.9, 0.1], [0.15, 0.85], [0.5, 0.5]])
    bins = reliability_bins(probabilities, np.array([0, 0, 0]), bins=2)
    assert [item["count"] for item in bins] == [1, 2]
    assert bins[1]["confidence"] == pytest.approx(0.875)
    assert bins[1]["accuracy"] == pytest.approx(0.5)
    assert expected_calibration_error(bins) == pytest.approx((0.5 + 2 * 0.375) / 3)


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    """1,366 of 1,366: the rule (alpha / 2) ** (1 / n); and the tabled interval of 5 in 10."""
    assert exact_interval(1366, 1366) == pytest.approx((0.025 ** (1 / 1366), 1.0))
    assert exact_interval(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_the_threshold_leaves_one_error_in_hand() -> None:
    """Among 1,001 cells 0.3 % allows three errors: two may be seen in 1,000, a third may not."""
    confidence = np.linspace(1.0, 0.5, 1000)
    right = np.ones(1000, bool)
    right[[600, 700]] = False
    assert choose_threshold(confidence, right).coverage == 1.0
    right[900] = False
    chosen = choose_threshold(confidence, right)
    assert chosen.cells == 700  # (1 + 1) / 701; from the second error on it is (2 + 1) / 901
    assert chosen.errors == 1
    assert confidence[700] < chosen.value < confidence[699]
    assert (confidence >= chosen.value).sum() == 700


def test_equal_confidences_stay_together() -> None:
    confidence = np.concatenate([np.full(400, 0.99), np.full(10, 0.8)])
    right = np.ones(410, bool)
    right[405] = False
    chosen = choose_threshold(confidence, right)
    assert chosen.cells == 400
    assert 0.8 < chosen.value < 0.99


def test_too_few_cells_are_all_reviewed() -> None:
    chosen = choose_threshold(np.full(50, 0.99), np.ones(50, bool))
    assert (chosen.value, chosen.cells, chosen.accuracy) == (1.0, 0, None)
