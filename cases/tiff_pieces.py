"""Pieces of a TIFF (tiles or strips), looked through on their way into a copy.

Compressed ones are undone once, in bounded memory: one that is damaged, or holds more or less than
its place in the picture, must not be met by a worker. They are copied as they are, but for JPEG:
a JPEG piece is a file of its own, and what it carries beside the coded picture stays behind.

After the TIFF 6.0 specification (Adobe, 1992), its Technical Note 2 (1995) on JPEG, and ISO/IEC
10918-1, annex B.
"""

from __future__ import annotations

import lzma
import zlib
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_BYTES = 1024**2
NONE, LZW, JPEG, DEFLATE, LZMA, PACKBITS = 1, 5, 7, (8, 32946), 34925, 32773
# How much longer than its content an honest piece can be, besides a margin. PackBits adds a byte
# to 128; LZW writes a code of 12 bits for a byte at worst; what JPEG's codes for a value take at
# worst, 26 bits, no real picture comes near.
LONGEST = {PACKBITS: 1 + 1 / 64, LZW: 1.6, JPEG: 4.0}
MARGIN = 64 * 1024
# Markers of JPEG: tables, a frame with Huffman codes of which each place comes once, its scans.
TABLES = (0xDB, 0xC4, 0xDD)
FRAMES = (0xC0, 0xC1)
START, END, SCAN, JFIF, ADOBE, COMMENT = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE, 0xFE
APPLICATION = range(0xE0, 0xF0)


class Damaged(Exception):
    """A piece that cannot be what it says it is."""


class Pieces:
    """The pieces of one page.

    Attributes:
        tables: of all JPEG pieces, cleaned; None where there are none.
    """

    def __init__(self, page: Any) -> None:
        """Look at a page of tifffile.

        Raises:
            Damaged: when the tables of its JPEG pieces are none.
        """
        self._page = page
        self._compression = int(page.compression)
        self._columns = int(page.tilewidth if page.is_tiled else page.imagewidth)
        rows = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
        self._rows = int(rows)
        self.tables: bytes | None = None
        if self._compression == JPEG and page.jpegtables:
            self.tables = clean_jpeg(bytes(page.jpegtables), tables_alone=True)[0]

    def copy(self, source: Any, out: IO[bytes], index: int, count: int) -> int:
        """Copy the piece that begins where ``source`` stands.

        Args:
            source: the file, at the piece.
            out: is written to.
            index: the number of the piece in its page.
            count: how many bytes the piece has; 0 for one that was left out.

        Returns:
            How many bytes were written.

        Raises:
            Damaged, zlib.error, lzma.LZMAError: when it is not what it should be.
        """
        samples = int(self._page.samplesperpixel)
        most = self._rows * self._columns * samples
        least = most
        if not self._page.is_tiled:
            below = int(self._page.imagelength) - index * self._rows
            least = min(self._rows, below) * self._columns * samples
        longest = LONGEST.get(self._compression)
        if longest and count > most * longest + MARGIN:
            raise Damaged("a piece is longer than what it holds can make it")
        if self._compression == JPEG and count:
            data = b"".join(_parts(source, count))
            return out.write(self._checked_jpeg(data, index))
        held = 0
        for size in self._undone(source, out, count, most):
            held += size
            if held > most:
                raise Damaged(f"a piece holds more than its {most} bytes")
        if count and self._compression not in (NONE, PACKBITS) and held < least:
            raise Damaged(f"a piece holds {held} of {least} bytes")
        return count

    def _undone(self, source: IO[bytes], out: IO[bytes], count: int, most: int) -> Iterator[int]:
        """Copy the bytes, and tell the lengths of what comes out of them."""
        if self._compression == LZW and count:
            data = b"".join(_parts(source, count))
            out.write(data)
            yield _lzw_length(data, most)
            return
        inflate: Any = None
        if self._compression in DEFLATE:
            inflate = zlib.decompressobj()
        elif self._compression == LZMA:
            inflate = lzma.LZMADecompressor()
        for data in _parts(source, count):
            out.write(data)
            if inflate is not None:
                yield from _inflated(inflate, data)
        if count and inflate is not None and not inflate.eof:
            raise Damaged("a piece ends before its end")

    def _checked_jpeg(self, data: bytes, index: int) -> bytes:
        """Return a JPEG piece without anything beside its picture, which was decoded once."""
        data, frame = clean_jpeg(data)
        height, width, samples = frame
        # The frame says how much memory decoding takes.
        if height > self._rows or width > self._columns:
            raise Damaged(f"a JPEG of {width} x {height} in a piece of another size")
        if samples != self._page.samplesperpixel:
            raise Damaged(f"a JPEG of {samples} colours")
        try:
            self._page.decode(data, index, jpegtables=self.tables)
        except MemoryError:
            raise
        except Exception as error:  # the decoder's own kind, and tifffile's for a wrong size
            raise Damaged(str(error)) from error
        return data


