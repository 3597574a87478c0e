"""One file of the corpus, and what to make pictures of."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy
from PIL import Image

ACCEPTED, REJECTED = "accepted", "rejected"


@dataclass(frozen=True)
class Sample:
    """A file as somebody might send it.

    Attributes:
        what: which kind of trouble.
        name: as the client gives it.
        data: the file.
        outcomes: what has to be answered for it, an outcome for each file in it, none when the
            request is refused whole; None when either is fine, as long as it is an answer.
    """

    what: str
    name: str
    data: bytes
    outcomes: tuple[str, ...] | None = (REJECTED,)


def noise(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """RGB noise, other for every seed."""
    values = numpy.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype="uint8")
    return Image.fromarray(values)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    """The picture as a file."""
    stream = BytesIO()
    image.save(stream, format=format, **options)
    return stream.getvalue()
