"""Compare what was found with what was annotated: matches, average precision, counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.detection.boxes import overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.detection.decoding import Found

# A found box shows an annotated cell when they overlap by at least this (PASCAL VOC).
IOU = 0.5


@dataclass(frozen=True)
class ClassMatches:
    """All cells of one class that were found in a set of fields.

    Attributes:
        scores: float32 (n,), of the found cells, best first.
        right: bool (n,), whether each shows an annotated cell that no better one shows.
        fields: int64 (n,), place of the field each lies in.
        annotated: int64 (fields,), annotated cells of the class per field.
    """

    scores: NDArray[np.float32]
    right: NDArray[np.bool_]
    fields: NDArray[np.int64]
    annotated: NDArray[np.int64]


def match_field(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], truth: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Match found boxes of one class with annotated ones in one field, best score first.

    As the VOC development kit does, a found box goes to the annotated box it overlaps most; when
    that one is already taken by a better score, it is wrong (a double).

    Args:
        boxes: (n, 4).
        scores: (n,).
        truth: (m, 4).

    Returns:
        (n,), the annotated box that each shows, or -1.
    """
    answer = np.full(len(boxes), -1, np.int64)
    if not len(boxes) or not len(truth):
        return answer
    table = overlaps(boxes, truth)
    taken = np.zeros(len(truth), bool)
    for place in np.argsort(-scores, kind="stable"):
        best = int(table[place].argmax())
        if table[place, best] >= IOU and not taken[best]:
            taken[best] = True
            answer[place] = best
    return answer


def match_class(
    found: Sequence[Found],
    truth: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]],
    label: int,
) -> ClassMatches:
    """Match the cells of one class over a set of fields.

    Args:
        found: per field.
        truth: boxes and labels per field.
        label: of the class.
    """
    scores, right, fields, annotated = [], [], [], []
    for place, (cells, (boxes, labels)) in enumerate(zip(found, truth, strict=True)):
        mine = cells.take(cells.labels == label)
        wanted = boxes[labels == label]
        scores.append(mine.scores)
        right.append(match_field(mine.boxes, mine.scores, wanted) >= 0)
        fields.append(np.full(len(mine), place, np.int64))
        annotated.append(len(wanted))
    every = np.concatenate([np.zeros(0, np.float32), *scores])
    order = np.argsort(-every, kind="stable")
    return ClassMatches(
        every[order],
        np.concatenate([np.zeros(0, bool), *right])[order],
        np.concatenate([np.zeros(0, np.int64), *fields])[order],
        np.array(annotated, np.int64),
    )


def average_precision(scores: NDArray[np.float32], right: NDArray[np.bool_], count: int) -> float:
    """Area under the precision-recall curve, all-point interpolation.

    The definition of PASCAL VOC from 2010 on (Everingham et al., 2015): at each recall the
    precision is the greatest at that recall or a higher one; the area under these steps is summed.
    Cells of equal score enter together, so that their order does not matter.

    Args:
        scores: of the found cells, best first.
        right: whether each is right.
        count: annotated cells.

    Returns:
        The area in [0, 1]; NaN without annotated cells.
    """
    if count == 0:
        return float("nan")
    if not len(scores):
        return 0.0
    hits = np.cumsum(right)
    last = np.append(scores[1:] != scores[:-1], True)
    recall = hits[last] / count
    precision = hits[last] / (np.flatnonzero(last) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def mean_average_precision(
    found: Sequence[Found],
    truth: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]],
    classes: int,
) -> tuple[float, list[float]]:
    """Return the mean over the classes that have annotated cells, and the areas per class."""
    values = []
    for label in range(classes):
        matches = match_class(found, truth, label)
        values.append(
            average_precision(matches.scores, matches.right, int(matches.annotated.sum()))
        )
    return float(np.nanmean(values)) if not np.isnan(values).all() else 0.0, values
