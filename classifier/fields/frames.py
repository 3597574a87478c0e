"""What is shown of a cell on a field: the square in which it is as large as the model learnt cells.

How wide it is stands in docs/detection.md; it is measured on the cells of the field, never assumed.
The model, the photos, the heatmaps and the training folders all show this same square.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from PIL import Image

from cases.models import Detection
from classifier.fields.sources import source_of
from classifier.tiles.source import tiled_source
from ml.detection.cutting import cut_cell, frame_side
from ml.detection.detector import Detection as Found

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from cases.models import Box, CaseImage, Cell
    from ml.detection.sources import PixelSource

CLASSES = {
    Detection.Kind.WHITE_CELL.value: "wbc",
    Detection.Kind.PLATELET.value: "platelet",
    Detection.Kind.RED_CELL.value: "rbc",
}
KINDS = {code: kind for kind, code in CLASSES.items()}
# Cells are cut around a middle; their class plays no part in that.
ANY = CLASSES[Detection.Kind.WHITE_CELL.value]


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


def picture_of(cell: Cell) -> Image.Image:
    """The frame of one cell on a field, to be shown; of a large field from its tiles.

    Raises:
        FileNotFoundError: when the field's file is gone.
        OSError, ValueError: when it cannot be read.
    """
    source = tiled_source(cell.image)
    if source is not None:
        return cut_frame(source, cell)
    with Frames() as frames:
        return frames.cut(cell)


def cut_frame(source: PixelSource, cell: Cell) -> Image.Image:
    """The frame of a cell out of its field."""
    left, top, side, _height = cell.frame
    middle = Found(ANY, 1.0, left, top, side, side)
    return Image.fromarray(cut_cell(source, middle, side=side))


class Frames:
    """Frames of many cells; of cells that come field by field, each field is opened once."""

    def __init__(self) -> None:
        self._image_id: int | None = None
        self._source: PixelSource | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def cut(self, cell: Cell) -> Image.Image:
        """The frame of a cell with its image at hand, beyond the field in its background's colour.

        Raises:
            FileNotFoundError: when the field's file is gone.
            OSError, ValueError: when it cannot be read.
        """
        if self._source is None or self._image_id != cell.image_id:
            self._open.close()
            self._source = None
            self._source = self._open.enter_context(source_of(cell.image))
            self._image_id = cell.image_id
        return cut_frame(self._source, cell)
