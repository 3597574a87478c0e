"""Cut a found cell so that the classifier sees it at the scale it was trained on.

The classifier learnt from PBC: one cell in the middle of a frame of 360 pixels, all frames at one
magnification, so that the size of a cell tells classes apart and must not be normalised away. What
has to agree is the frame: as wide as so many red cells as in PBC. The red cells of the field are
measured; on a field with too few whole ones the white cells are, against their usual share of a
frame, and at last the cell itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.detection.scale import red_cell_diameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.detection.detector import Detection
    from ml.detection.sources import PixelSource

# Side of a PBC frame over the median diameter of the red cells in it (docs/detection.md).
FRAME_IN_RED_CELLS = 4.4
# Median diameter of the cell over the side of its frame, by ml.cell_mask on 40 pictures per class
# of PBC's training part; white cells: the median of the seven classes' medians.
SHARES = {"wbc": 0.397, "platelet": 0.173}


def frame_side(cells: Sequence[Detection], cell: Detection) -> float:
    """Return the side of the frame to cut around a cell, in pixels of the field.

    Args:
        cells: all that were found on the field.
        cell: the white cell or platelet to be cut.

    Raises:
        ValueError: for a cell of a class that is not classified.
    """
    if cell.cell_class not in SHARES:
        raise ValueError(f"cells of the class {cell.cell_class} are not classified")
    if red := red_cell_diameter(cells):
        return red * FRAME_IN_RED_CELLS
    whole = [each.diameter for each in cells if each.cell_class == "wbc" and not each.cut_by_border]
    if whole:
        return float(np.median(whole)) / SHARES["wbc"]
    return cell.diameter / SHARES[cell.cell_class]


def cut_cell(source: PixelSource, cell: Detection, *, side: float) -> NDArray[np.uint8]:
    """Cut the square around a cell's centre.

    What lies beyond the field has the colour of its background: mirrored pixels would show a cell
    at the border as two.

    Args:
        source: the field.
        cell: in pixels of it.
        side: of the square in pixels (:func:`frame_side`); rounded, at least 2.

    Returns:
        (side, side, 3), RGB bytes.
    """
    size = max(2, round(side))
    left, top = (round(middle - size / 2) for middle in cell.centre)
    x, y = max(0, left), max(0, top)
    width = min(source.width, left + size) - x
    height = min(source.height, top + size) - y
    pixels = source.read(x, y, width, height)
    if (width, height) == (size, size):
        return np.ascontiguousarray(pixels)
    frame = np.empty((size, size, 3), np.uint8)
    frame[:] = background_colour(pixels)
    frame[y - top : y - top + height, x - left : x - left + width] = pixels
    return frame


def background_colour(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the median colour of the brightest quarter, (3,): between the cells of a smear."""
    flat = pixels.reshape(-1, 3)
    bright = flat[flat[:, 1] >= np.percentile(flat[:, 1], 75)]
    return np.asarray(np.median(bright, axis=0), np.uint8)
