"""Choose a detector's settings on fields held out of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.detection.decoding import one_each
from ml.detection.matching import match_class, mean_average_precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.detection.evaluation import Answers
    from ml.detection.matching import ClassMatches

LIMITS = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
GRID = np.arange(0.05, 0.951, 0.01)
# Thresholds whose value is this near to the best one are as good: the middle of them is taken.
NEAR = 0.005


def choose_limits(answers: Answers, *, classes: int) -> list[float]:
    """Choose per class the overlap two cells may have, by average precision.

    Args:
        answers: with cells that overlap by up to the greatest of :data:`LIMITS`.
        classes: number of classes.

    Returns:
        A limit per class; of equally good ones the middle.
    """
    areas = []
    for limit in LIMITS:
        found = [one_each(cells, [limit] * classes) for cells in answers.found]
        areas.append(mean_average_precision(found, answers.truth, classes)[1])
    chosen = []
    for column in np.array(areas).T:
        best = np.flatnonzero(column >= np.nanmax(column) - NEAR / 5)
        chosen.append(float(LIMITS[best[len(best) // 2]]) if len(best) else 0.5)
    return chosen


def choose_threshold(matches: ClassMatches, *, counted: bool) -> float:
    """Choose the score from which cells of a class are shown.

    Args:
        matches: of the class on the held-out fields.
        counted: choose by the mean absolute error of the count per field; by F1 otherwise.

    Returns:
        The middle of the thresholds that are as good as the best.
    """
    values = []
    n = int(matches.annotated.sum())
    for threshold in GRID:
        shown = matches.scores >= threshold
        if counted:
            found = np.bincount(matches.fields[shown], minlength=len(matches.annotated))
            values.append(-float(np.abs(found - matches.annotated).sum()) / max(n, 1))
        else:
            values.append(2 * float(matches.right[shown].sum()) / max(int(shown.sum()) + n, 1))
    good = np.flatnonzero(np.array(values) >= max(values) - NEAR)
    return round(float(GRID[good].mean()), 3)


def choose_thresholds(answers: Answers, classes: Sequence[str]) -> dict[str, float]:
    """Choose thresholds: red cells are counted, so theirs goes by the count; the others by F1."""
    return {
        code: choose_threshold(
            match_class(answers.found, answers.truth, label), counted=code == "rbc"
        )
        for label, code in enumerate(classes)
    }
