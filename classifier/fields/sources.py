"""The pixels of a stored image, read piece by piece where its format allows."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ml.detection.sources import TiffSource, open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cases.models import CaseImage
    from ml.detection.sources import PixelSource

COPY_BYTES = 8 * 1024**2


@contextmanager
def source_of(image: CaseImage) -> Iterator[PixelSource]:
    """An image's pixels, window by window; a storage without paths hands out a copy first.

    A TIFF is read piece by piece, every other kind is decoded whole.

    Raises:
        FileNotFoundError: when the file is gone.
        OSError: when the storage answers with anything but a file or its absence.
        ValueError: when it cannot be decoded.
    """
    with TemporaryDirectory(prefix="field-") as folder, image.file.open("rb") as file:
        try:
            path = Path(image.file.path)
        except NotImplementedError:
            path = Path(folder) / Path(str(image.file.name)).name
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy, COPY_BYTES)
        try:
            source = open_source(path)
        except OSError as error:
            raise ValueError(f"{path}: it cannot be decoded ({error})") from error
        try:
            yield source
        finally:
            if isinstance(source, TiffSource):
                source.close()
