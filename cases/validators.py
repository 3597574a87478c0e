"""Decide whether a file is a picture that can be kept, and make of it what is kept.

Checked in this order, and the first failure is the answer: size cap, decoded format on the
allow-list, pixel cap before decoding, full decode; then EXIF orientation is applied and the pixels
become 8-bit RGB. What is kept carries no metadata: an upright 8-bit RGB JPEG or PNG loses its
metadata segments and keeps its picture data byte for byte; anything else becomes a PNG.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import unicodedata
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from PIL import ExifTags, Image, ImageOps

from cases.services.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

NAME_MAX_LENGTH = 255
TURNING_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
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
_one_large_at_a_time = threading.Lock()


class Rejected(ServiceError):
    """A file that is not accepted; the message says why and what to do."""

    status = 422


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


def display_name(name: str | None) -> str:
    """Make a file's name harmless to store and to show; it is never used as a path.

    Any script is kept. Folders, control characters, unpaired surrogates and the marks that turn
    the direction of writing (with which "gpj.exe" can be made to look like "exe.jpg") go.
    """
    last = re.split(r"[/\\]", name or "")[-1]
    kept = "".join(
        each
        for each in last
        if unicodedata.category(each) not in ("Cc", "Cs", "Zl", "Zp") and each not in TURNING_MARKS
    )
    return kept.strip()[:NAME_MAX_LENGTH]


def read_capped(file: Any) -> bytes:
    """Read a file of at most ``UPLOAD_MAX_BYTES`` bytes.

    Raises:
        Rejected: ``empty_file`` or ``file_too_large``.
    """
    data = file.read(settings.UPLOAD_MAX_BYTES + 1)
    if not data:
        raise Rejected("empty_file", _("The file is empty; export the picture again."))
    if len(data) > settings.UPLOAD_MAX_BYTES:
        raise Rejected("file_too_large", too_large_message(settings.UPLOAD_MAX_BYTES))
    return data


def too_large_message(limit: int) -> Any:
    """The sentence about a file above ``limit`` bytes."""
    return format_lazy(
        _("The file is larger than the allowed {limit}; send a smaller picture."),
        limit=lazy(filesizeformat, str)(limit),
    )


def fingerprint(data: bytes) -> str:
    """SHA-256 of a file as it was uploaded, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read_picture(data: bytes) -> Picture:
    """Check a file's content and return the picture to keep.

    Args:
        data: a whole file, already under the size cap.

    Raises:
        Rejected: ``not_an_image``, ``too_many_pixels``, ``several_pictures`` or ``unreadable``.
    """
    try:
        image = _open(data)
        large = image.width * image.height > LARGE_PIXELS
        with _one_large_at_a_time if large else nullcontext():
            return _decode(image, data)
    except Rejected:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except Exception as error:
        # Pillow's decoders answer broken files with almost any exception; whichever it is, this
        # file is refused and the next one gets its turn.
        logger.info("A file could not be decoded", exc_info=True)
        raise Rejected(
            "unreadable",
            _("The picture is damaged or incomplete; export it again from the microscope."),
        ) from error


def _open(data: bytes) -> Image.Image:
    """Open by content, with the decoders of the allow-list only; nothing is decoded yet."""
    try:
        # MPO, a JPEG with further pictures behind it, is opened by the JPEG decoder.
        return Image.open(BytesIO(data), formats=settings.UPLOAD_FORMATS)
    except Image.UnidentifiedImageError as error:
        raise Rejected(
            "not_an_image",
            format_lazy(
                _("This is not a picture in one of the accepted formats ({formats})."),
                formats=", ".join(settings.UPLOAD_FORMATS),
            ),
        ) from error


def _too_many_pixels() -> Rejected:
    return Rejected(
        "too_many_pixels",
        format_lazy(
            _("The picture has more than {limit} million pixels; send a smaller one."),
            limit=f"{settings.UPLOAD_MAX_PIXELS / 1e6:g}",
        ),
    )


def _decode(image: Image.Image, data: bytes) -> Picture:
    if image.width * image.height > settings.UPLOAD_MAX_PIXELS:
        raise _too_many_pixels()
    # The pictures behind an MPO's first one are previews; elsewhere they may be other cells.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise Rejected(
            "several_pictures",
            _("The file holds several pictures; send each one as a file of its own."),
        )
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
        Rejected: ``unreadable`` when no pixel is a number.
    """
    low, high = numpy.inf, -numpy.inf
    for _top, strip in _strips(image):
        pixels = numpy.asarray(strip, dtype=numpy.float64)
        finite = pixels[numpy.isfinite(pixels)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        raise Rejected("unreadable", _("The picture holds no readable pixel; export it again."))
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
