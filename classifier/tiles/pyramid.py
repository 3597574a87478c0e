"""Cutting an image into a pyramid of JPEG tiles, row by row, each level from the one above.

Level 0 fits into one tile; the highest level has the image's own pixels. A level is half the next
one, rounded up. What is held at a time is a strip of one row of tiles of the image, or four tiles
of the level above: memory does not grow with the image.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ml.detection.sources import PixelSource

TILE = 512
JPEG_QUALITY = 90
# Pixels of the image that are read at once, in bytes: a row of tiles, or a part of a very long one.
STRIP_BYTES = 32 * 1024**2


class TileStore(Protocol):
    """Where tiles are kept."""

    def read(self, level: int, x: int, y: int) -> bytes:
        """Return a tile written before."""
        ...

    def write(self, level: int, x: int, y: int, data: bytes) -> None:
        """Keep a tile, in place of an earlier one."""
        ...


@dataclass(frozen=True)
class Level:
    """One level: its number, its size in pixels, and in tiles."""

    number: int
    width: int
    height: int

    @property
    def columns(self) -> int:
        return -(-self.width // TILE)

    @property
    def rows(self) -> int:
        return -(-self.height // TILE)

    def size_of(self, x: int, y: int) -> tuple[int, int]:
        """Width and height of a tile: those at the right and the bottom are smaller."""
        return min(TILE, self.width - x * TILE), min(TILE, self.height - y * TILE)


def levels_of(width: int, height: int) -> list[Level]:
    """The levels of an image, its own pixels first."""
    sizes = [(width, height)]
    while max(sizes[-1]) > TILE:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return [Level(len(sizes) - 1 - place, *size) for place, size in enumerate(sizes)]


def count_tiles(width: int, height: int) -> int:
    """How many tiles an image's pyramid has."""
    return sum(level.columns * level.rows for level in levels_of(width, height))


def build(source: PixelSource, store: TileStore, *, done: int = 0) -> Iterator[int]:
    """Write the tiles of an image, row by row.

    Args:
        source: the image.
        store: takes the tiles, and hands out those of the level above.
        done: rows written by an earlier attempt, counted over all levels: they are passed over.

    Yields:
        After each row of tiles, how many tiles are in it.
    """
    levels = levels_of(source.width, source.height)
    place = 0
    for index, level in enumerate(levels):
        for row in range(level.rows):
            place += 1
            if place <= done:
                continue
            if index:
                _from_above(store, levels[index - 1], level, row)
            else:
                _from_source(source, store, level, row)
            yield level.columns


def _from_source(source: PixelSource, store: TileStore, level: Level, row: int) -> None:
    top = row * TILE
    height = min(TILE, level.height - top)
    columns = max(1, STRIP_BYTES // (TILE * TILE * 3))
    for first in range(0, level.columns, columns):
        left = first * TILE
        strip = source.read(left, top, min(columns * TILE, level.width - left), height)
        for x in range(first, min(first + columns, level.columns)):
            tile = strip[:, (x - first) * TILE : (x - first + 1) * TILE]
            store.write(level.number, x, row, encode(tile))


def _from_above(store: TileStore, above: Level, level: Level, row: int) -> None:
    for x in range(level.columns):
        left, top = 2 * x * TILE, 2 * row * TILE
        width, height = min(2 * TILE, above.width - left), min(2 * TILE, above.height - top)
        pixels = np.empty((height, width, 3), np.uint8)
        for dy in range(-(-height // TILE)):
            for dx in range(-(-width // TILE)):
                with Image.open(
                    io.BytesIO(store.read(above.number, 2 * x + dx, 2 * row + dy))
                ) as tile:
                    place = slice(dy * TILE, (dy + 1) * TILE), slice(dx * TILE, (dx + 1) * TILE)
                    pixels[place] = np.asarray(tile)
        store.write(level.number, x, row, encode(halved(pixels)))


def halved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mean of every two by two pixels, (h, w, 3) to (⌈h/2⌉, ⌈w/2⌉, 3).

    The last row or column of an odd number of them stands for itself and the one that is missing.
    """
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    total = pixels[0::2, 0::2].astype(np.uint16)
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        total += pixels[dy::2, dx::2]
    return ((total + 2) // 4).astype(np.uint8)


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Return a tile, RGB bytes (h, w, 3), as JPEG without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
