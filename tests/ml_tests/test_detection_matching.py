"""Matching, average precision, counts and choices against examples worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.detection.boxes import overlaps, suppress
from ml.detection.choosing import choose_threshold
from ml.detection.decoding import Found, joined, peaks_of
from ml.detection.evaluation import Answers, Disagreement, disagreements, evaluate_fields
from ml.detection.fields import CLASSES, Field
from ml.detection.matching import (
    ClassMatches,
    average_precision,
    match_field,
    mean_average_precision,
)
from ml.detection.report import surest_of_each_kind


def found_of(*cells: tuple[int, float, tuple[float, float, float, float]]) -> Found:
    """Cells from (label, score, box)."""
    return joined(
        [
            Found(
                np.array([cell[2] for cell in cells], np.float32).reshape(-1, 4),
                np.array([cell[1] for cell in cells], np.float32),
                np.array([cell[0] for cell in cells], np.int64),
            )
        ]
    )


def field_of(*cells: tuple[int, tuple[float, float, float, float]]) -> Field:
    """An annotated field from (label, box)."""
    boxes = np.array([cell[1] for cell in cells], np.float32).reshape(-1, 4)
    return Field(Path("field.png"), boxes, np.array([cell[0] for cell in cells], np.int64))


def test_overlap_is_intersection_over_union() -> None:
    one = np.array([[0, 0, 10, 10]], np.float32)
    other = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 2, 2]], np.float32)
    assert overlaps(one, other)[0] == pytest.approx([1, 50 / 150, 0, 0])


def test_only_boxes_of_one_class_that_overlap_too_much_are_suppressed() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [6, 0, 16, 10]], np.float32)
    scores = np.array([0.5, 0.9, 0.7, 0.6], np.float32)
    labels = np.array([0, 0, 1, 0], np.int64)
    kept = suppress(boxes, scores, labels, np.array([0.5, 0.5], np.float32))
    assert kept.tolist() == [1, 2, 3]  # the first lies on the second; the third is another class


def test_average_precision_of_an_example_worked_by_hand() -> None:
    # Right, right, wrong, right, wrong, right among 5 annotated cells. Recall 1/5, 2/5, 2/5, 3/5,
    # 3/5, 4/5; precision 1, 1, 2/3, 3/4, 3/5, 4/6; the greatest at that recall or more:
    # 1, 1, 3/4, 4/6. Area: 1/5 + 1/5 + 3/4 / 5 + 4/6 / 5.
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], np.float32)
    right = np.array([True, True, False, True, False, True])
    assert average_precision(scores, right, 5) == pytest.approx((1 + 1 + 0.75 + 4 / 6) / 5)


def test_equal_scores_enter_together() -> None:
    scores = np.array([0.5, 0.5], np.float32)
    for right in ([True, False], [False, True]):
        assert average_precision(scores, np.array(right), 1) == pytest.approx(0.5)


def test_average_precision_without_cells() -> None:
    none, no = np.zeros(0, np.float32), np.zeros(0, bool)
    assert np.isnan(average_precision(none, no, 0))
    assert average_precision(none, no, 3) == 0


def test_a_second_box_on_the_same_cell_is_wrong() -> None:
    truth = np.array([[0, 0, 10, 10]], np.float32)
    boxes = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [0, 0, 10, 4]], np.float32)
    scores = np.array([0.6, 0.9, 0.95], np.float32)
    assert match_field(boxes, scores, truth).tolist() == [-1, 0, -1]


def test_the_figures_of_two_fields() -> None:
    square = (0.0, 0.0, 10.0, 10.0)
    far = (50.0, 50.0, 60.0, 60.0)
    fields = [field_of((0, square), (0, far), (1, far)), field_of((0, square), (2, far))]
    found = [
        found_of((0, 0.9, square), (0, 0.2, far), (1, 0.8, far)),
        found_of((0, 0.7, square), (0, 0.6, far), (0, 0.5, (30, 30, 40, 40)), (2, 0.1, far)),
    ]
    thresholds = {"rbc": 0.4, "wbc": 0.5, "platelet": 0.5}
    answers = Answers(fields, found, [0.1, 0.3])
    figures = evaluate_fields(answers, classes=CLASSES, thresholds=thresholds)
    red = figures["per_class"]["rbc"]
    assert (red["n"], red["found"], red["right"]) == (3, 4, 2)
    assert red["precision"] == pytest.approx(2 / 4)
    assert red["recall"] == pytest.approx(2 / 3)
    assert red["f1"] == pytest.approx(2 * 2 / (4 + 3))
    # Found 1 of 2 and 3 of 1: differences -1 and +2.
    assert red["count_error"] == pytest.approx(3 / 3)
    assert red["count_error_per_field"] == pytest.approx((1 / 2 + 2 / 1) / 2)
    assert red["count_bias"] == pytest.approx(1 / 3)
    # Right, right, wrong, wrong, right: 1/3 + 1/3 + 3/5 / 3.
    assert red["ap50"] == pytest.approx((1 + 1 + 3 / 5) / 3)
    assert figures["per_class"]["platelet"]["precision"] is None
    assert figures["per_class"]["platelet"]["ap50"] == pytest.approx(1)
    areas = [(1 + 1 + 3 / 5) / 3, 1, 1]
    assert figures["map50"] == pytest.approx(np.mean(areas))
    assert figures["map50"] == pytest.approx(mean_average_precision(found, answers.truth, 3)[0])
    assert figures["seconds_per_field"] == {"median": 0.2, "greatest": 0.3}

    listed = disagreements(answers, thresholds=[thresholds[code] for code in CLASSES])
    assert [(each.kind, CLASSES[each.label]) for each in listed] == [
        ("missed", "platelet"),
        ("missed", "rbc"),
        ("extra", "rbc"),
        ("extra", "rbc"),
    ]
    assert [each.weight for each in listed] == pytest.approx([0.9, 0.8, 0.6, 0.5])


def test_thresholds_are_the_middle_of_the_good_ones() -> None:
    # Any threshold above 0.3 and up to 0.6 shows the two right cells alone.
    matches = ClassMatches(
        np.array([0.8, 0.6, 0.3], np.float32),
        np.array([True, True, False]),
        np.array([0, 1, 1], np.int64),
        np.array([1, 1], np.int64),
    )
    for counted in (True, False):
        assert choose_threshold(matches, counted=counted) == pytest.approx(0.455, abs=0.01)


def test_peaks_are_read_with_their_boxes() -> None:
    probability = np.zeros((6, 8, 2), np.float32)
    probability[2, 3, 1] = 0.8
    probability[2, 4, 1] = 0.7  # beside a higher one
    probability[5, 7, 0] = 0.3
    probability[0, 0, 0] = 0.01
    sides = np.zeros((6, 8, 2, 4), np.float32)
    sides[2, 3, 1] = np.log([1, 2, 3, 4])
    found = peaks_of(probability, sides, least=0.1, most=10)
    assert found.labels.tolist() == [1, 0]
    assert found.scores == pytest.approx([0.8, 0.3])
    # The place looks at (3.5, 2.5) strides of 4 pixels.
    assert found.boxes[0] == pytest.approx([(3.5 - 1) * 4, (2.5 - 2) * 4, 26, 26])


def test_the_report_shows_both_kinds_of_disagreement() -> None:
    field = field_of()
    box = np.array([0, 0, 1, 1], np.float32)

    def some(kind: str, count: int) -> list[Disagreement]:
        return [Disagreement(field, 0, kind, box, 1 - n / 100, 0.0) for n in range(count)]

    chosen = surest_of_each_kind([*some("missed", 50), *some("extra", 50)])
    assert [item.kind for item in chosen] == ["extra"] * 10 + ["missed"] * 10
    assert min(item.weight for item in chosen) == pytest.approx(0.91)
    few = surest_of_each_kind([*some("missed", 3), *some("extra", 50)])
    assert [item.kind for item in few] == ["extra"] * 17 + ["missed"] * 3
    assert len(surest_of_each_kind(some("extra", 4))) == 4
