"""Look at a large TIFF without decoding it: ``python -m cases.tiff_header FILE MEMORY_BYTES``.

It runs in a process of its own, with bounded memory, since strangers made the file. The answer is
one JSON object: ``width`` and ``height``, or ``refused``. Only the first page is looked at: what
else an OME-TIFF holds (other levels, a label, a macro picture) is not shown anywhere.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

# One compressed piece must be decoded whole, see ml/detection/sources.py.
PIECE_MAX_BYTES = 512 * 1024**2
CHANNELS = (1, 3, 4)
CONTIGUOUS = 1


def look(path: Path) -> dict[str, Any]:
    """Check that every piece of the first page is there, and that the first can be decoded."""
    import numpy as np
    import tifffile

    try:
        file = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, OSError, ValueError) as error:
        return {"refused": "tiff_unreadable", "because": str(error)}
    with file:
        page: Any = file.pages[0]
        size = {"width": int(page.imagewidth), "height": int(page.imagelength)}
        if min(size.values()) < 1:
            return {"refused": "tiff_unreadable", "because": "no pixels"}
        planes = page.samplesperpixel > 1 and page.planarconfig != CONTIGUOUS
        if page.dtype != np.uint8 or page.samplesperpixel not in CHANNELS or planes:
            return {"refused": "tiff_pixels", **size}
        rows = page.tilelength if page.is_tiled else page.rowsperstrip
        columns = page.tilewidth if page.is_tiled else page.imagewidth
        whole = page.compression == 1 and page.is_contiguous
        piece = min(int(rows), size["height"]) * int(columns) * page.samplesperpixel
        if not whole and piece > PIECE_MAX_BYTES:
            return {"refused": "tiff_one_piece", **size}
        ends = (at + n for at, n in zip(page.dataoffsets, page.databytecounts, strict=True))
        if not page.dataoffsets or max(ends) > path.stat().st_size:
            return {"refused": "tiff_unreadable", "because": "pieces are missing"}
        if not whole:
            file.filehandle.seek(page.dataoffsets[0])
            data = file.filehandle.read(page.databytecounts[0])
            try:
                page.decode(data, 0)
            except Exception as error:  # each codec has its own kinds
                return {"refused": "tiff_compression", "because": str(error)}
        return size


def main() -> None:
    """Print what :func:`look` says of the file named."""
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        said = look(Path(sys.argv[1]))
    except Exception as error:  # whatever a damaged header leads to
        said = {"refused": "tiff_unreadable", "because": f"{type(error).__name__}: {error}"}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
