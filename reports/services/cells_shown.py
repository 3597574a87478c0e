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
    from cases.models import SmearCase

CELLS_PER_CLASS = 3
# Printed at 24 mm: 300 dots per inch.
SIDE = 288
HEATMAP_ALPHA = 0.6
JPEG_QUALITY = 85


@dataclass(frozen=True)
class CellShown:
    """One cell of a report.

    Attributes:
        number: in its case.
        code: of its class.
        confidence: of the model in the class it predicted; ``None`` without a prediction.
        reviewed: whether a reviewer gave or confirmed the class.
        photo: a JPEG; empty when the file is gone.
        heatmap: a JPEG of the photo under the map of ``heatmap_of``; empty when not asked for.
        heatmap_of: code of the class whose map it is: the cell's own where the model knows it.
    """

    number: int
    code: str
    confidence: float | None
    reviewed: bool
    photo: bytes
    heatmap: bytes = b""
    heatmap_of: str = ""


def cells_shown(*, case: SmearCase, heatmaps: bool) -> list[CellShown]:
    """Choose at most three cells of each class and draw them: one query, two with heatmaps."""
    cells = list(
        Cell.objects.of_case(case.pk)
        .representative(CELLS_PER_CLASS)
        .select_related("label", "image")
    )
    predictions: dict[int, Prediction] = {}
    if heatmaps:
        made = Prediction.objects.of_cells([cell.pk for cell in cells]).select_related(
            "model_version", "predicted_class", "cell"
        )
        predictions = {each.cell_id: each for each in made.order_by("id")}
    return [_shown(cell, predictions.get(cell.pk)) for cell in cells]


def _shown(cell: Cell, prediction: Prediction | None) -> CellShown:
    try:
        photo = draw_photo(cell, SIDE)
    except Http404:
        photo = b""
    code = cell.label.code if cell.label else ""
    heatmap, heatmap_of = b"", ""
    if prediction and photo:
        known = prediction.model_version.classes
        heatmap_of = code if code in known else prediction.predicted_class.code
        heatmap = _overlaid(photo, prediction, heatmap_of)
    return CellShown(
        number=cell.number,
        code=code,
        confidence=cell.confidence,
        reviewed=cell.label_source == Cell.LabelSource.REVIEWER,
        photo=photo,
        heatmap=heatmap,
        heatmap_of=heatmap_of,
    )


def _overlaid(photo: bytes, prediction: Prediction, code: str) -> bytes:
    with Image.open(io.BytesIO(photo)) as image:
        below = image.convert("RGBA")
    drawn = heatmap_png(prediction, class_code=code, size=max(below.size), alpha=HEATMAP_ALPHA)
    with Image.open(io.BytesIO(drawn)) as map_:
        below.alpha_composite(map_.convert("RGBA").resize(below.size))
    buffer = io.BytesIO()
    below.convert("RGB").save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
