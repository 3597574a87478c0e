"""Write an archive, or go on with one that was interrupted."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from cases.audit.models import key_id_of, present_key
from classifier.inference import bundle_folder
from classifier.models import DetectorVersion, ModelVersion
from pbcsite.backup import rows
from pbcsite.backup.container import CHUNK, BackupError, Frame, Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FORMAT = 1
PART = ".part"
SHORTEST = 12


@dataclass
class Report:
    """What an archive holds.

    Attributes:
        rows: by table.
        files: how many, bundles' files included.
        missing: stored files that rows name and the storage does not have.
        resumed: segments that were there from an interrupted run.
    """

    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    missing: list[str] = field(default_factory=list)
    resumed: int = 0


@dataclass(frozen=True)
class Item:
    """One file to take along: of the storage, or of a model's bundle."""

    kind: str
    name: str


def check_passphrase(passphrase: str) -> str:
    """Refuse one that anybody could guess.

    Raises:
        BackupError: ``weak_passphrase``.
    """
    if len(passphrase) < SHORTEST:
        raise BackupError(
            "weak_passphrase", f"The passphrase must have at least {SHORTEST} characters."
        )
    return passphrase


def write(
    *, target: Path, passphrase: str, say: Callable[[str], None] = lambda line: None
) -> Report:
    """Make the archive; it bears its name only once it is whole.

    An earlier run that was interrupted left ``target.part``: its tables and files are taken over.

    Raises:
        BackupError: ``exists``, ``weak_passphrase``, ``wrong_passphrase`` (of the part).
    """
    check_passphrase(passphrase)
    if target.exists():
        raise BackupError("exists", f"{target} is there already. Choose another name.")
    part = target.with_name(target.name + PART)
    report = Report()
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as stream:
        work = _resume(stream, passphrase, report, say) or _begin(stream, passphrase, report, say)
        _add_files(work, report, say)
        end = {"digests": work.digests, "missing": report.missing}
        work.add("end", "", [json.dumps(end).encode()], counted=False)
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(target)
    return report


class Work:
    """Segments with their headers, and what has been written so far."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.digests: list[str] = []
        self.items: list[Item] = []
        self.done: set[Item] = set()

    def add(self, kind: str, name: str, content: Iterable[bytes], *, counted: bool = True) -> None:
        digest = self.writer.add(_headed(kind, name, content))
        if counted:
            self.digests.append(digest)


def _headed(kind: str, name: str, content: Iterable[bytes]) -> Iterator[bytes]:
    yield json.dumps({"kind": kind, "name": name}).encode() + b"\n"
    yield from content


def _begin(stream: IO[bytes], passphrase: str, report: Report, say: Callable[[str], None]) -> Work:
    """All tables as they are at one moment, then the list of files they name."""
    stream.seek(0)
    stream.truncate()
    work = Work(Writer.begin(stream, passphrase))
    work.add("start", "", [json.dumps(_start()).encode()])
    with rows.one_moment():
        for model in rows.tables():
            label = model._meta.label
            counted = _Counted(rows.dump(model))
            work.add("table", label, counted)
            report.rows[label] = counted.number - 1
            work.items += [Item("file", name) for name in rows.file_names(model)]
        versions: list[Any] = [*ModelVersion.objects.all(), *DetectorVersion.objects.all()]
    for version in versions:
        folder = bundle_folder(version)
        files = sorted(each for each in folder.rglob("*") if each.is_file())
        if not files:
            work.items.append(Item("bundle", f"{version.bundle}\0model.json"))  # told as missing
        for each in files:
            name = f"{version.bundle}\0{each.relative_to(folder)}"
            if Item("bundle", name) not in work.items:
                work.items.append(Item("bundle", name))
    listed = {
        "items": [[each.kind, each.name] for each in work.items],
        "rows": report.rows,
    }
    work.add("list", "", [json.dumps(listed).encode()])
    say(f"{sum(report.rows.values())} rows of {len(report.rows)} tables are written.")
    return work


class _Counted:
    """Passes lines on and counts them."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.lines = lines
        self.number = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self.lines:
            self.number += 1
            yield line


def _start() -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made_at": timezone.now().isoformat(),
        "migrations": rows.applied_migrations(),
        "audit_key": key_id_of(present_key()),
        "bundles": str(settings.MODEL_BUNDLES_DIR),
    }


def _resume(
    stream: IO[bytes], passphrase: str, report: Report, say: Callable[[str], None]
) -> Work | None:
    """Take over what an interrupted run wrote, when its tables are complete; else None.

    Tables are of one moment, so they are taken over together or not at all. Files never change, so
    each that is there is right.
    """
    if stream.seek(0, os.SEEK_END) == 0:
        return None
    stream.seek(0)
    reader = Reader(stream, passphrase)
    work = Work(Writer(stream, reader.keys))
    end = None
    try:
        for frame in reader.frames():
            head, digest = digested(reader.content(frame))
            if head["kind"] == "end":
                break
            if head["kind"] == "list":
                listed = json.loads(body_of(reader, frame))
                work.items = [Item(*each) for each in listed["items"]]
                report.rows = listed["rows"]
            elif head["kind"] in ("file", "bundle"):
                work.done.add(Item(head["kind"], head["name"]))
            work.digests.append(digest)
            end = frame.end
            work.writer.index = frame.index + 1
    except BackupError as error:
        if error.code not in ("truncated", "damaged"):
            raise
    if not work.items and not report.rows:
        return None
    assert end is not None  # noqa: S101 - the list was one of the segments
    stream.seek(end)
    stream.truncate()
    report.resumed = work.writer.index
    report.files = len(work.done)
    say(f"Going on after {report.resumed} segments of an interrupted run.")
    return work


def digested(pieces: Iterator[bytes]) -> tuple[dict[str, str], str]:
    """Read a segment through: its header, and the SHA-256 of all of it."""
    digest = hashlib.sha256()
    head = b""
    for piece in pieces:
        digest.update(piece)
        if b"\n" not in head:
            head += piece.partition(b"\n")[0] + b"\n" * (b"\n" in piece)
    return json.loads(head), digest.hexdigest()


def body_of(reader: Reader, frame: Frame) -> bytes:
    """A small segment's content without its header."""
    return b"".join(reader.content(frame)).partition(b"\n")[2]


def _add_files(work: Work, report: Report, say: Callable[[str], None]) -> None:
    for number, item in enumerate(work.items, start=1):
        if item in work.done:
            continue
        try:
            with _opened(item) as stream:
                work.add(item.kind, item.name, iter(lambda: stream.read(CHUNK), b""))
        except FileNotFoundError:
            report.missing.append(item.name.replace("\0", "/"))
            continue
        report.files += 1
        if number % 1000 == 0:
            say(f"{number} of {len(work.items)} files are written.")


def _opened(item: Item) -> Any:
    if item.kind == "file":
        return default_storage.open(item.name, "rb")
    bundle, _nul, name = item.name.partition("\0")
    return (Path(settings.MODEL_BUNDLES_DIR) / bundle / name).open("rb")
