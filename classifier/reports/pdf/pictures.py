"""The page of cells, and the code that leads to the page of verification."""

from __future__ import annotations

import io
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.units import mm
from reportlab.platypus import Image, Table

from cases.templatetags.interface import as_percent
from classifier.reports.pdf.parts import Dot
from classifier.reports.pdf.styles import WIDTH, paragraph

if TYPE_CHECKING:
    from classifier.reports.content import ClassLine, ReportContent
    from classifier.reports.services.cells_shown import CellShown

# Without heatmaps two classes stand side by side, with them each has the whole width.
SIDE = 26 * mm
GAP = 1.5 * mm
CODE_SIDE = 22 * mm
PADDINGS = ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")
BARE = [(side, (0, 0), (-1, -1), 0) for side in PADDINGS]


def cells_by_class(cells: list[CellShown], content: ReportContent) -> list[Any]:
    """The pictures of each class that was seen, under its name."""
    if not cells:
        return []
    lines = {each.code: each for each in content.lines}
    with_heatmaps = any(cell.heatmap for cell in cells)
    unit_width = 2 * SIDE + 4 * GAP if with_heatmaps else SIDE + 2 * GAP
    blocks = [
        _block(lines[code], [_unit(cell, with_heatmaps, lines) for cell in members], unit_width)
        for code, members in groupby(cells, key=lambda cell: cell.line.label)
    ]
    columns = 1 if with_heatmaps else 2
    rows = [blocks[start : start + columns] for start in range(0, len(blocks), columns)]
    rows = [[*row, *[""] * (columns - len(row))] for row in rows]
    table = Table(rows, colWidths=[WIDTH / columns] * columns)
    table.setStyle(
        [
            *BARE,
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
        ]
    )
    parts = [paragraph(_("Representative cells"), "section-free"), table]
    if with_heatmaps:
        parts.append(
            paragraph(
                _(
                    "Right of a cell, its heatmap (Grad-CAM): what spoke for the class, from "
                    "purple (little) to yellow (most). It explains the model, not the cell."
                ),
                "small",
            )
        )
    return parts


def _block(line: ClassLine, units: list[Any], unit_width: float) -> Any:
    """A class's name and count over its pictures."""
    head = Table(
        [[Dot(line.color), paragraph(f"{line.name} ({line.count})", "bold")]],
        colWidths=[4 * mm, WIDTH / 2 - 6 * mm],
        hAlign="LEFT",
    )
    head.setStyle([*BARE, ("VALIGN", (0, 0), (-1, -1), "MIDDLE")])
    row = Table([units], colWidths=[unit_width] * len(units), hAlign="LEFT")
    row.setStyle([*BARE, ("VALIGN", (0, 0), (-1, -1), "TOP"), ("TOPPADDING", (0, 0), (-1, -1), 2)])
    return [head, row]


def _unit(cell: CellShown, with_heatmaps: bool, lines: dict[str, ClassLine]) -> Any:
    """One cell: its picture, the heatmap beside it, and words below."""
    words = [_("No. %(number)s") % {"number": cell.line.number}]
    if cell.line.confidence is not None:
        share = as_percent(cell.line.confidence)
        if cell.line.model_label in ("", cell.line.label):
            words.append(_("model %(share)s") % {"share": share})
        else:
            said = {"name": lines[cell.line.model_label].name, "share": share}
            words.append(_("model: %(name)s %(share)s") % said)
    if cell.line.by_reviewer:
        words.append(_("reviewed"))
    caption = [paragraph(" · ".join(words), "small-left")]
    pictures: list[Any] = [_picture(cell.photo)]
    widths = [SIDE + GAP]
    if with_heatmaps:
        pictures.append(_picture(cell.heatmap) if cell.heatmap else "")
        widths.append(SIDE + 2 * GAP)
        if cell.heatmap and cell.heatmap_of != cell.line.label:
            name = lines[cell.heatmap_of].name
            words_of_map = _("heatmap of: %(name)s") % {"name": name}
            caption.append(paragraph(words_of_map, "small-left"))
    unit = Table(
        [pictures, [caption, *[""] * (len(pictures) - 1)]], colWidths=widths, hAlign="LEFT"
    )
    unit.setStyle([*BARE, ("SPAN", (0, 1), (-1, 1)), ("TOPPADDING", (0, 1), (-1, 1), 1)])
    return unit


def _picture(data: bytes) -> Any:
    if not data:
        return paragraph(_("The file is missing."), "small")
    picture = Image(io.BytesIO(data), lazy=0)
    scale = SIDE / max(picture.imageWidth, picture.imageHeight)
    picture.drawWidth, picture.drawHeight = (
        picture.imageWidth * scale,
        picture.imageHeight * scale,
    )
    picture.hAlign = "LEFT"
    return picture


def seal(address: str, digest: str) -> Any:
    """The code with the address of the page of verification, and the content's hash in words."""
    code = QrCodeWidget(address, barLevel="M")
    left, bottom, right, top = code.getBounds()
    drawing = Drawing(
        CODE_SIDE,
        CODE_SIDE,
        transform=[CODE_SIDE / (right - left), 0, 0, CODE_SIDE / (top - bottom), 0, 0],
    )
    drawing.add(code)
    grouped = " ".join(digest[start : start + 4] for start in range(0, 16, 4))
    words = [
        paragraph(_("Verify this report"), "bold"),
        paragraph(
            _("The code leads members of the laboratory to a page that confirms it."), "small"
        ),
        paragraph(address.split("/verify/")[0].split("://")[-1] + "/verify/…", "small"),
        paragraph(_("Content %(digest)s") % {"digest": grouped}, "small"),
    ]
    table = Table([[words, drawing]], colWidths=[WIDTH * 0.55 - CODE_SIDE - 6 * mm, CODE_SIDE])
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "MIDDLE")])
    return table
