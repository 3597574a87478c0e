"""Windows over a large image, and the cells of all windows counted once.

Every window has a core; the cores tile the image. A window reaches beyond its core on all sides by
a halo wider than half a cell, so that every cell whose centre lies in the core (or just outside it)
is seen whole. A window answers for the cells whose centre lies in its core or up to a tolerance
beyond; a cell near a seam may so be found by two windows with slightly different boxes, of which
the better is kept by the rule that holds inside a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.detection.boxes import overlaps
from ml.detection.decoding import Found, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """One window, in pixels of the image.

    Attributes:
        row: of the core, from 0.
        column: of the core, from 0.
        left, top, right, bottom: edges of what is read.
        core: left, top, right, bottom of what it answers for.
    """

    row: int
    column: int
    left: int
    top: int
    right: int
    bottom: int
    core: tuple[int, int, int, int]


def windows_of(width: int, height: int, *, core: int, halo: int) -> Iterator[Window]:
    """Yield the windows of an image, row by row.

    Args:
        width: of the image.
        height: of the image.
        core: side of the cores; those at the right and bottom end with the image.
        halo: how far a window reaches beyond its core, where there is image.
    """
    for row, top in enumerate(range(0, height, core)):
        bottom = min(top + core, height)
        for column, left in enumerate(range(0, width, core)):
            right = min(left + core, width)
            yield Window(
                row=row,
                column=column,
                left=max(0, left - halo),
                top=max(0, top - halo),
                right=min(width, right + halo),
                bottom=min(height, bottom + halo),
                core=(left, top, right, bottom),
            )


class Seams:
    """Collects the cells of windows, given row by row, and keeps each cell once.

    Only neighbouring windows are compared, so that the cost grows with the image's area.
    """

    def __init__(self, limits: Sequence[float], *, tolerance: float) -> None:
        """Begin with no cells.

        Args:
            limits: per class, the largest overlap of two different cells.
            tolerance: how far beyond its core a window answers, in pixels of the image.
        """
        self._limits = np.asarray(limits, np.float32)
        self._tolerance = tolerance
        self._kept: dict[tuple[int, int], Found] = {}

    def add(self, window: Window, found: Found) -> None:
        """Take the cells of one window, boxes in pixels of the image."""
        centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
        low = np.array(window.core[:2]) - self._tolerance
        high = np.array(window.core[2:]) + self._tolerance
        answers = np.asarray(((centres >= low) & (centres < high)).all(axis=1), bool)
        mine = found.take(answers)
        for step in ((0, -1), (-1, -1), (-1, 0), (-1, 1)):
            place = (window.row + step[0], window.column + step[1])
            if place in self._kept:
                other = self._kept[place]
                mine_stay, other_stay = self._settle(mine, other)
                mine, self._kept[place] = mine.take(mine_stay), other.take(other_stay)
        self._kept[window.row, window.column] = mine

    def _settle(self, one: Found, other: Found) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which cells of two windows stay: of a pair that is one cell, the better."""
        stays, stay = np.ones(len(one), bool), np.ones(len(other), bool)
        table = overlaps(one.boxes, other.boxes)
        same = (one.labels[:, None] == other.labels[None, :]) & (
            table > self._limits[one.labels][:, None]
        )
        for i, j in zip(*np.nonzero(same), strict=True):
            if not stays[i] or not stay[j]:
                continue
            if one.scores[i] > other.scores[j]:
                stay[j] = False
            else:
                stays[i] = False
        return stays, stay

    def found(self) -> Found:
        """Return all cells, best score first."""
        return joined(list(self._kept.values()))
