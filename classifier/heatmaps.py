"""Heatmaps: kept small and grey in the database, coloured and enlarged when served.

A prediction keeps one strip: the Grad-CAM maps of all classes at feature-map resolution, one below
the other in the model's order, as one 8-bit PNG, each map scaled to its own maximum ("peak"). The
picture served is transparent where the map is zero and lies over the photo; it is never part of it.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from classifier import colormap

if TYPE_CHECKING:
    from classifier.models import Prediction, QuickLookPicture

MIN_SIZE, MAX_SIZE, DEFAULT_SIZE = 32, 1024, 360
DEFAULT_ALPHA = 0.6
LEGEND_SIZE = (256, 16)


def class_map(prediction: Prediction | QuickLookPicture, class_code: str) -> Image.Image:
    """Return one class's map from the strip: mode L, feature-map resolution.

    Raises:
        KeyError: when the prediction's model does not know the class.
    """
    classes = prediction.model_version.classes
    if class_code not in classes:
        raise KeyError(class_code)
    with Image.open(io.BytesIO(bytes(prediction.heatmaps))) as strip:
        strip.load()
        height = strip.height // len(classes)
        top = classes.index(class_code) * height
        return strip.crop((0, top, strip.width, top + height))


def heatmap_png(
    prediction: Prediction | QuickLookPicture, *, class_code: str, size: int, alpha: float
) -> bytes:
    """Draw a class's heatmap as an RGBA PNG of the cell's proportions, to be laid over its photo.

    The network saw the centred square of ``crop`` times the shorter side; the map fills that square
    and everything around it is transparent.

    Args:
        prediction: with its cell and model version.
        class_code: the class asked about.
        size: longer side of the picture in pixels.
        alpha: opacity at the map's maximum, 0 to 1; it falls with the map's value.

    Returns:
        The PNG.

    Raises:
        KeyError: when the prediction's model does not know the class.
    """
    _left, _top, width, height = prediction.cell.frame
    scale = size / max(width, height)
    crop = prediction.model_version.manifest["crop"]
    side = max(1, round(crop * min(width, height) * scale))
    small = class_map(prediction, class_code)
    square = _coloured(small.resize((side, side), Image.Resampling.BICUBIC), alpha)
    canvas = Image.new("RGBA", (max(1, round(width * scale)), max(1, round(height * scale))))
    canvas.paste(square, ((canvas.width - side) // 2, (canvas.height - side) // 2))
    return _png(canvas)


def heatmap_etag(prediction: Prediction, *, class_code: str, size: int, alpha: float) -> str:
    """Return the quoted ETag of :func:`heatmap_png`: predictions never change once made."""
    parts = (prediction.pk, class_code, size, alpha, colormap.NAME, prediction.made_at.isoformat())
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def legend_png(*, alpha: float) -> bytes:
    """Draw the colour scale from no influence (left) to the map's maximum (right), RGBA."""
    width, height = LEGEND_SIZE
    ramp = np.tile(np.arange(width, dtype=np.uint8), (height, 1))
    return _png(_coloured(Image.fromarray(ramp), alpha))


def _coloured(grey: Image.Image, alpha: float) -> Image.Image:
    """Colour a mode L image; its values, times ``alpha``, become the opacity."""
    palette = np.frombuffer(colormap.PALETTE, np.uint8).reshape(256, 3)
    values = np.asarray(grey)
    opacity = np.rint(values * alpha).astype(np.uint8)
    return Image.fromarray(np.dstack((palette[values], opacity)))


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
