"""Figures of a detector on annotated fields.

Average precision is PASCAL VOC's with all-point interpolation at an overlap of 0.5
(:mod:`ml.detection.matching`), over all cells with a score of at least 0.03. Precision, recall, F1
and counts are those of the cells above the thresholds, as a reader sees them. Annotated boxes
without area are left out on both sides.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.calibration import exact_interval
from ml.detection.boxes import overlaps
from ml.detection.fields import field_pixels
from ml.detection.matching import (
    IOU,
    ClassMatches,
    average_precision,
    match_class,
    match_field,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ml.detection.decoding import Found
    from ml.detection.fields import Field

DEFINITION = (
    "PASCAL VOC, all-point interpolation, intersection over union of at least 0.5; each found box "
    "is compared with the annotated box of its class it overlaps most, and doubles are wrong"
)


@dataclass(frozen=True)
class Answers:
    """What a method found on annotated fields.

    Attributes:
        fields: the fields.
        found: per field, every cell with its score.
        seconds: per field, for finding alone; decoding the file is left out.
    """

    fields: Sequence[Field]
    found: Sequence[Found]
    seconds: Sequence[float]

    @property
    def truth(self) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Annotated boxes and labels per field."""
        return [(field.boxes, field.labels) for field in self.fields]


def run_fields(
    fields: Sequence[Field], find: Callable[[NDArray[np.uint8]], Found], *, warm_up: bool = True
) -> Answers:
    """Let a method find cells on fields.

    Args:
        fields: annotated fields.
        find: pixels (height, width, 3) to cells of all scores.
        warm_up: run the first field once before, so that starting up is not timed.
    """
    found, seconds = [], []
    for number, field in enumerate(fields):
        pixels = field_pixels(field.path)
        if warm_up and not number:
            find(pixels)
        began = time.perf_counter()
        found.append(find(pixels))
        seconds.append(time.perf_counter() - began)
    return Answers(fields, found, seconds)


def evaluate_fields(
    answers: Answers, *, classes: Sequence[str], thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """Judge what was found.

    Args:
        answers: of :func:`run_fields`.
        classes: codes in the order of the labels.
        thresholds: per class, the score from which a cell is shown.

    Returns:
        JSON values: ``n`` (fields), ``map50``, ``per_class`` (:func:`_judge_class`),
        ``count_error`` (of red cells, as in ``per_class``), ``seconds_per_field`` (median and
        greatest), ``definition``.
    """
    truth = answers.truth
    per_class = {
        code: _judge_class(match_class(answers.found, truth, label), thresholds[code])
        for label, code in enumerate(classes)
    }
    areas = [item["ap50"] for item in per_class.values() if item["ap50"] is not None]
    return {
        "n": len(answers.fields),
        "map50": float(np.mean(areas)) if areas else None,
        "per_class": per_class,
        "count_error": per_class["rbc"]["count_error"] if "rbc" in per_class else None,
        "annotations_without_area": sum(field.without_area for field in answers.fields),
        "seconds_per_field": {
            "median": float(np.median(answers.seconds)),
            "greatest": float(np.max(answers.seconds)),
        },
        "definition": DEFINITION,
        "classes": list(classes),
        "thresholds": dict(thresholds),
    }


def _judge_class(matches: ClassMatches, threshold: float) -> dict[str, Any]:
    """Return the figures of one class.

    ``count_error`` is the mean absolute difference between the cells found and annotated per field,
    as a share of the mean annotated count; ``count_error_per_field`` the mean over the fields of
    each field's own relative error (fields without an annotated cell left out); ``count_bias`` the
    mean difference, as a share of the mean annotated count.
    """
    shown = matches.scores >= threshold
    n = int(matches.annotated.sum())
    right, count = int(matches.right[shown].sum()), int(shown.sum())
    counted = np.bincount(matches.fields[shown], minlength=len(matches.annotated))
    difference = counted - matches.annotated
    some = matches.annotated > 0
    area = average_precision(matches.scores, matches.right, n)
    precision = right / count if count else None
    recall = right / n if n else None
    return {
        "n": n,
        "found": count,
        "right": right,
        "precision": precision,
        "precision_interval": exact_interval(right, count),
        "recall": recall,
        "recall_interval": exact_interval(right, n),
        "f1": 2 * right / (count + n) if count + n else None,
        "ap50": None if np.isnan(area) else area,
        "count_error": float(np.abs(difference).sum() / n) if n else None,
        "count_error_per_field": (
            float(np.mean(np.abs(difference[some]) / matches.annotated[some])) if n else None
        ),
        "count_bias": float(difference.sum() / n) if n else None,
        "threshold": threshold,
    }


@dataclass(frozen=True)
class Disagreement:
    """A cell that was found and not annotated, or annotated and not found.

    Attributes:
        field: where.
        label: index of the class.
        kind: ``extra`` or ``missed``.
        box: of the cell.
        weight: how sure the method is of what it says, in [0, 1]: the score of an extra cell; 1
            minus the best score given to a missed one.
        overlap: with the nearest box of its class on the other side.
    """

    field: Field
    label: int
    kind: str
    box: NDArray[np.float32]
    weight: float
    overlap: float


def disagreements(answers: Answers, *, thresholds: Sequence[float]) -> list[Disagreement]:
    """List where the cells shown and the annotated ones differ, the surest first.

    Args:
        answers: of :func:`run_fields`.
        thresholds: per class.
    """
    listed: list[Disagreement] = []
    limits = np.asarray(thresholds, np.float32)
    for field, found in zip(answers.fields, answers.found, strict=True):
        for label in range(len(limits)):
            every = found.take(found.labels == label)
            mine = every.take(every.scores >= limits[label])
            wanted = field.boxes[field.labels == label]
            matched = match_field(mine.boxes, mine.scores, wanted)
            table = overlaps(mine.boxes, wanted)
            for place in np.flatnonzero(matched < 0):
                best = float(table[place].max()) if len(wanted) else 0.0
                listed.append(
                    Disagreement(
                        field, label, "extra", mine.boxes[place], float(mine.scores[place]), best
                    )
                )
            for place in np.setdiff1d(np.arange(len(wanted)), matched):
                near = overlaps(every.boxes, wanted[[place]])[:, 0] >= IOU
                score = float(every.scores[near].max()) if near.any() else 0.0
                best = float(table[:, place].max()) if len(mine) else 0.0
                listed.append(Disagreement(field, label, "missed", wanted[place], 1 - score, best))
    return sorted(listed, key=lambda item: -item.weight)