def _lzw_length(data: bytes, most: int) -> int:
    """How many bytes LZW data holds; one more than ``most`` where it is more."""
    import imagecodecs

    try:
        return len(imagecodecs.lzw_decode(data, out=most + 1))
    except imagecodecs.LzwError as error:
        raise Damaged(f"LZW: {error}") from error


def clean_jpeg(data: bytes, *, tables_alone: bool = False) -> tuple[bytes, tuple[int, int, int]]:
    """Return a JPEG piece, or the tables for all of them, without comments and metadata.

    Args:
        data: from its start marker to its end marker; what follows is left out.
        tables_alone: no picture may be in it.

    Returns:
        The cleaned bytes; height, width and number of colours of the picture, zeros without one.

    Raises:
        Damaged: when it is cut off, or has anything but tables, one frame, and a scan for each
            colour at most. Progressive frames, which may come with any number of scans, are none
            of TIFF's.
    """
    if data[:2] != bytes((0xFF, START)):
        raise Damaged("a JPEG without its start")
    kept, at = [data[:2]], 2
    frame, scans = (0, 0, 0), 0
    while True:
        at, marker = _next_marker(data, at)
        if marker == END:
            break
        length = int.from_bytes(data[at + 2 : at + 4])
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise Damaged("a JPEG is cut off")
        segment = data[at:end]
        picture = marker == SCAN or marker in FRAMES
        if picture and tables_alone:
            raise Damaged("a picture among the tables of JPEG")
        if marker in FRAMES:
            if any(frame) or length < 8 or segment[4] != 8:
                raise Damaged("a JPEG of several pictures, or not of 8 bits")
            frame = (
                int.from_bytes(segment[5:7]), int.from_bytes(segment[7:9]), segment[9],
            )  # fmt: skip
            if not all(frame):
                raise Damaged("a JPEG without a size")
        elif marker == SCAN:
            scans += 1
            if scans > max(1, frame[2]) or not any(frame):
                raise Damaged("a JPEG with more scans than colours")
            end = _end_of_scan(data, end)
            segment = data[at:end]
        elif marker in APPLICATION or marker == COMMENT:
            # Both say how to read the colours; JFIF counts only where it belongs, at the start.
            says_colours = (marker == JFIF and at == 2 and segment[4:9] == b"JFIF\0") or (
                marker == ADOBE and segment[4:9] == b"Adobe"
            )
            segment = segment if says_colours else b""
        elif marker not in TABLES:
            raise Damaged(f"JPEG's marker {marker:#x}")
        kept.append(segment)
        at = end
    if not tables_alone and not scans:
        raise Damaged("a JPEG without a picture")
    return b"".join([*kept, bytes((0xFF, END))]), frame


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Return where the marker that must stand here begins, and which it is."""
    while data[at : at + 2] == b"\xff\xff":  # fill bytes
        at += 1
    if at + 2 > len(data) or data[at] != 0xFF:
        raise Damaged("a JPEG is cut off")
    return at, data[at + 1]


def _end_of_scan(data: bytes, at: int) -> int:
    """Return where coded data ends: at a marker that is neither stuffing nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise Damaged("a JPEG is cut off")
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


def _parts(source: IO[bytes], count: int) -> Iterator[bytes]:
    while count:
        data = source.read(min(count, READ_BYTES))
        if not data:
            raise Damaged("the file ends within a piece")
        count -= len(data)
        yield data


def _inflated(inflate: Any, data: bytes) -> Iterator[int]:
    """Lengths of what comes out of the next part, never more than ``READ_BYTES`` at once."""
    is_lzma = isinstance(inflate, lzma.LZMADecompressor)
    while not inflate.eof:
        made = inflate.decompress(data, READ_BYTES)
        data = b"" if is_lzma else inflate.unconsumed_tail
        yield len(made)
        if inflate.needs_input if is_lzma else not data and len(made) < READ_BYTES:
            return
