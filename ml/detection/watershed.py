"""The detector without a network: colour deconvolution, thresholds and a watershed.

Kept so that the comparison in docs/decisions can be repeated. Nuclei and platelets are where the
haematoxylin density (Ruifrok & Johnston, 2001) stands out; large ones are white cells, small ones
platelets. What else is darker than the background is red cells, parted at the necks by a watershed
of the distance to their edge (Beucher & Lantuejoul, 1979). The settings were chosen by a random
search on the training list of BCCD (:func:`search`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.detection.decoding import Found, joined
from ml.detection.detector import resized
from ml.detection.fields import CLASSES
from ml.detection.matching import mean_average_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ml.detection.fields import Field

SCALE = 0.5
# The score only says how usual a shape's size is; thresholds by the rule of ml.detection.choosing.
THRESHOLDS = {"rbc": 0.86, "wbc": 0.325, "platelet": 0.655}
RED, WHITE, PLATELET = (CLASSES.index(code) for code in ("rbc", "wbc", "platelet"))


@dataclass(frozen=True)
class Settings:
    """Lengths in pixels at :data:`SCALE`, densities as scikit-image's ``rgb2hed`` gives them.

    Attributes:
        core: haematoxylin density that begins a nucleus or platelet.
        rim: density down to which it grows.
        white_area: least area of a white cell.
        platelet_area: least area of a platelet.
        growth: of a white cell's box on each side, for pale cytoplasm.
        background: share of the way from background to Otsu's threshold of the green channel from
            which a pixel belongs to a red cell.
        blur: standard deviation before the thresholds.
        hole: largest pale middle that is filled.
        valley: depth of a neck, in the distance to the edge, that parts two red cells.
        red_area: least area of a red cell.
    """

    core: float = 0.0542
    rim: float = 0.0306
    white_area: float = 1076
    platelet_area: float = 95
    growth: float = 3.7
    background: float = 0.655
    blur: float = 0.84
    hole: float = 956
    valley: float = 1.48
    red_area: float = 515


CHOSEN = Settings()
# Usual diameters at SCALE: halves of the medians of BCCD's training list.
USUAL = {RED: 51.0, WHITE: 97.0, PLATELET: 19.5}


def find_cells(pixels: NDArray[np.uint8], settings: Settings = CHOSEN) -> Found:
    """Find the cells of a field.

    Args:
        pixels: (height, width, 3), RGB bytes, at BCCD's magnification.
        settings: lengths and densities.

    Returns:
        The cells in pixels of the image, best score first.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.color import rgb2hed
    from skimage.filters import apply_hysteresis_threshold
    from skimage.measure import label, regionprops
    from skimage.morphology import remove_small_holes

    small = resized(pixels, SCALE)
    density = gaussian_filter(rgb2hed(small)[..., 0], settings.blur)
    stained = apply_hysteresis_threshold(density, settings.rim, settings.core)
    stained = remove_small_holes(stained, max_size=round(settings.white_area))
    boxes: dict[int, list[tuple[float, ...]]] = {RED: [], WHITE: [], PLATELET: []}
    covered = np.zeros(small.shape[:2], bool)
    for region in regionprops(label(stained)):
        top, left, bottom, right = region.bbox
        if region.area >= settings.white_area:
            grown = settings.growth
            boxes[WHITE].append((left - grown, top - grown, right + grown, bottom + grown))
            covered[region.slice] |= region.image
        elif region.area >= settings.platelet_area:
            boxes[PLATELET].append((left, top, right, bottom))
            covered[region.slice] |= region.image
    boxes[RED] = red_boxes(small, covered, settings)
    height, width = small.shape[:2]
    factors = np.array([pixels.shape[1] / width, pixels.shape[0] / height] * 2, np.float32)
    return joined(
        [
            scored(np.array(found, np.float32).reshape(-1, 4), label_, (height, width), factors)
            for label_, found in boxes.items()
        ]
    )


def red_boxes(
    small: NDArray[np.uint8], covered: NDArray[np.bool_], settings: Settings
) -> list[tuple[float, ...]]:
    """Return the boxes of red cells outside what other cells cover."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.filters import threshold_otsu
    from skimage.measure import label, regionprops
    from skimage.morphology import h_maxima, remove_small_holes
    from skimage.segmentation import watershed

    green = gaussian_filter(small[..., 1].astype(np.float32), settings.blur)
    if covered.all() or np.ptp(green[~covered]) < 1:
        return []
    bright = np.percentile(green[~covered], 95)
    limit = bright - (bright - threshold_otsu(green[~covered])) * settings.background
    mask = remove_small_holes((green < limit) & ~covered, max_size=round(settings.hole))
    distance = gaussian_filter(distance_transform_edt(mask), 1)
    markers = label(h_maxima(distance, settings.valley))
    parts = watershed(-distance, markers, mask=mask)
    boxes: list[tuple[float, ...]] = []
    for region in regionprops(parts):
        if region.area >= settings.red_area:
            top, left, bottom, right = region.bbox
            boxes.append((float(left), float(top), float(right), float(bottom)))
    return boxes


def scored(
    boxes: NDArray[np.float32],
    label: int,
    size: tuple[int, int],
    factors: NDArray[np.float32],
) -> Found:
    """Return boxes in pixels of the image, scored by how near their size is to the usual one."""
    height, width = size
    boxes = np.clip(boxes, 0, np.array([width, height] * 2, np.float32))
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    strange = np.log(sides / USUAL[label])
    scores = 0.3 + 0.7 * np.exp(-(strange**2).sum(axis=1))
    return Found(boxes * factors, scores.astype(np.float32), np.full(len(boxes), label, np.int64))


def search(
    fields: Sequence[Field],
    decode: Callable[[Field], NDArray[np.uint8]],
    *,
    rounds: int,
    seed: int = 42,
) -> tuple[Settings, float]:
    """Search for settings by random steps from the best so far (mAP50 on these fields).

    Args:
        fields: to be searched on; never those reported on.
        decode: returns a field's pixels.
        rounds: number of settings tried.
        seed: of the steps.

    Returns:
        The best settings and their mAP50.
    """
    generator = np.random.default_rng(seed)
    pictures = [decode(field) for field in fields]
    truth = [(field.boxes, field.labels) for field in fields]

    def value(settings: Settings) -> float:
        found = [find_cells(pixels, settings) for pixels in pictures]
        return mean_average_precision(found, truth, len(CLASSES))[0]

    best = CHOSEN
    highest = value(best)
    for _ in range(rounds):
        names = generator.choice([item.name for item in dataclasses.fields(Settings)], 3)
        changes = {
            str(name): float(getattr(best, name) * np.exp(generator.normal(0, 0.2)))
            for name in names
        }
        tried = dataclasses.replace(best, **changes)
        if tried.rim <= tried.core and (found := value(tried)) > highest:
            best, highest = tried, found
    return best, highest
