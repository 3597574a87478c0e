"""Pictures that are cut short, lie about their size, or are of a kind a laboratory seldom sees."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy
from PIL import ExifTags, Image, ImageCms

from tests.corpus.sample import ACCEPTED, REJECTED, Sample, encoded, noise

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
MAGIC = {
    "JPEG": b"\xff\xd8\xff\xe0",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "BMP": b"BM",
    "TIFF": b"II*\x00",
    "WEBP": b"RIFF\x00\x10\x00\x00WEBP",
}


def samples() -> Iterator[Sample]:
    yield from cut_short()
    yield from wrong_magic()
    yield from liars()
    yield from bombs()
    yield from several_in_one()
    yield from unusual_modes()
    yield from turned()
    yield from profiles()


def cut_short() -> Iterator[Sample]:
    """Each format, cut at every kilobyte."""
    for seed, format in enumerate(FORMATS):
        whole = encoded(noise(seed, (120, 90)), format, **({"quality": 100} if seed else {}))
        for kilobytes in range(1, len(whole) // 1024 + 1):
            # Of a JPEG or WebP without its last bytes every pixel may be there.
            near = len(whole) - kilobytes * 1024 < 2048 or format == "TIFF"
            yield Sample(
                "cut short",
                f"cut-{kilobytes}.{format.lower()}",
                whole[: kilobytes * 1024],
                None if near else (REJECTED,),
            )


def wrong_magic() -> Iterator[Sample]:
    """One format's first bytes before another's content."""
    for seed, format in enumerate(FORMATS):
        whole = encoded(noise(10 + seed), format)
        for other, magic in MAGIC.items():
            if other != format:
                data = magic + whole[len(magic) :]
                yield Sample("wrong magic", f"{format}-as-{other}.{other.lower()}", data, None)
        yield Sample("wrong magic", f"no-magic.{format.lower()}", b"\0" * 12 + whole[12:])


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, packed: bytes, *more: bytes, kind: int = 2, deep: int = 8
) -> bytes:
    """A PNG by hand: ``kind`` is its colour type, ``packed`` its compressed rows."""
    header = struct.pack(">IIBBBBB", width, height, deep, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *more, chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    return MAGIC["PNG"] + b"".join(parts)


def liars() -> Iterator[Sample]:
    """Few bytes that say they are giants, or nothing at all."""
    sizes = [
        (0, 0), (0, 10), (1, 2**31 - 1), (2**31 - 1, 1), (11_000, 10_000), (65_000, 65_000),
        (2**31 - 1, 2**31 - 1), (2**32 - 1, 2), (9_000, 9_000),
    ]  # fmt: skip
    small = zlib.compress(b"\0" * 100)
    jpeg = encoded(noise(20), "JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    bitmap, tiff = encoded(noise(21), "BMP"), encoded(noise(22), "TIFF")
    for width, height in sizes:
        name = f"{width}x{height}"
        yield Sample("giant", f"{name}.png", png(width, height, small))
        yield Sample(
            "giant", f"{name}.bmp", bitmap[:18] + struct.pack("<II", width, height) + bitmap[26:]
        )
        claimed = struct.pack(">HH", min(height, 65535), min(width, 65535))
        # libjpeg paints grey what is missing of a picture within the limits.
        yield Sample("giant", f"{name}.jpg", jpeg[:frame] + claimed + jpeg[frame + 4 :], None)
        yield Sample("giant", f"{name}.tif", _tiff_of_size(tiff, width, height), None)
    for body in (b"", b"\0", b"\0" * 1024, b" " * 5000, b"\xff" * 4096, bytes(range(256)) * 8):
        yield Sample("nothing", f"nothing-{len(body)}.jpg", body)


def _tiff_of_size(data: bytes, width: int, height: int) -> bytes:
    """Overwrite the first two entries of the directory, width and height."""
    (start,) = struct.unpack("<I", data[4:8])
    entries = struct.pack("<HHII", 256, 4, 1, width) + struct.pack("<HHII", 257, 4, 1, height)
    return data[: start + 2] + entries + data[start + 26 :]


def bombs() -> Iterator[Sample]:
    """Small files that unpack to much: pixels within the cap, texts and profiles."""
    rows = zlib.compressobj(9)
    side = 8_000
    packed = b"".join(rows.compress(b"\0" * (side + 1)) for _ in range(side)) + rows.flush()
    yield Sample("bomb", "64-megapixels.png", png(side, side, packed, kind=0), (ACCEPTED,))
    yield Sample("bomb", "more-rows-than-said.png", png(10, 10, packed, kind=0), None)
    small = zlib.compress(b"".join(b"\0" + b"\1\2\3" * 8 for _ in range(8)))
    huge = zlib.compress(b"\0" * 64_000_000, 9)
    texts = {
        "ztxt": chunk(b"zTXt", b"Comment\0\0" + huge),
        "itxt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + huge),
        "iccp": chunk(b"iCCP", b"profile\0\0" + huge),
        "exif": chunk(b"eXIf", b"MM\0*" + b"\xff" * 60_000),
        "many": b"".join(chunk(b"tEXt", b"k%d\0v" % each) for each in range(20_000)),
    }
    for number, (name, text) in enumerate(texts.items()):
        packed = zlib.compress(b"".join(b"\0" + bytes([number, 2, 3]) * 8 for _ in range(8)))
        yield Sample("bomb", f"{name}.png", png(8, 8, packed, text), None)
    yield Sample("bomb", "interlaced.png", png(8, 8, small)[:28] + b"\1" + png(8, 8, small)[29:])
    flat = encoded(Image.new("RGB", (6000, 6000), "pink"), "WEBP", lossless=True, method=0)
    yield Sample("bomb", "flat.webp", flat, (ACCEPTED,))
    packed_tiff = encoded(Image.new("L", (6000, 6000)), "TIFF", compression="tiff_lzw")
    yield Sample("bomb", "flat.tif", packed_tiff, (ACCEPTED,))


def several_in_one() -> Iterator[Sample]:
    """Moving pictures, pages, and previews behind a picture."""
    first, others = noise(30), [noise(31), noise(32)]
    for format in ("GIF", "PNG", "WEBP", "TIFF"):
        data = encoded(first, format, save_all=True, append_images=others)
        yield Sample("several", f"moving.{format.lower()}", data)
    pages = encoded(first, "TIFF", save_all=True, append_images=[others[0]] * 60)
    yield Sample("several", "sixty-pages.tif", pages)
    previews = encoded(first, "MPO", save_all=True, append_images=others)
    yield Sample("several", "previews.jpg", previews, (ACCEPTED,))
    looped = bytearray(encoded(noise(33), "TIFF"))
    (start,) = struct.unpack("<I", looped[4:8])
    (count,) = struct.unpack("<H", looped[start : start + 2])
    looped[start + 2 + 12 * count : start + 6 + 12 * count] = struct.pack("<I", start)
    yield Sample("several", "endless.tif", bytes(looped), None)


def unusual_modes() -> Iterator[Sample]:
    """Every colour model and depth the decoders know."""
    for seed, (mode, format) in enumerate(
        [
            ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("L", "JPEG"), ("L", "PNG"), ("L", "TIFF"),
            ("1", "PNG"), ("1", "TIFF"), ("1", "BMP"), ("P", "PNG"), ("P", "BMP"), ("P", "TIFF"),
            ("LA", "PNG"), ("LA", "TIFF"), ("RGBA", "PNG"), ("RGBA", "TIFF"), ("RGBA", "WEBP"),
            ("RGBA", "BMP"), ("RGBX", "TIFF"), ("YCbCr", "TIFF"), ("LAB", "TIFF"), ("PA", "PNG"),
        ]
    ):  # fmt: skip
        image = noise(40 + seed)
        options = {}
        if mode == "LAB":
            image = Image.merge("LAB", image.split())
        elif mode == "PA":
            image, options = image.quantize(4), {"transparency": 1}
        else:
            image = image.convert(mode)
        data = encoded(image, format, **options)
        yield Sample("mode", f"{mode}-{seed}.{format.lower()}", data, (ACCEPTED,))
    values = numpy.random.default_rng(70).integers(0, 4096, (30, 30))
    deep: dict[str, Any] = {
        "uint16.png": values.astype(numpy.uint16),
        "uint16.tiff": values.astype(numpy.uint16) * 16,
        "int32.tiff": values.astype(numpy.int32) - 2000,
        "float.tiff": values.astype(numpy.float32) / 4096,
        "infinite.tiff": numpy.where(values > 2000, numpy.inf, values).astype(numpy.float32),
        "huge.tiff": (values * 1e30).astype(numpy.float32),
    }
    for name, array in deep.items():
        data = encoded(Image.fromarray(array), name.rsplit(".", 1)[-1])
        yield Sample("depth", name, data, (ACCEPTED,))
    nothing = numpy.full((30, 30), numpy.nan, numpy.float32)
    yield Sample("depth", "no-number.tiff", encoded(Image.fromarray(nothing), "TIFF"))
    colour = numpy.random.default_rng(71).integers(0, 256, (20, 6 * 20), dtype=numpy.uint8)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in colour))
    yield Sample("depth", "rgb48.png", png(20, 20, rows, deep=16), (ACCEPTED,))


def turned() -> Iterator[Sample]:
    """Orientations, those that exist and those that do not, and EXIF that is no EXIF."""
    for seed, format in enumerate(("JPEG", "PNG", "WEBP", "TIFF")):
        for value in (1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 65535):
            exif = Image.Exif()
            exif[ExifTags.Base.Orientation] = value
            data = encoded(noise(100 + 20 * seed + value % 100), format, exif=exif)
            yield Sample("orientation", f"turned-{value}.{format.lower()}", data, (ACCEPTED,))
    for number, broken in enumerate((b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\xff" * 90)):
        yield Sample(
            "orientation",
            f"exif-{number}.jpg",
            encoded(noise(200 + number), "JPEG", exif=broken),
            None,
        )


def profiles() -> Iterator[Sample]:
    """Colour profiles: a real one, one that is noise, one that is large."""
    real = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for seed, (name, profile) in enumerate(
        {"srgb": real, "noise": b"\x13" * 500, "large": b"\0" * 400_000}.items()
    ):
        for format in ("JPEG", "PNG", "TIFF", "WEBP"):
            data = encoded(noise(300 + seed), format, icc_profile=profile)
            yield Sample("profile", f"{name}.{format.lower()}", data, None)
