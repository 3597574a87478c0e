"""How large cells are in an image: the zoom by which the detector should see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.detection.sources import ArraySource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.detection.detector import Detection, Detector
    from ml.detection.sources import PixelSource

# Zooms tried, the likeliest first; between them the detector bridges a factor of 1.4.
TRIED = (1.0, 0.5, 2.0, 0.7, 1.4, 0.35, 2.8, 0.25, 4.0)
# How far the measured red cells may be from the usual ones for a zoom to be believed.
BELIEVED = (0.8, 1.3)
# Fewer whole red cells say nothing about a field.
LEAST_CELLS = 5
# Side of the middle part that is looked at, in pixels of the training fields.
PART = 1280


def red_cell_diameter(cells: Sequence[Detection]) -> float | None:
    """Return the median diameter of whole red cells in pixels; None for too few of them.

    The square root of width times height of the boxes; cells cut by the border are left out.
    """
    whole = [cell.diameter for cell in cells if cell.cell_class == "rbc" and not cell.cut_by_border]
    return float(np.median(whole)) if len(whole) >= LEAST_CELLS else None


def measure_zoom(detector: Detector, source: PixelSource) -> float:
    """Find the zoom of an image by the size of its red cells.

    Several zooms are tried on the middle of the image. One is believed when the red cells found
    with it are about as large as they should then be; of those believed the one with the most red
    cells per seen area wins, and is refined by the cells' size.

    Args:
        detector: whose training fields are the measure.
        source: the image.

    Returns:
        The zoom; 1 when no zoom is believed.

    Raises:
        ValueError: when the image cannot be read.
    """
    usual = detector.manifest.typical_diameters["rbc"]
    best, most = 1.0, 0.0
    for zoom in TRIED:
        side = round(PART / zoom)
        width, height = min(side, source.width), min(side, source.height)
        part = ArraySource(
            source.read((source.width - width) // 2, (source.height - height) // 2, width, height)
        )
        if min(width, height) * zoom < usual:
            continue
        cells = detector.detect(part, zoom=zoom)
        measured = red_cell_diameter(cells)
        if measured is None:
            continue
        ratio = measured * zoom / usual
        covered = sum(cell.diameter**2 * cell.score for cell in cells) / (width * height)
        if BELIEVED[0] <= ratio <= BELIEVED[1] and covered > most:
            best, most = zoom / ratio, covered
    return best
