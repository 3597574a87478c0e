"""The pixels of a stored image, read piece by piece where its format allows."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from ml.detection.sources import TIFF_SUFFIXES, ArraySource, TiffSource
from ml.preprocessing import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cases.models import CaseImage
    from ml.detection.sources import PixelSource


@contextmanager
def source_of(image: CaseImage) -> Iterator[PixelSource]:
    """Open a stored image.

    A TIFF is read window by window from its file; where the storage has no local files, from a copy
    that is gone afterwards. Every other kind is decoded whole.

    Raises:
        FileNotFoundError: when the file is gone.
        OSError: when the storage answers with anything but a file or its absence.
        ValueError: when it cannot be decoded.
    """
    suffix = PurePosixPath(str(image.file.name)).suffix.lower()
    if suffix not in TIFF_SUFFIXES:
        with image.file.open("rb") as stream:
            data = stream.read()
        try:
            pixels = np.asarray(decode(data))
        except OSError as error:
            raise ValueError(f"{image.file}: it cannot be decoded ({error})") from error
        yield ArraySource(pixels)
        return
    with _local(image, suffix) as path:
        if not path.is_file():
            raise FileNotFoundError(path)
        with TiffSource(path) as source:
            yield source


@contextmanager
def _local(image: CaseImage, suffix: str) -> Iterator[Path]:
    try:
        path = Path(image.file.path)
    except NotImplementedError:
        with tempfile.NamedTemporaryFile(suffix=suffix) as copy, image.file.open("rb") as stream:
            shutil.copyfileobj(stream, copy)
            copy.flush()
            yield Path(copy.name)
        return
    yield path
