"""Tables and archives written piece by piece, so that their size never has to fit in memory."""

from __future__ import annotations

import csv
import zipfile
from typing import TYPE_CHECKING, Any

from django.core.serializers.json import DjangoJSONEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Excel takes a file without it for one in the machine's old code page.
BYTE_ORDER_MARK = "\ufeff"
# What a spreadsheet may take for the beginning of a formula (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
ROWS_AT_ONCE = 200


def spreadsheet_safe(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would run; numbers stay as they are."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


class _Lines:
    """A file for the csv module that hands on what is written."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)

    def take(self) -> bytes:
        text = "".join(self.written)
        self.written.clear()
        return text.encode()


def csv_stream(headings: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Write a CSV file (RFC 4180, UTF-8 with a byte order mark) as its rows come."""
    lines = _Lines()
    lines.write(BYTE_ORDER_MARK)
    writer = csv.writer(lines)
    writer.writerow([spreadsheet_safe(str(each)) for each in headings])
    for number, row in enumerate(rows, start=1):
        writer.writerow([spreadsheet_safe(each) for each in row])
        if number % ROWS_AT_ONCE == 0:
            yield lines.take()
    yield lines.take()


def json_stream(head: dict[str, Any], name: str, rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Write one JSON object as its rows come: the head's members, then the list ``name``."""
    encoder = DjangoJSONEncoder(ensure_ascii=False)
    begun = encoder.encode(head)
    yield f"{begun[:-1]}{', ' if head else ''}{encoder.encode(name)}: [".encode()
    separator = "\n"
    for row in rows:
        yield f"{separator}{encoder.encode(row)}".encode()
        separator = ",\n"
    yield b"\n]}\n"


class _Pieces:
    """A file for the zipfile module that cannot be wound back and hands on what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: Any) -> int:
        self.written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        data = b"".join(self.written)
        self.written.clear()
        return data


class ZipStream:
    """A ZIP archive that is sent while it is written: after each entry, take what there is.

    Entries carry no time of their own: it would tell when the files were looked at.
    """

    def __init__(self) -> None:
        self._pieces = _Pieces()
        self._archive = zipfile.ZipFile(self._pieces, "w")  # type: ignore[call-overload]

    def folder(self, name: str) -> bytes:
        """Add an empty folder."""
        self._archive.writestr(zipfile.ZipInfo(f"{name}/"), b"")
        return self._pieces.take()

    def stored(self, name: str, data: bytes) -> bytes:
        """Add a file that is compressed already."""
        self._archive.writestr(zipfile.ZipInfo(name), data)
        return self._pieces.take()

    def deflated(self, name: str, parts: Iterable[bytes]) -> Iterator[bytes]:
        """Add a file piece by piece, compressed."""
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        with self._archive.open(entry, "w") as file:
            for part in parts:
                file.write(part)
                if data := self._pieces.take():
                    yield data
        yield self._pieces.take()

    def end(self) -> bytes:
        """Write the archive's index."""
        self._archive.close()
        return self._pieces.take()
