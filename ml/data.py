"""Labelled pictures on disk: a folder with one sub-folder per class, the names being the labels.

Decoding is most of what reading costs, so the pictures of a run are decoded once, resized by
:func:`ml.preprocessing.prepare` and kept as one array on disk that is mapped, not loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image, ImageOps

from ml.preprocessing import FULL_CHROMA, HALF_CHROMA, network_view

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

Item = TypeVar("Item")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class LabelledFiles:
    """Pictures and what they show.

    Attributes:
        classes: codes of the classes, in the order of the labels.
        paths: one per picture.
        labels: int64 array (n,), index into ``classes``.
    """

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indexes: NDArray[np.int64]) -> LabelledFiles:
        """Return the pictures at these places, in this order."""
        return LabelledFiles(
            self.classes, tuple(self.paths[index] for index in indexes), self.labels[indexes]
        )

    def without(self, paths: Collection[Path]) -> LabelledFiles:
        """Return the pictures that are none of these files, links followed.

        Raises:
            ValueError: when none is left.
        """
        kept = [index for index, path in enumerate(self.paths) if path.resolve() not in paths]
        if not kept:
            raise ValueError("no pictures are left once those of the other folder are taken out")
        return self.take(np.array(kept, np.int64))

    def at_most(self, per_class: int, *, seed: int) -> LabelledFiles:
        """Return the first pictures of every class in their shuffled order, see `order_key`."""
        kept: list[int] = []
        for label, name in enumerate(self.classes):
            members = [int(index) for index in np.flatnonzero(self.labels == label)]
            members.sort(key=lambda i: order_key(name, self.paths[i].name, seed=seed))
            kept += members[:per_class]
        return self.take(np.array(sorted(kept), np.int64))


def read_folder(
    root: str | os.PathLike[str], *, classes: Sequence[str] | None = None
) -> LabelledFiles:
    """List a folder of class folders; nothing is decoded.

    Args:
        root: the folder; hidden files and files not named as pictures are left out.
        classes: codes in the order wanted; a sub-folder of another name is an error, a class
            without a folder has no pictures. The sorted names of the sub-folders when None.

    Returns:
        The files, sorted by class and name.

    Raises:
        ValueError: when there is no such folder, it holds no class folders or no pictures, or a
            sub-folder is not one of ``classes``.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    found = sorted(
        item.name for item in folder.iterdir() if item.is_dir() and not item.name.startswith(".")
    )
    if not found:
        raise ValueError(f"{folder}: it holds no sub-folders; make one for each class")
    if classes is None:
        classes = found
    elif unknown := [name for name in found if name not in classes]:
        raise ValueError(
            f"{folder}: the sub-folders {', '.join(unknown)} are no classes of this model; "
            f"it knows {', '.join(classes)}"
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if name not in found:
            continue
        for path in list_pictures(folder / name):
            paths.append(path)
            labels.append(label)
    if not paths:
        raise ValueError(f"{folder}: its class folders hold no pictures")
    return LabelledFiles(tuple(classes), tuple(paths), np.array(labels, np.int64))


def list_pictures(folder: Path) -> list[Path]:
    """Return the files directly in a folder whose names are those of pictures, sorted."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def order_key(label: str, name: str, *, seed: int) -> str:
    """Where a file stands in the shuffled order of its class, the same on every machine.

    Args:
        label: name of the class.
        name: name of the file.
        seed: another seed gives another order.

    Returns:
        The SHA-256 of ``SEED/LABEL/NAME`` as hexadecimal digits.
    """
    return hashlib.sha256(f"{seed}/{label}/{name}".encode()).hexdigest()


def hold_out(files: LabelledFiles, *, share: float, seed: int) -> NDArray[np.bool_]:
    """Choose a stratified part of the pictures by the hash of their names.

    Args:
        files: pictures and labels.
        share: of every class, rounded to whole pictures, in (0, 1).
        seed: as for :func:`order_key`.

    Returns:
        True for the pictures held out; bool array (n,).

    Raises:
        ValueError: when the share is outside (0, 1).
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"the share held out must lie between 0 and 1, not {share}")
    held = np.zeros(len(files), bool)
    for label, name in enumerate(files.classes):
        members = np.flatnonzero(files.labels == label)
        ordered = sorted(members, key=lambda i: order_key(name, files.paths[i].name, seed=seed))
        held[ordered[: round(len(ordered) * share)]] = True
    return held


def open_picture(path: Path) -> Image.Image:
    """Decode a file to an upright RGB image.

    Raises:
        ValueError: naming the file, when it is not a whole picture.
    """
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: it cannot be opened as a picture ({error})") from error


def frames_of(
    paths: Sequence[Path],
    *,
    size: int,
    crop: float,
    version: str,
    cache: Path,
    title: str = "decoding",
) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Decode and resize pictures once; later calls map the file kept in ``cache``.

    Args:
        paths: the pictures.
        size: side of the frames in pixels.
        crop: as for :func:`ml.preprocessing.prepare`.
        version: of the contract in :mod:`ml.preprocessing`.
        cache: folder of the kept arrays.
        title: shown before the progress bar.

    Returns:
        A read-only mapped array (n, size, size, 3), RGB, unsigned bytes.

    Raises:
        ValueError: naming the first file that cannot be opened.
    """
    # The first two versions differ in what happens inside the graph alone.
    identity = [FULL_CHROMA if version == HALF_CHROMA else version, size, crop]
    identity += [[str(path.resolve()), *_fingerprint(path)] for path in paths]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    kept = cache / f"frames-{size}-{digest}.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        draft = cache / f".{kept.name}.{os.getpid()}"
        frames = np.lib.format.open_memmap(
            draft, mode="w+", dtype=np.uint8, shape=(len(paths), size, size, 3)
        )
        for index, path in enumerate(progress(paths, title=title)):
            frames[index] = network_view(open_picture(path), size=size, crop=crop, version=version)
        frames.flush()
        del frames
        draft.replace(kept)
    mapped: np.memmap[Any, np.dtype[np.uint8]] = np.load(kept, mmap_mode="r")
    return mapped


def progress(items: Sequence[Item], *, title: str) -> Iterable[Item]:
    """Iterate with a progress bar on standard error, drawn on terminals only."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(items, description=title, console=console, disable=not console.is_terminal)


def _fingerprint(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
