"""Windows of large fields, put together from tiles: nothing large is decoded to show a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.files.storage import default_storage
from PIL import Image

from classifier.tiles.models import TilePyramid
from classifier.tiles.pyramid import TILE, levels_of

if TYPE_CHECKING:
    from cases.models import CaseImage


def cut_from_tiles(image: CaseImage, box: tuple[int, int, int, int]) -> Image.Image | None:
    """Cut a window out of a large field.

    Args:
        image: the field.
        box: left, top, right, bottom in pixels; what lies beyond the image is black.

    Returns:
        The window as RGB, or None when the field has no whole pyramid.

    Raises:
        FileNotFoundError: when a tile is gone.
    """
    pyramid = TilePyramid.objects.ready().filter(image=image).first()
    if pyramid is None:
        return None
    level = levels_of(image.width, image.height)[0].number
    left, top, right, bottom = box
    window = Image.new("RGB", (right - left, bottom - top))
    for y in range(max(top, 0) // TILE, -(-min(bottom, image.height) // TILE)):
        for x in range(max(left, 0) // TILE, -(-min(right, image.width) // TILE)):
            name = pyramid.tile_name(level, x, y)
            with default_storage.open(name, "rb") as file, Image.open(file) as tile:
                window.paste(tile, (x * TILE - left, y * TILE - top))
    return window
