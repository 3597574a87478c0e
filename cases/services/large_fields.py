"""Fields too large to be decoded on upload: a TIFF stays as it came, the worker reads it by pieces.

Nothing of it is decoded here. Its size is read from the first directory of the file, a few hundred
bytes; whether its pixels can be read is found out by the worker, which then says so.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files import File
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from cases.validators import Rejected, too_large_message

if TYPE_CHECKING:
    from typing import BinaryIO

# TIFF 6.0 and BigTIFF: byte order, format of offsets, of the number of entries, and size of one.
HEADERS = {
    b"II*\x00": ("<", "I", "H", 12),
    b"MM\x00*": (">", "I", "H", 12),
    b"II+\x00": ("<", "Q", "Q", 20),
    b"MM\x00+": (">", "Q", "Q", 20),
}
WIDTH, HEIGHT = 256, 257
NUMBERS = {3: "H", 4: "I", 16: "Q"}
ENTRIES_MAX = 4096
PART_BYTES = 1024**2


@dataclass(frozen=True)
class LargeField:
    """A large TIFF as it is kept.

    Attributes:
        file: as uploaded, read from its beginning.
        sha256: of its content.
        byte_size: of its content.
        width: in pixels.
        height: in pixels.
    """

    file: File[bytes]
    sha256: str
    byte_size: int
    width: int
    height: int
    extension: str = "tif"


def tiff_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of the first picture of a TIFF; None for anything else.

    The formats are those of TIFF 6.0, section 2, and of BigTIFF.
    """
    file.seek(0)
    known = HEADERS.get(file.read(4))
    if known is None:
        return None
    order, offset, count, entry_bytes = known
    try:
        file.seek(8 if offset == "Q" else 4)
        (place,) = struct.unpack(order + offset, file.read(struct.calcsize(offset)))
        file.seek(place)
        (entries,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
        found: dict[int, int] = {}
        for _entry in range(min(entries, ENTRIES_MAX)):
            row = file.read(entry_bytes)
            tag, kind = struct.unpack(order + "HH", row[:4])
            number = NUMBERS.get(kind)
            if tag in (WIDTH, HEIGHT) and number is not None:
                value = row[entry_bytes - struct.calcsize(offset) :]
                (found[tag],) = struct.unpack_from(order + number, value)
        return found[WIDTH], found[HEIGHT]
    except (struct.error, KeyError, OSError, OverflowError, ValueError):
        return None


def is_large_field(file: Any) -> bool:
    """Whether a file is a TIFF beyond what is decoded on upload, in bytes or in pixels."""
    size = tiff_size(file)
    file.seek(0)
    if size is None:
        return False
    pixels = size[0] * size[1]
    return (file.size or 0) > settings.UPLOAD_MAX_BYTES or pixels > settings.UPLOAD_MAX_PIXELS


def read_large_field(file: Any) -> LargeField:
    """Check a large TIFF's size and take its fingerprint, part by part.

    Raises:
        Rejected: ``file_too_large``, ``too_many_pixels``, ``empty_file``.
    """
    size = tiff_size(file)
    if size is None or min(size) < 1:
        raise Rejected(
            "unreadable",
            _("The picture is damaged or incomplete; export it again from the microscope."),
        )
    if (file.size or 0) > settings.FIELD_MAX_BYTES:
        raise Rejected("file_too_large", too_large_message(settings.FIELD_MAX_BYTES))
    if size[0] * size[1] > settings.FIELD_MAX_PIXELS:
        raise Rejected(
            "too_many_pixels",
            format_lazy(
                _("The picture has more than {limit} million pixels; send a smaller one."),
                limit=f"{settings.FIELD_MAX_PIXELS / 1e6:g}",
            ),
        )
    digest = hashlib.sha256()
    file.seek(0)
    while part := file.read(PART_BYTES):
        digest.update(part)
    file.seek(0)
    return LargeField(File(file), digest.hexdigest(), int(file.size), *size)
