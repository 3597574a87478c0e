"""Where a stained cell lies in a picture, by colour and size alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_SHARE = 0.004  # of the picture; a platelet of PBC covers about a hundredth
GROWTH = 0.12  # of the nucleus' equivalent diameter, for the cytoplasm around it


def cell_mask(pixels: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Find the cell in a picture with one centred cell among red cells.

    May-Gruenwald-Giemsa stains nuclei and platelets purple, the darkest thing in the green channel;
    red cells are pink. The darkest of three classes by Otsu's method (multi-level, Liao et al.,
    2001) is cleaned, the piece that weighs most towards the centre kept, its lobes joined by their
    convex hull, and the cytoplasm added by growing it.

    Args:
        pixels: (side, side, 3), RGB bytes.

    Returns:
        (side, side), True on the cell; None when nothing is stained and large enough.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.filters import threshold_multiotsu
    from skimage.measure import label, regionprops
    from skimage.morphology import closing, convex_hull_image, disk, opening

    side = pixels.shape[0]
    green = gaussian_filter(pixels[..., 1].astype(np.float32), side / 150)
    if np.ptp(green) < 30:
        return None
    radius = max(1, side // 60)
    dark = green < threshold_multiotsu(green, classes=3)[0]
    dark = closing(opening(dark, disk(radius)), disk(2 * radius))
    place = (np.arange(side) - (side - 1) / 2) / (side / 4)
    bell = np.exp(-0.5 * (place[:, None] ** 2 + place[None, :] ** 2))
    pieces = label(dark)
    best, weight = 0, 0.0
    for region in regionprops(pieces):
        inside = float(bell[pieces == region.label].sum())
        if region.area >= SMALLEST_SHARE * side * side and inside > weight:
            best, weight = region.label, inside
    if not best:
        return None
    nucleus = convex_hull_image(pieces == best)
    growth = GROWTH * np.sqrt(4 * nucleus.sum() / np.pi)
    return np.asarray(distance_transform_edt(~nucleus) <= growth)
