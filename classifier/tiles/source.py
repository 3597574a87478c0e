"""A large field read from its tiles: a cell is shown without decoding the whole picture again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from django.core.files.storage import default_storage
from PIL import Image

from classifier.tiles.models import TilePyramid, needs_tiles
from classifier.tiles.pyramid import TILE, levels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cases.models import CaseImage


class TiledSource:
    """The pixels of a field as its tiles have them: JPEG once more, so for eyes only."""

    def __init__(self, pyramid: TilePyramid) -> None:
        self._pyramid = pyramid
        self.width, self.height = pyramid.image.width, pyramid.image.height
        self._level = levels_of(self.width, self.height)[0].number

    def read(self, left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
        """Return a window that lies in the image, (height, width, 3).

        Raises:
            FileNotFoundError: when a tile is gone.
        """
        window = Image.new("RGB", (width, height))
        for y in range(top // TILE, -(-(top + height) // TILE)):
            for x in range(left // TILE, -(-(left + width) // TILE)):
                name = self._pyramid.tile_name(self._level, x, y)
                with default_storage.open(name, "rb") as file, Image.open(file) as tile:
                    window.paste(tile, (x * TILE - left, y * TILE - top))
        return np.asarray(window)


def tiled_source(image: CaseImage) -> TiledSource | None:
    """A large field by its tiles; None when it is small or they are not made yet."""
    if not needs_tiles(image):
        return None
    ready = TilePyramid.objects.ready().select_related("image")
    pyramid = ready.filter(image=image).first()
    return TiledSource(pyramid) if pyramid else None
