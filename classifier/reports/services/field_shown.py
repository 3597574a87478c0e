"""One numbered field of a report: its photo with a box for every cell, coloured by class."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from cases.models import CaseImage, Detection
from classifier.fields.sources import source_of

if TYPE_CHECKING:
    from classifier.reports.content import CellLine, ReportContent

logger = logging.getLogger(__name__)
# A larger field is shown in part, in pixels; and how wide the picture is.
PART = (2400, 1800)
WIDTH = 1600
JPEG_QUALITY = 88
RED_CELL_COLOR = "#9c5a5a"
UNNAMED_COLOR = "#5c5c5c"
# Around boxes: the pale colours of classes are lost on the pale background of a smear.
CASING_COLOR = "#14191f"


@dataclass(frozen=True)
class FieldShown:
    """A field of a report.

    Attributes:
        number: of the image in the case.
        data: the picture, a JPEG.
        width: of the picture in pixels.
        height: of the picture in pixels.
        whole: whether all of the field is shown.
    """

    number: int
    data: bytes
    width: int
    height: int
    whole: bool


def field_shown(*, content: ReportContent) -> FieldShown | None:
    """Draw the field with the most white cells that count: three queries.

    Only cells of the report have a number in the picture; None without fields or their file.
    """
    if not content.fields:
        return None
    busiest = max(content.fields["images"], key=lambda each: (each["white_cell"], -each["number"]))
    image = CaseImage.objects.filter(pk=busiest["id"]).first()
    if image is None:
        return None
    colors = {each.code: each.color for each in content.lines}
    named = {each.key: each for each in content.cells}
    rows = Detection.objects.filter(image=image).counted().order_by("number")
    try:
        return _drawn(image, list(rows), named, colors)
    except (OSError, ValueError):
        logger.warning("Field %s cannot be shown in a report.", image.pk, exc_info=True)
        return None


def _drawn(
    image: CaseImage, rows: list[Detection], named: dict[int, CellLine], colors: dict[str, str]
) -> FieldShown:
    width, height = min(PART[0], image.width), min(PART[1], image.height)
    first = next((row for row in rows if row.kind == Detection.Kind.WHITE_CELL), None)
    x, y = first.box.centre if first else (image.width / 2, image.height / 2)
    left = round(min(max(0, x - width / 2), image.width - width))
    top = round(min(max(0, y - height / 2), image.height - height))
    with source_of(image) as source:
        picture = Image.fromarray(source.read(left, top, width, height))
    scale = WIDTH / width
    picture = picture.resize((WIDTH, round(height * scale)), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=24)
    for row in sorted(rows, key=lambda each: each.kind != Detection.Kind.RED_CELL):
        box = row.box
        corners = [
            (box.left - left) * scale, (box.top - top) * scale,
            (box.right - left) * scale, (box.bottom - top) * scale,
        ]  # fmt: skip
        if corners[2] < 0 or corners[3] < 0 or corners[0] > picture.width:
            continue
        cell = named.get(row.cell_id) if row.cell_id else None
        if row.kind == Detection.Kind.RED_CELL:
            draw.rectangle(corners, outline=RED_CELL_COLOR, width=1)
        elif cell is not None:
            color = colors.get(cell.label, UNNAMED_COLOR)
            around = [corners[0] - 2, corners[1] - 2, corners[2] + 2, corners[3] + 2]
            draw.rectangle(around, outline=CASING_COLOR, width=9)
            draw.rectangle(corners, outline=color, width=5)
            _label(draw, corners, str(cell.number), color, font)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    whole = (width, height) == (image.width, image.height)
    return FieldShown(image.number, buffer.getvalue(), picture.width, picture.height, whole)


def _label(
    draw: ImageDraw.ImageDraw,
    corners: list[float],
    text: str,
    color: str,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    """A number on its class's colour, at the box's upper left corner and within the picture."""
    x, y = max(0.0, corners[0]), max(0.0, corners[1] - 30)
    area = draw.textbbox((x + 5, y), text, font=font)
    draw.rectangle((x, y, area[2] + 5, y + 30), fill=color)
    red, green, blue = (int(color[n : n + 2], 16) for n in (1, 3, 5))
    dark = (299 * red + 587 * green + 114 * blue) / 1000 > 140
    draw.text((x + 5, y), text, font=font, fill="black" if dark else "white")
