"""Images that are read piece by piece, so that memory does not grow with their size."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ml.data import open_picture

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

TIFF_SUFFIXES = (".tif", ".tiff", ".btf")
# Decoded pieces of a TIFF that are kept: a row of tiles is read for every row of windows.
KEPT_BYTES = 96 * 1024**2
# One compressed piece must be decoded whole; a file made of one such piece is like a JPEG.
PIECE_MAX_BYTES = 512 * 1024**2
# Photometric interpretations of TIFF 6.0: zero is black, and RGB; from JPEG, luma and chroma too.
PHOTOMETRIC = (1, 2)
JPEG, LUMA_CHROMA = 7, 6


class PixelSource(Protocol):
    """An image of which any window can be read.

    Attributes:
        width: in pixels.
        height: in pixels.
    """

    width: int
    height: int

    def read(self, left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
        """Return a window that lies in the image, (height, width, 3), RGB bytes."""
        ...


class ArraySource:
    """An image in memory."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Look at an array without copying it.

        Args:
            pixels: (height, width, 3), RGB bytes; a mapped file is read window by window.

        Raises:
            ValueError: for an array of another shape or type.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise ValueError(
                f"a field is an array (height, width, 3) of bytes, not {pixels.shape} of "
                f"{pixels.dtype}"
            )
        if not pixels.shape[0] or not pixels.shape[1]:
            raise ValueError("a field must have pixels")
        self._pixels = pixels
        self.height, self.width = pixels.shape[:2]

    def read(self, left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
        """Return a window."""
        return np.asarray(self._pixels[top : top + height, left : left + width])


class TiffSource:
    """The first and largest image of a TIFF or OME-TIFF, tiled or in strips."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open a file; pixels are read when asked for.

        Raises:
            ValueError: when it is no TIFF, not 8-bit RGB or grey, or one piece of it is too large
                to be decoded in bounded memory.
        """
        import tifffile

        self._path = Path(path)
        try:
            self._file = tifffile.TiffFile(self._path)
            page: Any = self._file.pages[0]
        except (tifffile.TiffFileError, OSError, IndexError) as error:
            raise ValueError(f"{self._path}: it cannot be opened as TIFF ({error})") from error
        self._page = page
        self.height, self.width = int(page.imagelength), int(page.imagewidth)
        self._mapped: NDArray[np.uint8] | None = None
        try:
            if page.dtype != np.uint8 or page.samplesperpixel not in (1, 3, 4):
                raise ValueError(
                    f"{self._path}: {page.samplesperpixel} channels of {page.dtype}; save it as "
                    "8-bit RGB"
                )
            is_jpeg = page.compression == JPEG
            colours = (*PHOTOMETRIC, LUMA_CHROMA) if is_jpeg else PHOTOMETRIC
            self._options = {"jpegtables": page.jpegtables} if is_jpeg else {}
            if page.bitspersample != 8 or int(page.photometric) not in colours:
                raise ValueError(
                    f"{self._path}: its colours are neither grey nor RGB of 8 bits; save it as "
                    "8-bit RGB"
                )
            if page.samplesperpixel > 1 and page.planarconfig != 1:
                raise ValueError(
                    f"{self._path}: its colours lie in separate planes; save it as RGB"
                )
            self._rows = int(page.tilelength if page.is_tiled else page.rowsperstrip)
            self._rows = min(self._rows, self.height)
            self._columns = int(page.tilewidth if page.is_tiled else self.width)
            self._across = -(-self.width // self._columns)
            piece = self._rows * self._columns * page.samplesperpixel
            if page.compression == 1 and not page.is_tiled and page.is_contiguous:
                self._mapped = tifffile.memmap(self._path, page=0, mode="r")
            elif piece > PIECE_MAX_BYTES:
                raise ValueError(
                    f"{self._path}: it is one piece of {piece // 1024**2} MiB; save it tiled"
                )
        except ValueError:
            self._file.close()
            raise
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._kept_bytes = 0

    def __enter__(self) -> TiffSource:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._kept.clear()
        self._file.close()

    def read(self, left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
        """Return a window.

        Raises:
            ValueError: when a piece cannot be decoded.
        """
        if self._mapped is not None:
            window = self._mapped[top : top + height, left : left + width]
            return as_rgb(np.array(window))
        out = np.empty((height, width, 3), np.uint8)
        for row in range(top // self._rows, -(-(top + height) // self._rows)):
            for column in range(left // self._columns, -(-(left + width) // self._columns)):
                piece = self._piece(row * self._across + column)
                y, x = row * self._rows, column * self._columns
                y0, y1 = max(y, top), min(y + piece.shape[0], top + height)
                x0, x1 = max(x, left), min(x + piece.shape[1], left + width)
                out[y0 - top : y1 - top, x0 - left : x1 - left] = piece[
                    y0 - y : y1 - y, x0 - x : x1 - x
                ]
        return out

    def _piece(self, index: int) -> NDArray[np.uint8]:
        """Return one decoded tile or strip, kept for a while."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        handle = self._file.filehandle
        handle.seek(self._page.dataoffsets[index])
        data = handle.read(self._page.databytecounts[index])
        try:
            decoded, _place, _shape = self._page.decode(data, index, **self._options)
        except Exception as error:  # each codec has its own kinds
            raise ValueError(
                f"{self._path}: a piece of it cannot be decoded ({error}); save it with deflate "
                "or without compression"
            ) from error
        if decoded is None:  # a piece left out of a sparse file
            decoded = np.zeros((1, self._rows, self._columns, 3), np.uint8)
        piece = as_rgb(np.asarray(decoded)[0])
        self._kept[index] = piece
        self._kept_bytes += piece.nbytes
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= dropped.nbytes
        return piece


def as_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return grey, RGB or RGBA bytes (height, width[, channels]) as RGB."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[-1] == 1:
        return np.repeat(pixels, 3, axis=-1)
    return np.ascontiguousarray(pixels[..., :3])


def open_source(path: str | os.PathLike[str]) -> ArraySource | TiffSource:
    """Open an image file: a TIFF piece by piece, every other kind decoded whole.

    Raises:
        ValueError: when it cannot be opened.
    """
    path = Path(path)
    if path.suffix.lower() in TIFF_SUFFIXES:
        return TiffSource(path)
    return ArraySource(np.asarray(open_picture(path)))
