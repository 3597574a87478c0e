"""Random views of annotated fields for training, and what the network should answer for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ml.detection.boxes import areas
from ml.detection.network import STRIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The network's colour of nothing: what its convolutions see beyond the image's edge (zero after
# the first layer's offset), so that a border looks alike in training and in serving.
BEYOND = (200, 200, 200)
# TTFNet's share of a box over which its centre spreads.
SPREAD = 0.54


@dataclass(frozen=True)
class Geometry:
    """How views differ from fields.

    Attributes:
        scale: smallest and largest magnification.
        stretch: largest relative change of width against height.
        visible: share of a box that must lie in the view for the cell to be learnt from; of a
            smaller rest the view does not say whether it is a cell.
    """

    scale: tuple[float, float] = (0.8, 1.25)
    stretch: float = 0.06
    visible: float = 0.25


def cut_view(
    pixels: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    *,
    size: tuple[int, int],
    geometry: Geometry,
    generator: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
    """Cut a random view: turned by quarters, mirrored, scaled, moved.

    A field lies across the view if both are wider than high, or else is turned, so that most of it
    is seen. What lies beyond the field is :data:`BEYOND`.

    Args:
        pixels: (height, width, 3), RGB bytes, at the network's scale.
        boxes: (n, 4) in its pixels.
        size: height and width of the view.
        geometry: how much may change.
        generator: of the random numbers.

    Returns:
        The view; where it shows the field, (height, width); the boxes moved and clipped to what
        is seen, (n, 4); and the share of each box that is seen, (n,).
    """
    boxes = boxes.copy()
    if generator.random() < 0.5:
        pixels = pixels[:, ::-1]
        boxes[:, [0, 2]] = pixels.shape[1] - boxes[:, [2, 0]]
    if generator.random() < 0.5:
        pixels = pixels[::-1]
        boxes[:, [1, 3]] = pixels.shape[0] - boxes[:, [3, 1]]
    if (pixels.shape[1] > pixels.shape[0]) != (size[1] > size[0]):
        pixels = pixels.transpose(1, 0, 2)
        boxes = boxes[:, [1, 0, 3, 2]]
    low, high = np.log(geometry.scale)
    zoom = np.exp(generator.uniform(low, high))
    stretch = np.exp(generator.uniform(-geometry.stretch, geometry.stretch) / 2)
    factors = np.array([zoom * stretch, zoom / stretch])  # x, y
    scaled = np.array([pixels.shape[1], pixels.shape[0]]) * factors
    room = np.array([size[1], size[0]]) - scaled
    # Anywhere inside the view when the field is smaller, anywhere over it when larger.
    origin = generator.random(2) * room
    view = Image.fromarray(np.ascontiguousarray(pixels)).transform(
        (size[1], size[0]),
        Image.Transform.AFFINE,
        (1 / factors[0], 0, -origin[0] / factors[0], 0, 1 / factors[1], -origin[1] / factors[1]),
        Image.Resampling.BILINEAR,
        fillcolor=BEYOND,
    )
    whole = boxes * np.tile(factors, 2) + np.tile(origin, 2)
    seen = np.clip(whole, 0, [size[1], size[0], size[1], size[0]]).astype(np.float32)
    share = areas(seen) / np.maximum(areas(whole), 1e-6)
    x = np.arange(size[1]) + 0.5
    y = np.arange(size[0]) + 0.5
    inside = ((y > origin[1]) & (y < origin[1] + scaled[1]))[:, None] & (
        (x > origin[0]) & (x < origin[0] + scaled[0])
    )
    return np.asarray(view), inside, seen, share.astype(np.float32)


@dataclass(frozen=True)
class Targets:
    """What the network should answer for a view, at stride 4.

    Attributes:
        centres: float32 (height, width, classes): 1 at a centre, falling off around it.
        known: float32 (height, width, classes): 0 where the view does not say whether there is a
            cell, else 1.
        corners: float32 (height, width, classes, 4): left, top, right, bottom in pixels of the view
            of the box that a place belongs to.
        weights: float32 (height, width, classes): how much a place counts for its box; the places
            of one box together weigh the logarithm of its area, as in TTFNet.
    """

    centres: NDArray[np.float32]
    known: NDArray[np.float32]
    corners: NDArray[np.float32]
    weights: NDArray[np.float32]


def draw_targets(
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    share: NDArray[np.float32],
    *,
    size: tuple[int, int],
    classes: int,
    visible: float,
) -> Targets:
    """Draw the maps of a view.

    Each box spreads a Gaussian whose standard deviations are a sixth of :data:`SPREAD` times its
    sides (in strides, at least one place), cut off at half of that extent, as in TTFNet.

    Args:
        boxes: (n, 4), clipped to the view, in its pixels.
        labels: (n,).
        share: (n,) of each box that is seen.
        size: height and width of the view, multiples of the stride.
        classes: number of classes.
        visible: the least share.
    """
    rows, columns = size[0] // STRIDE, size[1] // STRIDE
    centres = np.zeros((rows, columns, classes), np.float32)
    known = np.ones_like(centres)
    corners = np.zeros((rows, columns, classes, 4), np.float32)
    weights = np.zeros_like(centres)
    # The place (i, j) looks at the middle of its stride.
    for box, label, part in zip(boxes, labels, share, strict=True):
        left, top, right, bottom = box / STRIDE
        width, height = right - left, bottom - top
        if width <= 0 or height <= 0:
            continue
        if part < visible or min(width, height) < 1:
            window = np.s_[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right)), label]
            known[window] = 0
            continue
        column = min(int((left + right) / 2), columns - 1)
        row = min(int((top + bottom) / 2), rows - 1)
        reach_x, reach_y = int(width / 2 * SPREAD), int(height / 2 * SPREAD)
        x = np.arange(max(0, column - reach_x), min(columns, column + reach_x + 1))
        y = np.arange(max(0, row - reach_y), min(rows, row + reach_y + 1))
        sigma_x, sigma_y = (2 * reach_x + 1) / 6, (2 * reach_y + 1) / 6
        bell = np.exp(
            -((y[:, None] - row) ** 2) / (2 * sigma_y**2)
            - (x[None, :] - column) ** 2 / (2 * sigma_x**2)
        ).astype(np.float32)
        window = np.s_[y[0] : y[-1] + 1, x[0] : x[-1] + 1, label]
        nearer = bell > centres[window]
        centres[window] = np.maximum(centres[window], bell)
        corners[window] = np.where(nearer[..., None], box, corners[window])
        mass = np.log(width * height + 1) * bell / bell.sum()
        weights[window] = np.where(nearer, mass, weights[window])
    return Targets(centres, known, corners, weights)
