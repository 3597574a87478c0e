"""What is shown of a cell on a field: the square in which it is as large as the model learnt cells.

How wide it is stands in docs/detection.md; it is measured on the cells of the field, never assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cases.models import Detection
from ml.detection.cutting import frame_side
from ml.detection.detector import Detection as Found

if TYPE_CHECKING:
    from cases.models import Box, CaseImage

CLASSES = {
    Detection.Kind.WHITE_CELL.value: "wbc",
    Detection.Kind.PLATELET.value: "platelet",
    Detection.Kind.RED_CELL.value: "rbc",
}
KINDS = {code: kind for kind, code in CLASSES.items()}


def side_of(image: CaseImage, kind: str, box: Box) -> int | None:
    """The side of a cell's frame in pixels of its field, by the cells that count there.

    Args:
        image: the field.
        kind: of :class:`cases.models.Detection.Kind`.
        box: the cell's.

    Returns:
        None for red cells, which are not classified.
    """
    if kind == Detection.Kind.RED_CELL:
        return None
    rows = Detection.objects.filter(image=image).counted()
    rows = rows.exclude(kind=Detection.Kind.PLATELET)
    cells = [found_at(row.kind, row.box, tuple(row.edges)) for row in rows]
    return max(2, round(frame_side(cells, found_at(kind, box))))


def found_at(kind: str, box: Box, edges: tuple[str, ...] = ()) -> Found:
    """A cell of the database as the detector's own."""
    return Found(CLASSES[kind], 1.0, box.left, box.top, box.width, box.height, edges)
