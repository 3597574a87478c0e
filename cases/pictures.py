"""Make of a file the picture that is kept. Pure Pillow and NumPy: it runs in the decoding helper.

Checked in this order, and the first failure is the answer: decoded format on the allow-list, pixel
cap before decoding, full decode; then EXIF orientation is applied and the pixels become 8-bit RGB.
What is kept carries no metadata: an upright 8-bit RGB JPEG or PNG loses its metadata segments and
keeps its picture data byte for byte; anything else becomes a PNG.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy
from PIL import ExifTags, Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# A marker that ends entropy-coded JPEG data: neither stuffing, fill byte nor restart.
JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# APP0 (JFIF) and APP14 (Adobe) say how to read the colours; the others are metadata.
JPEG_METADATA_MARKERS = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
# Cameras store 10, 12 or 14 significant bits in 16-bit files without saying so.
SIGNIFICANT_BITS = (8, 10, 12, 14, 16)
# Pixels are converted in strips: a whole deep picture as floats takes forty bytes a pixel.
STRIP_PIXELS = 1_000_000
# Above this only one picture is decoded at a time. A small file can hold a hundred million pixels,
# and several requests at once must not take the server's memory.
LARGE_PIXELS = 16_000_000

NOT_AN_IMAGE = "not_an_image"
TOO_MANY_PIXELS = "too_many_pixels"
SEVERAL_PICTURES = "several_pictures"
UNREADABLE = "unreadable"
NO_PIXEL = "no_pixel"
# Not a refusal: it is large, and its turn has to be waited for.
LARGE = "large"


class NotKept(Exception):
    """No picture is made of this file.

    Attributes:
        code: one of the words above.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept.

    Attributes:
        data: an upright RGB file without metadata.
        extension: ``jpg`` or ``png``, which is also the format of ``data``.
        width: in pixels, upright.
        height: in pixels, upright.
    """

    data: bytes
    extension: str
    width: int
    height: int


def make_picture(
    data: bytes, *, formats: Sequence[str], max_pixels: int, large: bool = True
) -> Picture:
    """Check a file's content and return the picture to keep.

    Args:
        data: a whole file.
        formats: Pillow's names of the decoders that may look at it.
        max_pixels: more are refused before anything is decoded.
        large: whether a picture above ``LARGE_PIXELS`` may be decoded now.

    Raises:
        NotKept: with the reason.
        MemoryError: when decoding takes more than the process may have.
    """
    try:
        # MPO, a JPEG with further pictures behind it, is opened by the JPEG decoder.
        image = Image.open(BytesIO(data), formats=tuple(formats))
        return _decode(image, data, max_pixels, large)
    except (NotKept, MemoryError):
        raise
    except Image.UnidentifiedImageError as error:
        raise NotKept(NOT_AN_IMAGE) from error
    except Image.DecompressionBombError as error:
        raise NotKept(TOO_MANY_PIXELS) from error
    except Exception as error:
        # Pillow's decoders answer broken files with almost any exception; whichever it is, this
        # file is refused and the next one gets its turn.
        raise NotKept(UNREADABLE) from error


def _decode(image: Image.Image, data: bytes, max_pixels: int, large: bool) -> Picture:
    if image.width * image.height > max_pixels:
        raise NotKept(TOO_MANY_PIXELS)
    # The pictures behind an MPO's first one are previews; elsewhere they may be other cells.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise NotKept(SEVERAL_PICTURES)
    if not large and image.width * image.height > LARGE_PIXELS:
        raise NotKept(LARGE)
    upright = _is_upright(image)
    image.load()
    if upright and image.mode == "RGB" and image.format in ("JPEG", "MPO"):
        return Picture(_without_jpeg_metadata(data), "jpg", image.width, image.height)
    if upright and _is_plain_rgb_png(image, data):
        return Picture(_without_png_metadata(data), "png", image.width, image.height)
    if not upright:
        ImageOps.exif_transpose(image, in_place=True)
    encoded = BytesIO()
    _to_rgb(image).save(encoded, format="PNG")
    return Picture(encoded.getvalue(), "png", image.width, image.height)


def _is_upright(image: Image.Image) -> bool:
    return image.getexif().get(ExifTags.Base.Orientation, 1) in (0, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Turn any mode into 8-bit RGB: deep pixels scaled, transparency laid on white.

    The answer is a new image: nothing of the original's metadata is carried over.
    """
    deep = image.mode.startswith("I") or image.mode == "F"
    offset, span = _range_of(image) if deep else (0.0, 1.0)
    page = Image.new("RGB", image.size, "white")
    for top, strip in _strips(image):
        if deep:
            page.paste(_grey(strip, offset, span), (0, top))
        elif strip.has_transparency_data:
            seen = strip.convert("RGBA")
            page.paste(seen, (0, top), seen)
        else:
            page.paste(strip.convert("RGB"), (0, top))
    return page


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The image from top to bottom in strips of about ``STRIP_PIXELS``, each with its top row."""
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _range_of(image: Image.Image) -> tuple[float, float]:
    """Which value of a deep picture becomes black, and how far above it white is.

    Integers are divided by the largest value of the smallest usual bit depth that holds them, so
    that a 12-bit camera's picture does not come out dark. Floats in 0-1 are taken as fractions,
    others as integers. Values below zero or above 16 bits have no usual depth: the range is
    stretched.

    Raises:
        NotKept: ``no_pixel`` when no pixel is a number.
    """
    low, high = numpy.inf, -numpy.inf
    for _top, strip in _strips(image):
        pixels = numpy.asarray(strip, dtype=numpy.float64)
        finite = pixels[numpy.isfinite(pixels)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        raise NotKept(NO_PIXEL)
    if low < 0 or high > 2 ** SIGNIFICANT_BITS[-1] - 1:
        return low, max(high - low, float(numpy.finfo(float).tiny))
    if image.mode == "F" and high <= 1:
        return 0.0, 1.0
    return 0.0, float(next(2**bits - 1 for bits in SIGNIFICANT_BITS if high <= 2**bits - 1))


def _grey(strip: Image.Image, offset: float, span: float) -> Image.Image:
    """Scale deep pixels to 0-255; values that are no numbers become black."""
    scaled = (numpy.asarray(strip, dtype=numpy.float64) - offset) / span
    grey = numpy.rint(numpy.nan_to_num(scaled, nan=0, posinf=1, neginf=0) * 255)
    return Image.fromarray(grey.astype(numpy.uint8)).convert("RGB")


def _without_jpeg_metadata(data: bytes) -> bytes:
    """Copy a decodable JPEG without its metadata segments and without what follows its end.

    The segments are those of ISO/IEC 10918-1, annex B; the coded picture is copied untouched.
    """
    kept = [data[:2]]
    position = 2
    while position < len(data):
        found = JPEG_MARKER.search(data, position)
        if found is None:  # the end marker is missing, though every pixel was there
            kept.append(data[position:])
            break
        # What lies before the marker is coded picture data of the scan.
        start = found.start()
        kept.append(data[position:start])
        marker = data[start + 1]
        if marker == 0xD9:
            break
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4])
        thumbnail = marker == 0xE0 and data[start + 4 : start + 9] != b"JFIF\x00"
        if marker not in JPEG_METADATA_MARKERS and not thumbnail:
            kept.append(data[start:end])
        position = max(end, start + 2)
    return b"".join([*kept, b"\xff\xd9"])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and whole bytes of every chunk of a PNG, up to its end."""
    position = len(PNG_SIGNATURE)
    while position < len(data):
        length = int.from_bytes(data[position : position + 4])
        kind = data[position + 4 : position + 8]
        yield kind, data[position : position + 12 + length]
        if kind == b"IEND":
            return
        position += 12 + length


def _is_plain_rgb_png(image: Image.Image, data: bytes) -> bool:
    if image.format != "PNG" or image.has_transparency_data:
        return False
    # Bytes 24 and 25: bit depth and colour type. Pillow shows 16-bit RGB as RGB too.
    return data[24] == 8 and data[25] == 2


def _without_png_metadata(data: bytes) -> bytes:
    chunks = [whole for kind, whole in _png_chunks(data) if kind in (b"IHDR", b"IDAT")]
    end = b"\x00\x00\x00\x00IEND" + zlib.crc32(b"IEND").to_bytes(4)
    return b"".join([PNG_SIGNATURE, *chunks, end])
