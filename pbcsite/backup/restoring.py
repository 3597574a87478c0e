"""Bring an archive back onto an empty site: all of it or nothing.

The archive is read through and checked before anything is touched. Files go first, then all rows in
one transaction; whatever fails takes the files away again. A process that is killed leaves files no
row knows and an empty database: the same command goes on from there.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models.query import QuerySet

from pbcsite.backup import rows
from pbcsite.backup.container import BackupError, Frame, Reader, damaged, truncated
from pbcsite.backup.writing import FORMAT, body_of, digested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A site is empty while nobody and nothing is in these.
MUST_BE_EMPTY = ("cases.User", "cases.Laboratory", "cases.Patient", "cases.SmearCase",
                 "audit.AuditEntry", "classifier.ModelVersion")  # fmt: skip


@dataclass
class Contents:
    """A checked archive.

    Attributes:
        start: when and from what it was made.
        tables: where each table's rows lie.
        files: where each stored file lies, by its name.
        bundles: where the files of each bundle lie, by bundle and file.
        rows: how many rows each table has.
        missing: what was not there any more when it was made.
    """

    start: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Frame] = field(default_factory=dict)
    files: dict[str, Frame] = field(default_factory=dict)
    bundles: dict[tuple[str, str], Frame] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def examine(stream: IO[bytes], passphrase: str) -> tuple[Reader, Contents]:
    """Read the whole archive, proving every byte.

    Raises:
        BackupError: ``not_an_archive``, ``wrong_passphrase``, ``truncated``, ``damaged``,
            ``other_format``.
    """
    reader = Reader(stream, passphrase)
    found = Contents()
    digests: list[str] = []
    told: list[str] | None = None
    for frame in reader.frames():
        head, digest = digested(reader.content(frame))
        match head["kind"]:
            case "start":
                found.start = json.loads(body_of(reader, frame))
                if found.start["format"] != FORMAT:
                    raise BackupError("other_format", "The archive is of another version's form.")
            case "table":
                found.tables[head["name"]] = frame
            case "list":
                listed = json.loads(body_of(reader, frame))
                found.rows = listed["rows"]
            case "file":
                found.files[head["name"]] = frame
            case "bundle":
                bundle, _nul, name = head["name"].partition("\0")
                found.bundles[bundle, name] = frame
            case "end":
                end = json.loads(body_of(reader, frame))
                told, found.missing = end["digests"], end["missing"]
                break
        digests.append(digest)
    if told is None:
        raise truncated("before its end")
    if told != digests:
        raise damaged("as a whole: its parts are not those it was made of")
    return reader, found


def restore(
    *, source: Path, passphrase: str, say: Callable[[str], None] = lambda line: None
) -> Contents:
    """Check the archive and the site, then bring everything back.

    Raises:
        BackupError: as :func:`examine`; ``not_empty``, ``other_migrations``, ``other_columns``,
            ``file_in_the_way``, ``bundle_in_the_way``, ``not_stored``.
    """
    with source.open("rb") as stream:
        reader, found = examine(stream, passphrase)
        say(f"The archive of {found.start['made_at']} is whole.")
        _check_site(found)
        bundles = _plan_bundles(reader, found)
        stored: list[str] = []
        placed: list[Path] = []
        try:
            _store_files(reader, found, stored, say)
            _place_bundles(reader, bundles, placed)
            _insert(reader, found)
        except BaseException as error:
            for name in stored:
                default_storage.delete(name)
            for folder in placed:
                shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, (DatabaseError, OSError)):
                raise BackupError(
                    "not_stored", f"Nothing was restored; everything was taken back. {error}"
                ) from error
            raise
    return found


def _check_site(found: Contents) -> None:
    here = rows.applied_migrations()
    there = found.start["migrations"]
    if here != there:
        raise BackupError(
            "other_migrations",
            "The archive was made by another version of the site. Install that version, migrate, "
            "restore, and update then. "
            f"Only in the archive: {', '.join(sorted({*there} - {*here})) or 'none'}. "
            f"Only here: {', '.join(sorted({*here} - {*there})) or 'none'}.",
        )
    full = [label for label in MUST_BE_EMPTY if QuerySet(apps.get_model(label)).exists()]
    if full:
        raise BackupError(
            "not_empty",
            f"This site is not empty (rows in {', '.join(full)}), and a restore replaces nothing. "
            "Restore onto a new database.",
        )


def _body(reader: Reader, frame: Frame) -> Iterator[bytes]:
    """A segment's content without its header."""
    held, headed = b"", False
    for piece in reader.content(frame):
        if headed:
            yield piece
            continue
        held += piece
        if b"\n" in held:
            headed = True
            yield held.partition(b"\n")[2]


