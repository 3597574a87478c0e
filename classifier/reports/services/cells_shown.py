"""Pictures of representative cells for a report, with the model's heatmaps when asked for."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import Http404
from PIL import Image

from cases.models import Cell
from cases.views.media import draw_photo
from classifier.heatmaps import heatmap_png
from classifier.models import Prediction

if TYPE_CHECKING:
    from classifier.reports.content import CellLine, ReportContent

CELLS_PER_CLASS = 3
# Printed at 24 mm: 300 dots per inch.
SIDE = 288
HEATMAP_ALPHA = 0.6
JPEG_QUALITY = 85


@dataclass(frozen=True)
class CellShown:
    """One cell of a report.

    Attributes:
        line: the cell as the report's document holds it.
        photo: a JPEG; empty when the file is gone.
        heatmap: a JPEG of the photo under the map of ``heatmap_of``; empty when not asked for.
        heatmap_of: code of the class whose map it is: the cell's own where the model knows it.
    """

    line: CellLine
    photo: bytes
    heatmap: bytes = b""
    heatmap_of: str = ""


def cells_shown(*, content: ReportContent, heatmaps: bool) -> list[CellShown]:
    """Choose at most three cells of each class and draw them: one query, two with heatmaps.

    The classes are the report's: a version signed earlier shows its cells under their names then.
    """
    chosen = _representative(content)
    keys = [line.key for line in chosen]
    cells = {cell.pk: cell for cell in Cell.objects.filter(pk__in=keys).with_image()}
    predictions: dict[int, Prediction] = {}
    if heatmaps:
        made = (
            Prediction.objects.of_cells(keys)
            .of_present_box()
            .select_related("model_version", "predicted_class", "cell")
        )
        predictions = {each.cell_id: each for each in made.order_by("id")}
    return [
        _shown(line, cells[line.key], predictions.get(line.key))
        for line in chosen
        if line.key in cells
    ]


def _representative(content: ReportContent) -> list[CellLine]:
    """Of each class in its order: reviewed cells first, then those the model is surest of."""
    by_class: dict[str, list[CellLine]] = {}
    for cell in content.cells:
        by_class.setdefault(cell.label, []).append(cell)
    chosen: list[CellLine] = []
    for line in content.lines:
        members = by_class.get(line.code, [])
        members.sort(key=lambda cell: (not cell.by_reviewer, -(cell.confidence or 0), cell.number))
        chosen += members[:CELLS_PER_CLASS]
    return chosen


def _shown(line: CellLine, cell: Cell, prediction: Prediction | None) -> CellShown:
    try:
        photo = draw_photo(cell, SIDE)
    except Http404:
        return CellShown(line, b"")
    if prediction is None:
        return CellShown(line, photo)
    known = prediction.model_version.classes
    code = line.label if line.label in known else prediction.predicted_class.code
    return CellShown(line, photo, _overlaid(photo, prediction, code), code)


def _overlaid(photo: bytes, prediction: Prediction, code: str) -> bytes:
    with Image.open(io.BytesIO(photo)) as image:
        below = image.convert("RGBA")
    drawn = heatmap_png(prediction, class_code=code, size=max(below.size), alpha=HEATMAP_ALPHA)
    with Image.open(io.BytesIO(drawn)) as above:
        below.alpha_composite(above.convert("RGBA").resize(below.size))
    buffer = io.BytesIO()
    below.convert("RGB").save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
