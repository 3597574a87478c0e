"""How far a confidence can be believed, and from which confidence on a cell needs no reviewer.

Temperature scaling and the expected calibration error are those of Guo et al., "On Calibration of
Modern Neural Networks", ICML 2017, with 15 bins of equal width. The review threshold is chosen with
one error in hand, as conformal risk control does for a loss bounded by one (Angelopoulos et al.,
ICLR 2024): among the n validation cells above it, (errors + 1) / (n + 1) may not exceed the error
allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.predictor import softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BINS = 15
TARGET_ACCURACY = 0.997
INTERVAL_LEVEL = 0.95
TEMPERATURE_RANGE = (0.05, 20.0)


@dataclass(frozen=True)
class ReviewThreshold:
    """A confidence, and what it did on the cells it was chosen on.

    Attributes:
        value: cells of lower confidence need a reviewer; 1 when no lower value satisfies the rule.
        cells: number of cells at or above it.
        errors: how many of those are wrong.
        coverage: share of all cells at or above it.
        accuracy: share of those that are right; None without any.
        interval: exact 95 % interval of that share; None without any.
    """

    value: float
    cells: int
    errors: int
    coverage: float
    accuracy: float | None
    interval: tuple[float, float] | None


def exact_interval(count: int, total: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share.

    Clopper CJ and Pearson ES, "The use of confidence or fiducial limits illustrated in the case of
    the binomial", Biometrika 1934;26:404-413.

    Args:
        count: favourable cases.
        total: all cases; (0, 1) is returned for none.
    """
    from scipy.stats import binomtest

    if total == 0:
        return 0.0, 1.0
    interval = binomtest(count, total).proportion_ci(INTERVAL_LEVEL, method="exact")
    return float(interval.low), float(interval.high)


def negative_log_likelihood(
    logits: NDArray[np.floating], labels: NDArray[np.int64], temperature: float
) -> float:
    """Return the mean negative log-likelihood of the labels, in nats per cell."""
    from scipy.special import log_softmax

    chances = log_softmax(logits.astype(np.float64) / temperature, axis=1)
    return float(-chances[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Find the temperature of least negative log-likelihood, between 0.05 and 20.

    Args:
        logits: (n, classes), of pictures the network was not trained on.
        labels: (n,).

    Returns:
        The temperature; above 1 for an overconfident network.
    """
    from scipy.optimize import minimize_scalar

    low, high = np.log(TEMPERATURE_RANGE)
    found = minimize_scalar(
        lambda log: negative_log_likelihood(logits, labels, float(np.exp(log))),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(np.exp(found.x))


def reliability_bins(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], *, bins: int = BINS
) -> list[dict[str, Any]]:
    """Group cells by the confidence of their prediction.

    Args:
        probabilities: (n, classes).
        labels: (n,).
        bins: number of bins of equal width over [0, 1]; a confidence on an edge belongs below it.

    Returns:
        Per bin ``low``, ``high``, ``count``, and the mean ``confidence`` and ``accuracy``, both
        None in an empty bin.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    result = []
    for number in range(bins):
        inside = place == number
        count = int(inside.sum())
        result.append(
            {
                "low": number / bins,
                "high": (number + 1) / bins,
                "count": count,
                "confidence": float(confidence[inside].mean()) if count else None,
                "accuracy": float(right[inside].mean()) if count else None,
            }
        )
    return result


def expected_calibration_error(bins: Sequence[dict[str, Any]]) -> float:
    """Return the mean distance of accuracy and confidence, weighted by the cells of each bin."""
    total = sum(item["count"] for item in bins)
    gaps = (
        item["count"] * abs(item["accuracy"] - item["confidence"]) for item in bins if item["count"]
    )
    return float(sum(gaps) / total)


def choose_threshold(
    confidence: NDArray[np.floating],
    right: NDArray[np.bool_],
    *,
    target: float = TARGET_ACCURACY,
) -> ReviewThreshold:
    """Find the lowest confidence above which cells are right often enough, with a margin.

    The rule is (errors + 1) / (cells + 1) <= 1 - target: one more error than was seen would still
    be allowed. With few cells nothing satisfies it, and every cell then needs a reviewer.

    Args:
        confidence: (n,), after the temperature.
        right: (n,), whether each prediction is right.
        target: share of right cells wanted above the threshold.

    Returns:
        The threshold, halfway to the next confidence below it.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order].astype(np.float64)
    errors = np.cumsum(~right[order])
    cells = np.arange(1, len(ranked) + 1)
    # Cells of equal confidence are kept or dropped together.
    last_of_equals = np.append(ranked[1:] != ranked[:-1], True)
    allowed = ((errors + 1) / (cells + 1) <= 1 - target + 1e-12) & last_of_equals
    if not allowed.any():
        return ReviewThreshold(1.0, 0, 0, 0.0, None, None)
    last = int(np.flatnonzero(allowed)[-1])
    kept, wrong = last + 1, int(errors[last])
    below = ranked[last + 1] if kept < len(ranked) else 0.0
    return ReviewThreshold(
        value=float((ranked[last] + below) / 2),
        cells=kept,
        errors=wrong,
        coverage=kept / len(ranked),
        accuracy=(kept - wrong) / kept,
        interval=exact_interval(kept - wrong, kept),
    )


def calibrate(
    logits: NDArray[np.floating], labels: NDArray[np.int64], *, target: float = TARGET_ACCURACY
) -> dict[str, Any]:
    """Fit the temperature, then the threshold, on validation pictures.

    Args:
        logits: (n, classes).
        labels: (n,).
        target: as for :func:`choose_threshold`.

    Returns:
        ``temperature``, ``review_threshold`` and how both did on these pictures, as JSON values.
    """
    temperature = fit_temperature(logits, labels)
    before, after = softmax(logits, 1.0), softmax(logits, temperature)
    threshold = choose_threshold(after.max(axis=1), after.argmax(axis=1) == labels, target=target)
    return {
        "n": len(labels),
        "accuracy": float((after.argmax(axis=1) == labels).mean()),
        "temperature": temperature,
        "nll_before": negative_log_likelihood(logits, labels, 1.0),
        "nll": negative_log_likelihood(logits, labels, temperature),
        "ece_before": expected_calibration_error(reliability_bins(before, labels)),
        "ece": expected_calibration_error(reliability_bins(after, labels)),
        "review_threshold": threshold.value,
        "target_accuracy": target,
        "cells_above": threshold.cells,
        "errors_above": threshold.errors,
        "coverage": threshold.coverage,
        "accuracy_above": threshold.accuracy,
        "accuracy_above_interval": threshold.interval,
    }
