"""From the network's maps to boxes with scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.detection.boxes import suppress
from ml.detection.network import STRIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# A place is a centre when no place within this reach has a greater value.
REACH = 1
LARGEST_LOGARITHM = 6.0


@dataclass(frozen=True)
class Found:
    """Cells of one picture, best score first.

    Attributes:
        boxes: float32 (n, 4): left, top, right, bottom.
        scores: float32 (n,), in [0, 1].
        labels: int64 (n,), index of the class.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Found:
        """Return the cells at these places."""
        return Found(self.boxes[chosen], self.scores[chosen], self.labels[chosen])

    def enlarged(self, factor: float) -> Found:
        """Return the cells with all boxes multiplied by a factor."""
        return Found(self.boxes * np.float32(factor), self.scores, self.labels)


def nothing() -> Found:
    """Return no cells."""
    return Found(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def joined(parts: Sequence[Found]) -> Found:
    """Return the cells of several answers, best score first."""
    parts = [nothing(), *parts]
    scores = np.concatenate([part.scores for part in parts])
    whole = Found(
        np.concatenate([part.boxes for part in parts]),
        scores,
        np.concatenate([part.labels for part in parts]),
    )
    return whole.take(np.argsort(-scores, kind="stable"))


def peaks_of(
    probability: NDArray[np.float32], sides: NDArray[np.float32], *, least: float, most: int
) -> Found:
    """Read the centres and their boxes.

    Args:
        probability: (rows, columns, classes).
        sides: (rows, columns, classes, 4), logarithms of the distances in strides.
        least: score below which there is no cell.
        most: number of cells kept, best first.

    Returns:
        The cells in input pixels; several may lie on one cell.
    """
    from scipy.ndimage import maximum_filter

    window = 2 * REACH + 1
    highest = maximum_filter(probability, size=(window, window, 1), mode="constant")
    rows, columns, labels = np.nonzero((probability >= highest) & (probability >= least))
    scores = probability[rows, columns, labels]
    order = np.argsort(-scores, kind="stable")[:most]
    rows, columns, labels, scores = rows[order], columns[order], labels[order], scores[order]
    distances = sides[rows, columns, labels]
    distances = np.exp(np.minimum(distances, LARGEST_LOGARITHM))
    middle = np.stack([columns, rows, columns, rows], axis=1) + 0.5
    boxes = (middle + distances * [-1, -1, 1, 1]) * STRIDE
    return Found(boxes.astype(np.float32), scores.astype(np.float32), labels.astype(np.int64))


def one_each(found: Found, limits: Sequence[float]) -> Found:
    """Keep one box per cell (:func:`ml.detection.boxes.suppress`)."""
    kept = suppress(found.boxes, found.scores, found.labels, np.asarray(limits, np.float32))
    return found.take(kept)
