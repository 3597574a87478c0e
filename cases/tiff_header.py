"""Look at a TIFF without decoding it: ``python -m cases.tiff_header FILE MEMORY SECONDS``.

It runs in a process of its own, with bounded memory and time, since strangers made the file. The
answer is one JSON object: ``width`` and ``height``, or ``refused``. The picture is the first page;
smaller pages behind it (other levels, a label, a macro picture) are not kept. A stack, or channels
as pages of their own, would lose what they are about, and is refused.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# One compressed piece must be decoded whole, see ml/detection/sources.py.
PIECE_MAX_BYTES = 512 * 1024**2
# By photometric interpretation: black is zero, RGB, luma and chroma (of JPEG alone).
LUMA_CHROMA = 6
CHANNELS = {1: (1,), 2: (3, 4), LUMA_CHROMA: (3,)}
JPEG, JPEG_CHANNELS = 7, (1, 3)
CONTIGUOUS = 1
# None, LZW, JPEG, deflate (two numbers), LZMA, PackBits.
READABLE = (1, 5, JPEG, 8, 32946, 34925, 32773)
# More pages than levels, label and macro picture can be are a stack.
PAGES_MAX = 32
# Status of a helper whose disk failed it: sysexits.h calls it EX_IOERR.
CANNOT_WRITE = 74


def look(path: Path) -> dict[str, Any]:
    """Check that every piece of the first page is there, and that the first can be decoded."""
    import tifffile

    try:
        file = tifffile.TiffFile(path)
        page: Any = file.pages[0]
    except (tifffile.TiffFileError, OSError, ValueError, IndexError) as error:
        return {"refused": "tiff_unreadable", "because": str(error)}
    with file:
        size = {"width": int(page.imagewidth), "height": int(page.imagelength)}
        if min(size.values()) < 1:
            return {"refused": "tiff_unreadable", "because": "no pixels"}
        if problem := _problem(file, page, path.stat().st_size):
            code, because = problem
            return {"refused": code, "because": because, **size}
        return size


def _problem(file: Any, page: Any, file_bytes: int) -> tuple[str, str] | None:
    """Why the first page cannot be kept: a code, and words for the log."""
    if page.compression not in READABLE:
        return "tiff_compression", str(page.compression)
    kind = (page.dtype, page.bitspersample, page.samplesperpixel, page.photometric)
    planes = page.samplesperpixel > 1 and page.planarconfig != CONTIGUOUS
    if not _is_8_bit_grey_or_rgb(page) or planes:
        return "tiff_pixels", str(kind)
    if not page.dataoffsets or len(page.dataoffsets) != len(page.databytecounts):
        return "tiff_unreadable", "pieces are missing"
    rows = page.tilelength if page.is_tiled else page.rowsperstrip
    columns = page.tilewidth if page.is_tiled else page.imagewidth
    if min(rows, columns) < 1:
        return "tiff_unreadable", "pieces without pixels"
    rows = min(int(rows), int(page.imagelength)) if not page.is_tiled else int(rows)
    pieces = -(-page.imagelength // rows) * -(-page.imagewidth // columns)
    if len(page.dataoffsets) < pieces:
        return "tiff_unreadable", f"{len(page.dataoffsets)} of {pieces} pieces"
    whole = page.compression == 1 and page.is_contiguous and not page.is_tiled
    if not whole and rows * int(columns) * page.samplesperpixel > PIECE_MAX_BYTES:
        return "tiff_one_piece", f"pieces of {columns} x {rows}"
    ends = (at + n for at, n in zip(page.dataoffsets, page.databytecounts, strict=True))
    if max(ends) > file_bytes:
        return "tiff_unreadable", "the file ends before its pieces do"
    if not whole and page.compression != JPEG:  # whose size is looked at first, by the copy
        file.filehandle.seek(page.dataoffsets[0])
        data = file.filehandle.read(page.databytecounts[0])
        try:
            page.decode(data, 0)
        except Exception as error:  # each codec has its own kinds
            return "tiff_unreadable", str(error)
    for number in range(1, min(len(file.pages), PAGES_MAX + 1)):
        other = file.pages[number]
        if number == PAGES_MAX or other.imagewidth * other.imagelength >= (
            page.imagewidth * page.imagelength
        ):
            return "tiff_several", f"page {number + 1}"
    return None


def _is_8_bit_grey_or_rgb(page: Any) -> bool:
    """Not colours by a map, inverted grey, inks, deep or shallow pixels, bits in reverse."""
    import numpy as np

    channels = CHANNELS.get(int(page.photometric), ())
    if page.compression == JPEG:
        channels = tuple(each for each in channels if each in JPEG_CHANNELS)
    elif page.photometric == LUMA_CHROMA:
        return False
    return (
        page.fillorder == 1
        and page.dtype == np.uint8
        and page.bitspersample == 8
        and page.samplesperpixel in channels
        and page.imagedepth == 1
    )


def answer(work: Callable[[], dict[str, Any]], *, memory: int, seconds: int) -> None:
    """Print what the work says, within these limits; whatever goes wrong is the file's fault.

    A disk that cannot be written is not: then the status is :data:`CANNOT_WRITE`.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        said = work()
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(CANNOT_WRITE)
    except MemoryError as error:
        said = {"refused": "tiff_too_demanding", "because": repr(error)}
    except Exception as error:  # whatever a damaged header leads to
        said = {"refused": "tiff_unreadable", "because": f"{type(error).__name__}: {error}"}
    print(json.dumps(said))


if __name__ == "__main__":
    answer(lambda: look(Path(sys.argv[1])), memory=int(sys.argv[2]), seconds=int(sys.argv[3]))
