"""Boxes: overlap, and one box per cell. A box is left, top, right, bottom, edges between pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the areas of boxes (n, 4); zero for those turned inside out."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return size[:, 0] * size[:, 1]


def intersections(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the areas that boxes (n, 4) and (m, 4) have in common, (n, m)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    size = np.maximum(high - low, 0)
    return size[..., 0] * size[..., 1]


def overlaps(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the intersection over union of boxes (n, 4) and (m, 4), (n, m), in [0, 1]."""
    common = intersections(one, other)
    union = areas(one)[:, None] + areas(other)[None, :] - common
    return np.where(union > 0, common / np.maximum(union, 1e-9), 0).astype(np.float32)


def suppress(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    limits: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Keep the best of boxes of one class that overlap (greedy non-maximum suppression).

    Args:
        boxes: (n, 4).
        scores: (n,).
        labels: (n,), index into ``limits``.
        limits: per class, the largest overlap that two cells may have.

    Returns:
        Places of the boxes that stay, best score first; of equal scores the first.
    """
    order = np.argsort(-scores, kind="stable")
    table = overlaps(boxes[order], boxes[order])
    table[labels[order][:, None] != labels[order][None, :]] = 0
    kept: list[int] = []
    for place, index in enumerate(order):
        if not kept or table[place, kept].max() <= limits[labels[index]]:
            kept.append(place)
    return order[np.array(kept, np.int64)]
