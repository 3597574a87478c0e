"""TIFFs as cameras and slide scanners write them, and as nobody should."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

SECRET = "PEREZ GARCIA Maria"
SHAPE = (300, 410, 3)


def noise(shape: tuple[int, ...] = SHAPE, dtype: Any = np.uint8) -> Any:
    return np.random.default_rng(7).integers(0, 200, shape).astype(dtype)


def written(path: Path, pixels: Any = None, **options: Any) -> bytes:
    options = {"photometric": "rgb", **options}
    tifffile.imwrite(path, noise() if pixels is None else pixels, **options)
    return path.read_bytes()


def pillow(path: Path, compression: str, mode: str = "RGB") -> bytes:
    Image.fromarray(noise()).convert(mode).save(path, "TIFF", compression=compression)
    return path.read_bytes()


def cut_off(path: Path) -> bytes:
    return written(path, tile=(64, 64), compression="zlib")[:-5000]


def with_entry(data: bytes, tag: int, value: int, *, kind: int = 4, count: int = 1) -> bytes:
    """Overwrite one entry of the first directory of a little-endian classic TIFF."""
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, at)[0] == tag:
            return data[:at] + struct.pack("<HHII", tag, kind, count, value) + data[at + 12 :]
    raise AssertionError(f"no tag {tag}")


def damaged_middle(path: Path) -> bytes:
    """One bit of a tile's data behind the first is wrong: its checksum tells."""
    data = bytearray(written(path, tile=(64, 64), compression="zlib"))
    with tifffile.TiffFile(path) as file:
        at = file.pages[0].dataoffsets[7] + 200
    data[at] ^= 0x10
    return bytes(data)


def swapped(path: Path, made: bytes, compression: str = "zlib") -> bytes:
    """A TIFF whose fourth tile is other data, behind the end of the file."""
    data = written(path, tile=(64, 64), compression=compression)
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        offsets, counts = page.tags[324].valueoffset, page.tags[325].valueoffset
        size = {3: "<H", 4: "<I"}[page.tags[325].dtype]
    out = bytearray(data + made)
    struct.pack_into("<I", out, offsets + 12, len(data))
    struct.pack_into(size, out, counts + 3 * struct.calcsize(size), len(made))
    return bytes(out)


