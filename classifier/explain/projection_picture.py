"""The flat picture of a projection, for browsers without WebGL."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from classifier.explain.neighbourhood import UNNAMED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cases.models import CellClass

PICTURE_WIDTH, PICTURE_HEIGHT = 900, 620
GREY = "#8a8f98"


def draw_picture(
    points: NDArray[np.float32], chosen: NDArray[np.int64], classes: list[CellClass]
) -> bytes:
    """Draw points on a transparent ground, at twice the size they are shown."""
    scale = 2
    width, height = PICTURE_WIDTH * scale, PICTURE_HEIGHT * scale
    image = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(image)
    radius = scale * (5 if len(points) <= 1000 else 3)
    flat = points[:, :2].astype(float)
    low, high = flat.min(axis=0), flat.max(axis=0)
    span = np.maximum(high - low, 1e-9)
    margin = 4 * radius
    room = np.array([width - 2 * margin, height - 2 * margin])
    places = margin + (flat - low) / span * room
    for (x, y), label in zip(places, chosen, strict=True):
        color = GREY if label == UNNAMED else classes[label].color
        box = (x - radius, height - y - radius, x + radius, height - y + radius)
        pen.ellipse(box, fill=color, outline="#00000055")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
