"""Copy the picture of a TIFF and nothing else.

``python -m cases.tiff_copy FROM TO MEMORY SECONDS``, in a process of its own like tiff_header.py.
Names of patients, slide labels and whatever else a microscope or a scanner writes stand in tags and
in further pages. What is kept is the first page alone, with the tags without which its pixels could
not be read. No piece (tile or strip) is encoded anew; each is looked through on its way
(cases/tiff_pieces.py).

The answer is one JSON object: ``byte_size``, or ``refused``. After the TIFF 6.0 specification
(Adobe, 1992), sections 2, 15 and 22, and the BigTIFF extension where offsets need 64 bits.
"""

from __future__ import annotations

import lzma
import struct
import sys
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cases.tiff_header import LUMA_CHROMA, answer
from cases.tiff_pieces import READ_BYTES, Damaged, Pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORT, LONG, UNDEFINED, LONG8 = 3, 4, 7, 16
FORMATS = {SHORT: "H", LONG: "I", UNDEFINED: "B", LONG8: "Q"}
CLASSIC_MAX_BYTES = 2**32 - 1


def copy_picture(source: Path, target: Path) -> dict[str, Any]:
    """Write the first page of one TIFF as the only page of another.

    Args:
        source: a file that :func:`cases.tiff_header.look` accepted.
        target: is replaced.

    Returns:
        ``byte_size`` of the copy; or ``refused`` and ``because``, and the copy is worthless.
    """
    import tifffile

    with tifffile.TiffFile(source) as file, target.open("wb") as out:
        page: Any = file.pages[0]
        counts = [int(count) for count in page.databytecounts]
        if sum(counts) > source.stat().st_size:
            return {"refused": "tiff_unreadable", "because": "pieces lie upon each other"}
        big = sum(counts) + 64 * len(counts) + READ_BYTES > CLASSIC_MAX_BYTES
        out.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if big else b"II*\0\0\0\0\0")
        offsets, written = [], []
        try:
            pieces = Pieces(page)
            for index, (at, count) in enumerate(zip(page.dataoffsets, counts, strict=True)):
                offsets.append(out.tell() if count else 0)
                file.filehandle.seek(at)
                written.append(pieces.copy(file.filehandle, out, index, count))
        except (Damaged, zlib.error, lzma.LZMAError) as error:
            return {"refused": "tiff_unreadable", "because": str(error)}
        _write_tags(out, page, offsets, written, pieces.tables, big=big)
        return {"byte_size": out.seek(0, 2)}


def _write_tags(
    out: IO[bytes],
    page: Any,
    offsets: Sequence[int],
    counts: Sequence[int],
    jpeg_tables: bytes | None,
    *,
    big: bool,
) -> None:
    """Write the only directory, and say in the header where it is."""
    wide = LONG8 if big else LONG
    samples = int(page.samplesperpixel)
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (LONG, [page.imagewidth]),
        257: (LONG, [page.imagelength]),
        258: (SHORT, [8] * samples),
        259: (SHORT, [page.compression]),
        262: (SHORT, [page.photometric]),
        277: (SHORT, [samples]),
        284: (SHORT, [1]),
        317: (SHORT, [page.predictor]),
    }
    if page.is_tiled:
        tags |= {322: (LONG, [page.tilewidth]), 323: (LONG, [page.tilelength])}
        tags |= {324: (wide, offsets), 325: (wide, counts)}
    else:
        tags |= {273: (wide, offsets), 278: (LONG, [page.rowsperstrip]), 279: (wide, counts)}
    if samples == 4:
        tags[338] = (SHORT, [2])  # alpha, not associated: the colours are shown as they are
    if jpeg_tables:
        tags[347] = (UNDEFINED, jpeg_tables)
    if page.photometric == LUMA_CHROMA:
        tags[530] = (SHORT, page.subsampling or (2, 2))
    entries = []
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}{FORMATS[kind]}", *(int(each) for each in values))
        if len(packed) > (8 if big else 4):
            out.seek(out.seek(0, 2) % 2, 1)  # on an even byte
            at = out.tell()
            out.write(packed)
            packed = struct.pack("<Q" if big else "<I", at)
        entries.append(
            struct.pack("<HHQ" if big else "<HHI", tag, kind, len(values))
            + packed.ljust(8 if big else 4, b"\0")
        )
    out.seek(out.seek(0, 2) % 2, 1)
    directory = out.tell()
    out.write(struct.pack("<Q" if big else "<H", len(entries)) + b"".join(entries))
    out.write(bytes(8 if big else 4))
    out.seek(8 if big else 4)
    out.write(struct.pack("<Q" if big else "<I", directory))


if __name__ == "__main__":
    answer(
        lambda: copy_picture(Path(sys.argv[1]), Path(sys.argv[2])),
        memory=int(sys.argv[3]),
        seconds=int(sys.argv[4]),
    )