def jpeg(width: int = 64, height: int = 64, mode: str = "RGB", **options: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(noise((height, width, 3))).convert(mode).save(out, "JPEG", **options)
    return out.getvalue()


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame says another size."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def with_picture_among_tables(path: Path) -> bytes:
    """The tables of all pieces hold a picture of 65,000 x 65,000 pixels."""
    data = pillow(path, "jpeg")
    picture = claiming(jpeg(), 65_000, 65_000)
    return with_entry(data + picture, 347, len(data), kind=7, count=len(picture))


def commented(path: Path) -> bytes:
    """Write the last piece of a JPEG TIFF anew at its end, with a comment and EXIF in it."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        at, count = page.dataoffsets[-1], page.databytecounts[-1]
        tags = page.tags
        where = [tags[325 if page.is_tiled else 279], tags[324 if page.is_tiled else 273]]
        pieces = len(page.dataoffsets)
    piece = bytes(data[at : at + count])
    for marker in (b"\xff\xfe", b"\xff\xe1"):
        piece = (
            piece[:2] + marker + struct.pack(">H", len(SECRET) + 2) + SECRET.encode() + piece[2:]
        )
    for tag, value in zip(where, (len(piece), len(data)), strict=True):
        size = {3: "<H", 4: "<I"}[tag.dtype]
        place = tag.valueoffset + (pieces - 1) * struct.calcsize(size)
        struct.pack_into(size, data, place, value)
    path.write_bytes(data + piece)
    return path.read_bytes()


# JPEG pieces as cameras' programs and slide scanners write them.
JPEG_FIELDS: dict[str, Callable[[Path, Any], Any]] = {
    "libtiff-strips-with-tables": lambda path, pixels: Image.fromarray(pixels).save(
        path, "TIFF", compression="jpeg", quality=95
    ),
    "grey-strips": lambda path, pixels: Image.fromarray(pixels).convert("L").save(
        path, "TIFF", compression="jpeg", quality=95
    ),
    **{
        f"tiles-{across}{down}": lambda path, pixels, subsampling=(across, down): tifffile.imwrite(
            path, pixels, tile=(128, 128), compression="jpeg", photometric="rgb",
            subsampling=subsampling, compressionargs={"level": 95},
        )
        for across, down in [(2, 2), (2, 1), (1, 1)]
    },
    # Red, green and blue, with nothing in the JPEG that would say so: as Aperio's scanners do.
    "tiles-rgb": lambda path, pixels: tifffile.imwrite(
        path, pixels, tile=(128, 128), compression="jpeg", photometric="rgb",
        compressionargs={"level": 95, "outcolorspace": "rgb"},
    ),
}  # fmt: skip


REFUSED: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "unknown-compression": (
        lambda path: with_entry(written(path, tile=(64, 64), compression="zlib"), 259, 34712),
        "tiff_compression",
    ),
    "16-bit": (lambda path: written(path, noise(dtype=np.uint16)), "tiff_pixels"),
    "float": (lambda path: written(path, noise(dtype=np.float32)), "tiff_pixels"),
    "signed": (lambda path: written(path, noise(dtype=np.int8)), "tiff_pixels"),
    "one-bit": (lambda path: pillow(path, "raw", "1"), "tiff_pixels"),
    "palette": (lambda path: pillow(path, "raw", "P"), "tiff_pixels"),
    "inks": (lambda path: pillow(path, "raw", "CMYK"), "tiff_pixels"),
    "inverted": (
        lambda path: written(path, noise(SHAPE[:2]), photometric="miniswhite"), "tiff_pixels",
    ),
    "planes": (
        lambda path: written(path, noise((3, 300, 410)), planarconfig="separate"), "tiff_pixels",
    ),
    "stack": (
        lambda path: written(path, noise((4, *SHAPE)), ome=True, metadata={"axes": "ZYXS"}),
        "tiff_several",
    ),
    "channels-as-pages": (
        lambda path: written(path, noise((3, 300, 410)), photometric="minisblack"),
        "tiff_several",
    ),
    "cut-off": (cut_off, "tiff_unreadable"),
    "header-alone": (lambda path: b"II*\0" + b"\0" * 2000, "tiff_unreadable"),
    "directory-beyond-end": (
        lambda path: b"II*\0" + struct.pack("<I", 10**9) + b"\0" * 2000, "tiff_unreadable",
    ),
    "damaged-tile": (damaged_middle, "tiff_unreadable"),
    "bomb": (lambda path: swapped(path, zlib.compress(b"\0" * 50_000_000, 9)), "tiff_unreadable"),
    "unfinished-tile": (
        lambda path: swapped(path, zlib.compress(bytes(range(256)) * 40)[:-8]), "tiff_unreadable",
    ),
    "lzw-bomb": (
        lambda path: swapped(path, imagecodecs.lzw_encode(b"\0" * 50_000_000), "lzw"),
        "tiff_unreadable",
    ),
    "lzw-unfinished": (
        lambda path: swapped(path, imagecodecs.lzw_encode(bytes(64 * 64 * 3 - 1)), "lzw"),
        "tiff_unreadable",
    ),
    "lzw-noise": (
        lambda path: swapped(path, b"\x80\x3f" + b"\xff" * 900, "lzw"), "tiff_unreadable",
    ),
    "lzw-longer-than-it-can-be": (
        lambda path: swapped(
            path, imagecodecs.lzw_encode(bytes(64 * 64 * 3)) + bytes(99_000), "lzw"
        ),
        "tiff_unreadable",
    ),
    "jpeg-cut-off": (lambda path: swapped(path, jpeg()[:-900], "jpeg"), "tiff_unreadable"),
    "jpeg-of-a-giant": (
        lambda path: swapped(path, claiming(jpeg(), 65_000, 65_000), "jpeg"), "tiff_unreadable",
    ),
    "jpeg-too-small": (lambda path: swapped(path, jpeg(32, 64), "jpeg"), "tiff_unreadable"),
    "jpeg-without-size": (
        lambda path: swapped(path, claiming(jpeg(), 64, 0), "jpeg"), "tiff_unreadable",
    ),
    "jpeg-progressive": (
        lambda path: swapped(path, jpeg(progressive=True), "jpeg"), "tiff_unreadable",
    ),
    "jpeg-grey-among-colours": (
        lambda path: swapped(path, jpeg(mode="L"), "jpeg"), "tiff_unreadable",
    ),
    "jpeg-twice": (
        lambda path: swapped(path, jpeg()[:-2] + jpeg()[2:], "jpeg"), "tiff_unreadable",
    ),
    "no-jpeg": (lambda path: swapped(path, b"\xff\xd8" + bytes(500), "jpeg"), "tiff_unreadable"),
    "jpeg-picture-among-tables": (with_picture_among_tables, "tiff_unreadable"),
    "jpeg-old-style": (
        lambda path: with_entry(pillow(path, "jpeg"), 259, 6, kind=3), "tiff_compression",
    ),
    "luma-without-jpeg": (
        lambda path: with_entry(written(path, tile=(64, 64), compression="zlib"), 262, 6),
        "tiff_pixels",
    ),
    "no-width": (lambda path: with_entry(written(path), 256, 0), "tiff_unreadable"),
    "no-rows-per-strip": (
        lambda path: with_entry(written(path, rowsperstrip=48, compression="zlib"), 278, 0),
        "tiff_unreadable",
    ),
    "more-rows-than-pieces": (
        lambda path: with_entry(written(path, tile=(64, 64), compression="zlib"), 257, 9000),
        "tiff_unreadable",
    ),
    "four-thousand-million-samples": (
        lambda path: with_entry(written(path), 277, 2**32 - 1), "tiff_pixels",
    ),
    "more-offsets-than-file": (
        lambda path: with_entry(
            written(path, tile=(64, 64), compression="zlib"), 324, 8, count=2**31
        ),
        "tiff_unreadable",
    ),
    "too-many-pixels": (
        lambda path: with_entry(with_entry(written(path), 256, 60_000), 257, 60_000),
        "field_too_many_pixels",
    ),
    "one-large-piece": (
        lambda path: with_entry(
            with_entry(
                with_entry(written(path, rowsperstrip=300, compression="zlib"), 256, 20_000),
                257, 20_000,
            ),
            278, 20_000,
        ),
        "tiff_one_piece",
    ),
    "big-tiff-cut-off": (
        lambda path: written(path, bigtiff=True)[:-5000], "tiff_unreadable",
    ),
}  # fmt: skip