def _lines(reader: Reader, frame: Frame) -> Iterator[bytes]:
    held = b""
    for piece in _body(reader, frame):
        *whole, held = (held + piece).split(b"\n")
        yield from whole
    if held:
        yield held


def _store_files(
    reader: Reader, found: Contents, stored: list[str], say: Callable[[str], None]
) -> None:
    for number, (name, frame) in enumerate(found.files.items(), start=1):
        with tempfile.SpooledTemporaryFile(max_size=32 * 1024**2) as content:
            for piece in _body(reader, frame):
                content.write(piece)
            content.seek(0)
            if default_storage.exists(name):
                with default_storage.open(name, "rb") as there:
                    if not _same(content, there):
                        raise BackupError(
                            "file_in_the_way",
                            f"The storage holds another file named {name}. Empty it first.",
                        )
                continue
            kept = default_storage.save(name, File(content, name=name))
            stored.append(kept)
            if kept != name:
                raise BackupError("not_stored", f"The storage would not keep the name {name}.")
        if number % 1000 == 0:
            say(f"{number} of {len(found.files)} files are back.")


def _same(first: Any, second: Any) -> bool:
    while True:
        mine, other = first.read(65536), second.read(65536)
        if mine != other:
            return False
        if not mine:
            return True


def _plan_bundles(reader: Reader, found: Contents) -> dict[str, dict[str, Frame]]:
    """The bundles that are not here yet.

    Raises:
        BackupError: ``bundle_in_the_way`` when one is here and is another.
    """
    by_bundle: dict[str, dict[str, Frame]] = {}
    for (bundle, name), frame in found.bundles.items():
        _inside(name)
        by_bundle.setdefault(bundle, {})[name] = frame
    wanted = {}
    for bundle, files in by_bundle.items():
        folder = Path(settings.MODEL_BUNDLES_DIR) / bundle
        if not folder.exists():
            wanted[bundle] = files
            continue
        for name, frame in files.items():
            there = folder / name
            if not there.is_file() or there.read_bytes() != b"".join(_body(reader, frame)):
                raise BackupError(
                    "bundle_in_the_way",
                    f"{folder} is another bundle than the archive's. Move it away.",
                )
    return wanted


def _inside(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise damaged(f"at the name {name!r}")


def _place_bundles(reader: Reader, wanted: dict[str, dict[str, Frame]], placed: list[Path]) -> None:
    for bundle, files in wanted.items():
        folder = Path(settings.MODEL_BUNDLES_DIR) / bundle
        placed.append(folder)
        for name, frame in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                for piece in _body(reader, frame):
                    stream.write(piece)


def _insert(reader: Reader, found: Contents) -> None:
    """All rows in one transaction; counts and foreign keys are checked before it is committed."""
    models = rows.tables()
    with transaction.atomic():
        rows.empty(models)
        for model in models:
            label = model._meta.label
            number = rows.load(model, _lines(reader, found.tables[label]))
            if number != found.rows[label]:
                raise damaged(f"in the table {label}")
        rows.reset_sequences(models)
        try:
            connection.check_constraints()
        except IntegrityError as error:
            raise damaged("in what its rows point to") from error
