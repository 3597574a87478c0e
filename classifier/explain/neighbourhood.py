"""What the eye looks for in a projection, computed: neighbours that disagree, classes that intrude.

Both come from the nearest neighbours in the 512 dimensions of the embedding, not from the picture
in three, which distorts distances. Only numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNNAMED = -1


@dataclass(frozen=True)
class Suspect:
    """A cell most of whose neighbours are called otherwise.

    Attributes:
        place: its place in the projection.
        disagreeing: share of its named neighbours with another label.
        suggested: the label most of them have.
        support: share of its named neighbours with that label.
    """

    place: int
    disagreeing: float
    suggested: int
    support: float


def suspects(labels: NDArray[np.int64], neighbours: NDArray[np.int32]) -> list[Suspect]:
    """Return the named cells at least half of whose neighbours disagree, most suspicious first.

    A cell is judged by as many of its nearest neighbours as there are other cells with its label:
    one of three basophils is not suspect because most of its ten neighbours must be something else.
    The only one with its label is not judged. Ranked by the share that disagrees, then by how much
    those agree among themselves.

    Args:
        labels: (n,), :data:`UNNAMED` for a cell without a label, which is neither judged nor heard.
        neighbours: (n, k), places, the nearest first.
    """
    sizes = np.bincount(labels[labels != UNNAMED], minlength=1)
    found = []
    for place in np.flatnonzero(labels != UNNAMED):
        own = labels[place]
        near = labels[neighbours[place, : sizes[own] - 1]]
        heard = near[near != UNNAMED]
        others = heard[heard != own]
        if not len(others) or len(others) < 0.5 * len(heard):
            continue
        votes = np.bincount(others)
        best = int(votes.argmax())
        found.append(
            Suspect(int(place), len(others) / len(heard), best, float(votes[best] / len(heard)))
        )
    return sorted(found, key=lambda each: (-each.disagreeing, -each.support, each.place))


def intrusions(
    labels: NDArray[np.int64], neighbours: NDArray[np.int32], *, classes: int
) -> NDArray[np.float64]:
    """Return shares (classes, classes): row's cells' named neighbours that bear column's label.

    As in :func:`suspects` a cell has as many neighbours as there are other cells with its label:
    five eosinophils among thousands would otherwise seem overrun, however far apart they lie.
    A row without a second cell, or without a named neighbour, is not a number.
    """
    votes = np.zeros((len(labels), classes), np.int64)
    sizes = np.bincount(labels[labels != UNNAMED], minlength=classes)
    others = np.where(labels == UNNAMED, 0, sizes[labels] - 1)
    near = np.arange(neighbours.shape[1])[None, :] < others[:, None]
    named = np.where(near, labels[neighbours], UNNAMED)
    rows, columns = np.nonzero(named != UNNAMED)
    np.add.at(votes, (rows, named[rows, columns]), 1)
    sums = np.full((classes, classes), np.nan)
    for label in range(classes):
        row = votes[labels == label].sum(axis=0)
        if row.sum():
            sums[label] = row / row.sum()
    return sums
