"""Pictures that are not one stained blood cell, to try a detector of unfamiliar pictures on.

Field pictures with boxes (BCCD, MIT licence) give crops of red-cell background and, apart, white
cells of another laboratory; scikit-image's package gives photographs; the rest is made up.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ml.data import open_picture

if TYPE_CHECKING:
    from collections.abc import Iterable

Box = tuple[int, int, int, int]
SIDE = 224
# Sides of background crops in pixels; a white cell of BCCD is about 200 pixels wide.
BACKGROUND_SIDES = (120, 240)
WHITE_CELL_MARGIN = 1.6
SMALLEST_PHOTOGRAPH = 96
WORDS = "smear accession specimen laboratory monocyte report 2026 mL ×10⁹/L reference interval"


def read_boxes(path: Path) -> list[tuple[str, Box]]:
    """Read the boxes of a Pascal VOC file as (name, (left, top, right, bottom)).

    Raises:
        ValueError: when the file is not one.
    """
    try:
        root = ElementTree.parse(path).getroot()  # nosec B314 # noqa: S314 - files of one's own disk
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: this is not a Pascal VOC file ({error})") from error
    boxes = []
    for item in root.iter("object"):
        corners = [
            int(float(item.findtext(f"bndbox/{corner}", "0")))
            for corner in ("xmin", "ymin", "xmax", "ymax")
        ]
        boxes.append((item.findtext("name", ""), (corners[0], corners[1], corners[2], corners[3])))
    return boxes


def background_crops(
    root: Path, names: Iterable[str], *, seed: int, per_field: int = 2
) -> list[Image.Image]:
    """Cut squares of fields that touch no box of a white cell or platelet.

    Args:
        root: folder with ``images`` and ``annotations``.
        names: of the fields, without suffix.
        seed: of the places.
        per_field: most crops per field; fewer where white cells leave no room.
    """
    generator = np.random.default_rng(seed)
    crops = []
    for name in names:
        field = open_picture(root / "images" / f"{name}.jpg")
        taken = [
            box for kind, box in read_boxes(root / "annotations" / f"{name}.xml") if kind != "RBC"
        ]
        found = 0
        for _attempt in range(40):
            side = int(generator.integers(*BACKGROUND_SIDES))
            left = int(generator.integers(0, field.width - side))
            top = int(generator.integers(0, field.height - side))
            square = (left, top, left + side, top + side)
            if not any(_overlap(square, box) for box in taken):
                crops.append(field.crop(square))
                found += 1
                if found == per_field:
                    break
    return crops


def white_cell_crops(root: Path, names: Iterable[str]) -> list[Image.Image]:
    """Cut the white cells of fields, centred, with the margin a single-cell picture has."""
    crops = []
    for name in names:
        field = open_picture(root / "images" / f"{name}.jpg")
        for kind, (left, top, right, bottom) in read_boxes(root / "annotations" / f"{name}.xml"):
            if kind != "WBC" or right <= left or bottom <= top:
                continue
            side = round(WHITE_CELL_MARGIN * max(right - left, bottom - top))
            x, y = (left + right - side) // 2, (top + bottom - side) // 2
            padded = np.pad(np.asarray(field), ((side, side), (side, side), (0, 0)), "reflect")
            crops.append(Image.fromarray(padded[y + side : y + 2 * side, x + side : x + 2 * side]))
    return crops


def blank_pictures(count: int, *, seed: int) -> list[Image.Image]:
    """Make even surfaces and soft gradients: an empty slide, a closed shutter, a white page."""
    generator = np.random.default_rng(seed)
    pictures = []
    for number in range(count):
        colours = generator.integers(0, 256, (2, 3)) if number % 3 else np.full((2, 3), 255)
        if number % 3 == 1:
            colours[1] = colours[0]
        if number % 6 == 3:
            colours = np.zeros((2, 3))
        slope = np.linspace(0, 1, SIDE)[:, None, None]
        surface = colours[0] * (1 - slope) + colours[1] * slope
        pictures.append(Image.fromarray(np.repeat(surface, SIDE, axis=1).astype(np.uint8)))
    return pictures


def noise_pictures(count: int, *, seed: int) -> list[Image.Image]:
    """Make noise: even, bell-shaped around a colour, and blurred."""
    generator = np.random.default_rng(seed)
    pictures = []
    for number in range(count):
        if number % 3 == 1:
            around = generator.integers(60, 220, 3)
            values = generator.normal(around, 40, (SIDE, SIDE, 3)).clip(0, 255)
        else:
            values = generator.integers(0, 256, (SIDE, SIDE, 3))
        picture = Image.fromarray(values.astype(np.uint8))
        if number % 3 == 2:
            picture = picture.filter(ImageFilter.GaussianBlur(int(generator.integers(2, 8))))
        pictures.append(picture)
    return pictures


def text_pictures(count: int, *, seed: int) -> list[Image.Image]:
    """Make pages of words in several sizes and colours."""
    generator = np.random.default_rng(seed)
    words = WORDS.split()
    pictures = []
    for _number in range(count):
        paper, ink = generator.integers(200, 256, 3), generator.integers(0, 120, 3)
        picture = Image.new("RGB", (SIDE, SIDE), tuple(int(value) for value in paper))
        draw = ImageDraw.Draw(picture)
        size = int(generator.integers(10, 40))
        font = ImageFont.load_default(size)
        for line in range(0, SIDE, round(size * 1.3)):
            text = " ".join(generator.choice(words, 6))
            draw.text((4, line), text, tuple(int(value) for value in ink), font=font)
        pictures.append(picture)
    return pictures


def photographs(*, seed: int, per_photograph: int = 4) -> list[Image.Image]:
    """Cut squares from the photographs that scikit-image's package ships; nothing is downloaded."""
    import skimage.data

    generator = np.random.default_rng(seed)
    crops = []
    for path in sorted(Path(skimage.data.__file__).parent.iterdir()):
        if path.suffix.lower() not in (".png", ".jpg"):
            continue
        photograph = open_picture(path)
        shorter = min(photograph.size)
        if shorter < SMALLEST_PHOTOGRAPH:
            continue
        for _number in range(per_photograph):
            side = int(generator.integers(shorter // 3, shorter + 1))
            left = int(generator.integers(0, photograph.width - side + 1))
            top = int(generator.integers(0, photograph.height - side + 1))
            crops.append(photograph.crop((left, top, left + side, top + side)))
    return crops


def foreign_pictures(*, bccd: Path | None, fields: str, seed: int) -> dict[str, list[Image.Image]]:
    """Gather pictures that are not one stained blood cell, by kind.

    Args:
        bccd: folder of BCCD with ``images``, ``annotations`` and lists of fields; None without.
        fields: name of the list, ``train`` or ``val``.
        seed: of everything random.
    """
    kinds = {
        "blank": blank_pictures(60, seed=seed),
        "noise": noise_pictures(60, seed=seed),
        "text": text_pictures(60, seed=seed),
        "photographs": photographs(seed=seed),
    }
    if bccd:
        names = field_names(bccd, fields)
        kinds = {"red-cell background": background_crops(bccd, names, seed=seed), **kinds}
    return kinds


def field_names(bccd: Path, fields: str) -> list[str]:
    """Read a list of fields, ``train`` or ``val``."""
    return (bccd / f"{fields}.txt").read_text(encoding="utf-8").split()


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
