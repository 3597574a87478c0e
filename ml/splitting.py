"""Divide a folder of class folders into parts that share no picture.

Before anything is divided, what would make the figures of a test lie is dropped: files that do not
open, second copies of the same bytes (SHA-256), and all copies of bytes that lie under two labels.
Every dropped file is listed with its reason. The division is made within each class, by the order
of the SHA-256 of ``SEED/CLASS/NAME``, which is the same on every machine and every Python.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml.data import (
    LabelledFiles,
    list_pictures,
    open_picture,
    order_key,
    progress,
    read_folder,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = ("train", "validation", "test")
DROPPED_NAME = "dropped.csv"


@dataclass(frozen=True)
class Dropped:
    """A file left out.

    Attributes:
        path: relative to the source folder.
        reason: ``unreadable``, ``not named as a picture``, ``duplicate`` or ``conflicting label``.
        detail: the error, or the file it is the same as.
    """

    path: Path
    reason: str
    detail: str


@dataclass(frozen=True)
class Split:
    """What :func:`split` decided.

    Attributes:
        parts: name of the part to its files, relative to the source folder, sorted.
        dropped: files left out, sorted by path.
    """

    parts: dict[str, tuple[Path, ...]]
    dropped: tuple[Dropped, ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of pictures per part and class."""
        return {
            part: dict(sorted(Counter(path.parent.name for path in paths).items()))
            for part, paths in self.parts.items()
        }


def clean(files: LabelledFiles, root: Path) -> tuple[list[Path], list[Dropped]]:
    """Leave out unreadable files, second copies, and bytes under two labels.

    Args:
        files: what :func:`ml.data.read_folder` found.
        root: the source folder.

    Returns:
        The paths kept and the files dropped, relative to ``root``.
    """
    dropped: list[Dropped] = []
    same: dict[str, list[Path]] = defaultdict(list)
    for path in progress(files.paths, title="reading"):
        relative = path.relative_to(root)
        try:
            open_picture(path)
        except ValueError as error:
            dropped.append(Dropped(relative, "unreadable", str(error)))
            continue
        same[hashlib.sha256(path.read_bytes()).hexdigest()].append(relative)
    kept: list[Path] = []
    for copies in same.values():
        copies.sort()
        if len({copy.parent for copy in copies}) > 1:
            others = " ".join(str(copy) for copy in copies)
            dropped += [Dropped(copy, "conflicting label", others) for copy in copies]
            continue
        kept.append(copies[0])
        dropped += [Dropped(copy, "duplicate", str(copies[0])) for copy in copies[1:]]
    return sorted(kept), sorted(dropped, key=lambda item: item.path)


def _other_files(root: Path) -> list[Dropped]:
    """List what lies in the class folders and is not taken for a picture, hidden files apart."""
    found = []
    for folder in root.iterdir():
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        pictures = set(list_pictures(folder))
        for path in folder.iterdir():
            if path not in pictures and not path.name.startswith("."):
                detail = "a folder in a class folder" if path.is_dir() else path.suffix
                found.append(Dropped(path.relative_to(root), "not named as a picture", detail))
    return found


def divide(names: Sequence[Path], *, ratio: Sequence[float], seed: int) -> dict[str, list[Path]]:
    """Divide the files of one class.

    The validation part is the front of the shuffled order, the test part follows it, the rest is
    for training: two shares of 0.9 and 0.1 hold out what :func:`ml.data.hold_out` does with 0.1.

    Args:
        names: ``CLASS/NAME`` paths.
        ratio: shares of train, validation and (with three) test; they add up to 1.
        seed: as for :func:`ml.data.order_key`.

    Returns:
        Name of the part to its files, sorted.
    """
    ordered = sorted(names, key=lambda path: order_key(path.parent.name, path.name, seed=seed))
    parts: dict[str, list[Path]] = {}
    start = 0
    for part, share in zip(PARTS[1:], ratio[1:], strict=False):
        end = min(start + round(len(ordered) * share), len(ordered))
        parts[part] = sorted(ordered[start:end])
        start = end
    return {PARTS[0]: sorted(ordered[start:]), **parts}


def split(root: str | os.PathLike[str], *, ratio: Sequence[float], seed: int) -> Split:
    """Decide where every picture of a folder goes; nothing is written.

    Args:
        root: folder with one sub-folder per class.
        ratio: two or three shares that add up to 1: train, validation and test.
        seed: another seed gives another division.

    Returns:
        The parts and the files left out.

    Raises:
        ValueError: for a ratio that is none, or a folder that :func:`ml.data.read_folder` refuses.
    """
    # Said so that NaN, which every comparison denies, is refused too.
    adds_up = len(ratio) in (2, 3) and min(ratio) >= 0 and abs(sum(ratio) - 1.0) <= 1e-6
    if not adds_up or not ratio[0]:
        raise ValueError(f"the ratio must be two or three shares that add up to 1, not {ratio}")
    folder = Path(root)
    kept, dropped = clean(read_folder(folder), folder)
    dropped = sorted([*dropped, *_other_files(folder)], key=lambda item: item.path)
    by_class: dict[str, list[Path]] = defaultdict(list)
    for path in kept:
        by_class[path.parent.name].append(path)
    parts: dict[str, list[Path]] = {part: [] for part in PARTS[: len(ratio)]}
    for names in by_class.values():
        for part, chosen in divide(names, ratio=ratio, seed=seed).items():
            parts[part] += chosen
    return Split({part: tuple(sorted(paths)) for part, paths in parts.items()}, tuple(dropped))


def write_split(
    root: str | os.PathLike[str], target: str | os.PathLike[str], result: Split, *, link: bool
) -> None:
    """Write the parts as folders of class folders, and the list of dropped files.

    The folder appears under its name only when it is whole.

    Args:
        root: the source folder.
        target: the folder to make; it must not exist or be empty.
        result: what :func:`split` returned for ``root``.
        link: make symbolic links instead of copies.

    Raises:
        ValueError: when the target holds something.
    """
    source, destination = Path(root).resolve(), Path(target)
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise ValueError(f"{destination}: it exists and is not empty; choose another folder")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{destination.name}-", dir=destination.parent
    ) as temporary:
        draft = Path(temporary) / "parts"
        for part, paths in result.parts.items():
            for path in progress(paths, title=f"writing {part}"):
                place = draft / part / path
                place.parent.mkdir(parents=True, exist_ok=True)
                if link:
                    place.symlink_to(source / path)
                else:
                    shutil.copyfile(source / path, place)
        draft.mkdir(exist_ok=True)
        with (draft / DROPPED_NAME).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["file", "reason", "detail"])
            writer.writerows(
                [item.path.as_posix(), item.reason, item.detail] for item in result.dropped
            )
        if destination.exists():
            destination.rmdir()
        draft.rename(destination)
