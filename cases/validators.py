"""What of an upload is accepted, and the sentence for what is not.

The size cap comes first; everything else is looked at in a helper process (cases/pictures.py tells
what, cases/decoding.py how).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from cases.decoding import decode
from cases.pictures import NO_PIXEL, UNREADABLE, NotKept, Picture
from cases.services.errors import ServiceError

NAME_MAX_LENGTH = 255
TURNING_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Rejected(ServiceError):
    """A file that is not accepted; the message says why and what to do."""

    status = 422


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
        Rejected: ``not_an_image``, ``too_many_pixels``, ``several_pictures``, ``unreadable``
            or ``too_demanding``.
    """
    try:
        return decode(data)
    except NotKept as refusal:
        code = UNREADABLE if refusal.code == NO_PIXEL else refusal.code
        raise Rejected(code, REFUSALS[refusal.code]) from refusal


# Lazily: the limits are the settings' when the sentence is shown.
REFUSALS = {
    "not_an_image": format_lazy(
        _("This is not a picture in one of the accepted formats ({formats})."),
        formats=lazy(lambda: ", ".join(settings.UPLOAD_FORMATS), str)(),
    ),
    "too_many_pixels": format_lazy(
        _("The picture has more than {limit} million pixels; send a smaller one."),
        limit=lazy(lambda: f"{settings.UPLOAD_MAX_PIXELS / 1e6:g}", str)(),
    ),
    "several_pictures": _("The file holds several pictures; send each one as a file of its own."),
    "unreadable": _("The picture is damaged or incomplete; export it again from the microscope."),
    "no_pixel": _("The picture holds no readable pixel; export it again."),
    "too_demanding": _(
        "Decoding the picture took too much time or memory, or broke the decoder. Save it anew as "
        "a plain JPEG or PNG, or smaller, and send that."
    ),
}
