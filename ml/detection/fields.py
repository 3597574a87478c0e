"""Annotated smear fields on disk, laid out as BCCD is: Pascal VOC boxes and list files.

A folder holds ``images/``, ``annotations/`` (one XML file per image) and list files such as
``train.txt`` whose lines name the images without their ending.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.data import SUFFIXES, open_picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CLASSES = ("rbc", "wbc", "platelet")
# What annotators wrote; a name that is not here is an error, not a class left out in silence.
NAMES = {"RBC": "rbc", "WBC": "wbc", "Platelets": "platelet"}
# Annotation files are small; a larger one is another kind of file.
ANNOTATION_MAX_BYTES = 4 * 1024**2
VOC_KEYS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Field:
    """An annotated field.

    Attributes:
        path: of the image.
        boxes: float32 array (n, 4): left, top, right, bottom in pixels of the image, edges between
            pixels, so that a box of one pixel has the width 1.
        labels: int64 array (n,), index into :data:`CLASSES`.
        without_area: boxes of the file left out because their width or height is zero.
    """

    path: Path
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    without_area: int = 0


def find_list(data: Path, part: str | None) -> tuple[Path, str]:
    """Find the folder and the list that are meant.

    Args:
        data: the folder, or a list file in it.
        part: name of the list; when None, the only list there is, or else ``val``.

    Returns:
        The folder and the name of the list without ``.txt``.

    Raises:
        ValueError: when there is no such folder.
    """
    if data.is_file():
        return data.parent, data.stem
    if not data.is_dir():
        raise ValueError(f"{data}: there is no such folder")
    if part is None:
        lists = sorted(data.glob("*.txt"))
        part = lists[0].stem if len(lists) == 1 else "val"
    return data, part


def read_fields(root: Path, *, part: str) -> list[Field]:
    """Read the fields that a list file names.

    Args:
        root: the folder.
        part: name of the list file without ``.txt``.

    Returns:
        The fields in the order of the list.

    Raises:
        ValueError: when the list, an image or an annotation is missing or cannot be used.
    """
    listing = root / f"{part}.txt"
    if not listing.is_file():
        found = ", ".join(sorted(path.stem for path in root.glob("*.txt"))) or "none"
        raise ValueError(f"{listing}: there is no such list file (lists found: {found})")
    names = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
    fields = [read_field(root, name) for name in names if name]
    if not fields:
        raise ValueError(f"{listing}: it names no images")
    return fields


def read_field(root: Path, name: str) -> Field:
    """Read one field.

    Args:
        root: the folder.
        name: of the image, with or without its ending.

    Raises:
        ValueError: naming the file that is missing or cannot be used.
    """
    stem = name.rsplit(".", 1)[0] if name.lower().endswith(tuple(SUFFIXES)) else name
    paths = [root / "images" / f"{stem}{suffix}" for suffix in sorted(SUFFIXES)]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ValueError(f"{root / 'images' / stem}: there is no image of this name")
    boxes, labels, without_area = read_annotation(root / "annotations" / f"{stem}.xml")
    return Field(path, boxes, labels, without_area)


def read_annotation(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
    """Read the boxes of a Pascal VOC file.

    VOC counts pixels from 1 and includes both ends (Everingham et al., 2010): a box from 3 to 5
    covers three pixels, here from edge 2 to edge 5.

    Returns:
        Boxes and labels as in :class:`Field`, and the number of boxes left out for want of an area.

    Raises:
        ValueError: when the file is missing, is no such annotation, or names an unknown class.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such annotation")
    if path.stat().st_size > ANNOTATION_MAX_BYTES:
        raise ValueError(f"{path}: it is too large for an annotation")
    text = path.read_text(encoding="utf-8", errors="replace")
    if "<!ENTITY" in text:
        raise ValueError(f"{path}: an annotation must not declare entities")
    try:
        tree = ElementTree.fromstring(text)  # nosec B314 # noqa: S314 - refused above
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: this is not XML ({error})") from error
    boxes, labels, without_area = [], [], 0
    for item in tree.iter("object"):
        written = (item.findtext("name") or "").strip()
        if written not in NAMES:
            raise ValueError(
                f"{path}: the class {written!r} is unknown; known are {', '.join(NAMES)}"
            )
        try:
            values = [float(item.findtext(f"bndbox/{key}", "")) for key in VOC_KEYS]
        except ValueError as error:
            raise ValueError(f"{path}: a box does not hold four numbers") from error
        left, top, right, bottom = values
        if right <= left or bottom <= top:
            without_area += 1
            continue
        boxes.append((left - 1, top - 1, right, bottom))
        labels.append(CLASSES.index(NAMES[written]))
    return (
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        without_area,
    )


def field_pixels(path: Path) -> NDArray[np.uint8]:
    """Decode a field, (height, width, 3), RGB bytes.

    Raises:
        ValueError: when it cannot be opened.
    """
    return np.asarray(open_picture(path))


def hold_out_fields(
    fields: Sequence[Field], *, share: float, seed: int
) -> tuple[list[Field], list[Field]]:
    """Part fields by the hash of their names, the same on every machine.

    Args:
        fields: to be parted.
        share: held out, rounded to whole fields, at least one.
        seed: another seed gives another part.

    Returns:
        The fields to learn from and those held out.

    Raises:
        ValueError: when either part would be empty.
    """
    ordered = sorted(
        fields, key=lambda field: hashlib.sha256(f"{seed}/{field.path.name}".encode()).hexdigest()
    )
    count = max(1, round(len(ordered) * share))
    if not 0.0 < share < 1.0 or count >= len(ordered):
        raise ValueError(f"{share:.0%} of {len(ordered)} fields cannot be held out")
    return ordered[count:], ordered[:count]
