"""Names that say nothing of what they stand for, and are the same every time."""

from __future__ import annotations

from django.conf import settings
from django.utils.crypto import salted_hmac

LENGTH = 16


def pseudonym(kind: str, key: int) -> str:
    """Name a row without telling which: 64 bits of an HMAC-SHA-256 under ``PSEUDONYM_KEY``.

    Args:
        kind: what the row is ("patient", "case", ...); the same key of another kind differs.
        key: the row's primary key.

    Returns:
        16 hexadecimal digits, the same as long as the installation keeps its key; without the key
        nobody can go back to the row, or try all rows out.
    """
    made = salted_hmac(
        f"reports.pseudonym.{kind}", str(key), secret=settings.PSEUDONYM_KEY, algorithm="sha256"
    )
    return made.hexdigest()[:LENGTH]
