"""Measure how long a large field takes to be cut into tiles, and how much memory that takes.

    python -m scripts.measure_tiles 500 ../shared/data/bccd/images/BloodImage_00301.jpg

writes an OME-TIFF of so many megapixels (tiles of 512, deflate) in a scratch folder, cuts it into
tiles there, and prints one JSON object. Linux only.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from PIL import Image

from classifier.tiles.pyramid import build
from ml.detection.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PIECE = 512


class Folder:
    """Tiles as files of one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, level: int, x: int, y: int) -> bytes:
        return (self.path / f"{level}_{x}_{y}.jpg").read_bytes()

    def write(self, level: int, x: int, y: int, data: bytes) -> None:
        (self.path / f"{level}_{x}_{y}.jpg").write_bytes(data)


def write_field(path: Path, side: int, pattern: NDArray[np.uint8]) -> None:
    """Write a square OME-TIFF that repeats a picture."""
    rows, columns = pattern.shape[0] // PIECE, pattern.shape[1] // PIECE
    across = -(-side // PIECE)

    def pieces() -> Iterator[NDArray[np.uint8]]:
        for y in range(across):
            for x in range(across):
                top, left = y % rows * PIECE, x % columns * PIECE
                yield np.ascontiguousarray(pattern[top : top + PIECE, left : left + PIECE])

    tifffile.imwrite(
        path, pieces(), shape=(side, side, 3), dtype=np.uint8, tile=(PIECE, PIECE), ome=True,
        photometric="rgb", bigtiff=True, compression="zlib", compressionargs={"level": 1},
    )  # fmt: skip


def peak_megabytes() -> float:
    """The most memory this process was ever resident with, in MB (10^6 bytes)."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)


def main(megapixels: float, picture: str) -> int:
    with Image.open(picture) as image:
        pattern = np.tile(np.asarray(image.convert("RGB")), (4, 4, 1))
    side = math.isqrt(round(megapixels * 1e6))
    with tempfile.TemporaryDirectory(prefix="tiles-") as scratch:
        path = Path(scratch) / "field.ome.tif"
        write_field(path, side, pattern)
        folder = Path(scratch) / "tiles"
        folder.mkdir()
        before = peak_megabytes()
        started, worked = time.perf_counter(), time.process_time()
        tiles = sum(build(open_source(path), Folder(folder)))
        figures = {
            "megapixels": round(side * side / 1e6, 1),
            "tiff_mb": round(path.stat().st_size / 1e6, 1),
            "tiles": tiles,
            "tiles_mb": round(sum(each.stat().st_size for each in folder.iterdir()) / 1e6, 1),
            "seconds": round(time.perf_counter() - started, 1),
            "processor_seconds": round(time.process_time() - worked, 1),
            "peak_mb_before": before,
            "peak_mb": peak_megabytes(),
        }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2]))
