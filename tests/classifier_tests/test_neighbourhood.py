"""Who lies among strangers, and which classes intrude: worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from classifier.explain.neighbourhood import UNNAMED, intrusions, suspects

# Five cells: 0, 1, 2 of class 0; 3 and 4 of class 1; 4 lies among those of class 0.
LABELS = np.array([0, 0, 0, 1, 1])
NEIGHBOURS = np.array([[1, 2], [0, 2], [0, 1], [4, 0], [0, 1]], np.int32)


def test_who_lies_among_strangers_is_suspected_most_suspicious_first() -> None:
    found = suspects(LABELS, NEIGHBOURS)
    # Cell 3 is judged by one neighbour only: there is one other cell of its class.
    assert [(each.place, each.disagreeing, each.suggested) for each in found] == [(4, 1.0, 0)]
    assert found[0].support == 1.0
    found = suspects(np.array([0, 0, 1, 1, 1]), NEIGHBOURS)
    assert [each.place for each in found] == [2, 4, 3]


def test_cells_without_a_name_are_neither_judged_nor_heard() -> None:
    labels = np.array([UNNAMED, 0, 0, 1, 1])
    neighbours = np.array([[1, 2], [2, 0], [1, 0], [4, 0], [0, 1]], np.int32)
    assert suspects(labels, neighbours) == []


def test_the_only_cell_of_its_class_is_not_judged() -> None:
    found = suspects(np.array([0, 0, 0, 0, 1]), NEIGHBOURS)
    assert [each.place for each in found] == [3]


def test_the_table_of_intrusions_shares_out_the_neighbours_of_each_class() -> None:
    table = intrusions(LABELS, NEIGHBOURS, classes=3)
    assert table[0].tolist() == [1.0, 0.0, 0.0]
    # Of the two of class 1 each has one neighbour that counts: 4 for cell 3, and 0 for cell 4.
    assert table[1].tolist() == pytest.approx([0.5, 0.5, 0.0])
    assert np.isnan(table[2]).all()


def test_nothing_named_gives_nothing() -> None:
    labels = np.full(5, UNNAMED)
    assert suspects(labels, NEIGHBOURS) == []
    assert np.isnan(intrusions(labels, NEIGHBOURS, classes=2)).all()
