"""Read an uploaded ZIP entry by entry, without trusting a word of it.

No entry is written to disk under its own name, and no more is inflated than the caps allow:
entries, bytes of one entry, ratio of one entry, bytes of all together.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from cases.validators import Rejected, too_large_message

if TYPE_CHECKING:
    from collections.abc import Iterator

ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
CHUNK_BYTES = 64 * 1024
# A central directory is read in one piece: this much of it for each entry allowed.
DIRECTORY_BYTES_PER_ENTRY = 1024
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1
NAME_IS_UTF8 = 0x800
# What file managers add to an archive by themselves.
CLUTTER_FOLDER = "__MACOSX/"
CLUTTER = ("thumbs.db", "desktop.ini", ".ds_store")


def is_archive(file: Any) -> bool:
    """Whether the file's content, not its name, is a ZIP. Leaves the file at its beginning."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head in ZIP_SIGNATURES


def read_entries(file: Any) -> Iterator[tuple[str, bytes | Rejected]]:
    """Yield name and content of every file in a ZIP, or why this entry cannot be taken.

    Folders and what file managers add are passed over.

    Raises:
        Rejected: when nothing of the archive can be taken: ``archive_too_large``,
            ``archive_damaged``, ``archive_too_many_entries`` or ``archive_empty``.
    """
    if file.size > settings.ZIP_MAX_BYTES:
        raise Rejected("archive_too_large", too_large_message(settings.ZIP_MAX_BYTES))
    try:
        archive = zipfile.ZipFile(_CautiousReader(file))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise Rejected(
            "archive_damaged", _("The ZIP is damaged or incomplete; pack it again.")
        ) from error
    with archive:
        if len(archive.infolist()) > settings.ZIP_MAX_ENTRIES:
            raise Rejected(
                "archive_too_many_entries",
                format_lazy(
                    _("The ZIP holds more than {limit} files; pack several smaller ones."),
                    limit=settings.ZIP_MAX_ENTRIES,
                ),
            )
        wanted = [info for info in archive.infolist() if not _is_clutter(info)]
        if not wanted:
            raise Rejected("archive_empty", _("The ZIP holds no file."))
        remaining = settings.ZIP_MAX_TOTAL_BYTES
        for info in wanted:
            content = _read_entry(archive, info, remaining)
            remaining -= len(content) if isinstance(content, bytes) else 0
            yield _entry_name(info), content


class _CautiousReader:
    """The upload, refusing to hand out more at once than an honest archive needs.

    ``zipfile`` reads the central directory in one piece, as long as the archive says it is.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._limit = max(settings.ZIP_MAX_ENTRIES * DIRECTORY_BYTES_PER_ENTRY, CHUNK_BYTES * 2)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._limit + 1 if size < 0 else min(size, self._limit + 1))
        if len(data) > self._limit:
            raise zipfile.BadZipFile("The central directory is too long")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _is_clutter(info: zipfile.ZipInfo) -> bool:
    last = info.filename.rsplit("/", 1)[-1]
    return (
        info.is_dir()
        or info.filename.startswith(CLUTTER_FOLDER)
        or last.startswith("._")
        or last.lower() in CLUTTER
    )


def _entry_name(info: zipfile.ZipInfo) -> str:
    """The entry's name; many archivers write UTF-8 without saying so."""
    if info.flag_bits & NAME_IS_UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _read_entry(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, remaining: int
) -> bytes | Rejected:
    """Inflate one entry, after what it says of itself has been weighed.

    ``zipfile`` never inflates more than the stated size, and a false statement fails the checksum.
    """
    if info.flag_bits & ENCRYPTED:
        return Rejected(
            "entry_encrypted", _("The entry is encrypted; pack the ZIP without a password.")
        )
    if info.compress_type not in METHODS:
        return Rejected(
            "entry_method", _("The entry's compression is not supported; pack an ordinary ZIP.")
        )
    if info.file_size > settings.UPLOAD_MAX_BYTES:
        return Rejected("file_too_large", too_large_message(settings.UPLOAD_MAX_BYTES))
    if info.file_size > settings.ZIP_MAX_RATIO * max(info.compress_size, 1):
        return Rejected(
            "entry_ratio",
            _("The entry is compressed more than any photograph can be; send the picture itself."),
        )
    if info.file_size > remaining:
        return Rejected(
            "archive_total", _("The ZIP unpacks to too much; send the rest in another ZIP.")
        )
    try:
        with archive.open(info) as stream:
            content = b"".join(iter(lambda: stream.read(CHUNK_BYTES), b""))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        refusal = Rejected("entry_damaged", _("The entry is damaged; pack the ZIP again."))
        refusal.__cause__ = error
        return refusal
    if content.startswith(ZIP_SIGNATURES):
        return Rejected(
            "entry_is_archive", _("A ZIP inside a ZIP is not unpacked; send it by itself.")
        )
    if not content:
        return Rejected("empty_file", _("The file is empty; export the picture again."))
    return content
