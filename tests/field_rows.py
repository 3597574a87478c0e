"""Rows of fields for tests: what a detector would have found, stored by the service itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cases.models import Box, CaseImage, Cell, Detection, SmearCase
from cases.models.image import WorkState
from cases.services.searches import FoundCell, store_found
from tests.factories import CaseImageFactory, cell_class, picture_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

from django.core.files.base import ContentFile

WIDTH, HEIGHT = 640, 480
WHITE, RED, PLATELET = (Detection.Kind.WHITE_CELL, Detection.Kind.RED_CELL, Detection.Kind.PLATELET)
# Kind, box, edges: a white cell in the middle, one cut by the right edge, one by the left, a
# platelet, and red cells enough to measure the field by.
FOUND: tuple[tuple[str, tuple[int, int, int, int], tuple[str, ...]], ...] = (
    (WHITE, (300, 20, 90, 90), ()),
    (WHITE, (560, 60, 80, 90), ("right",)),
    (WHITE, (0, 120, 70, 90), ("left",)),
    (PLATELET, (200, 150, 30, 30), ()),
    *((RED, (20 + 110 * n, 300, 100, 100), ()) for n in range(5)),
    (RED, (300, 400, 90, 80), ("bottom",)),
)


def found_cells(rows: Sequence[Any] = FOUND) -> list[FoundCell]:
    return [
        FoundCell(kind, Box(*box), 0.9, edges, None if kind == RED else 440)
        for kind, box, edges in rows
    ]


def unsearched_field(case: SmearCase, **attributes: Any) -> CaseImage:
    """An uploaded field whose cells have not been looked for."""
    number = SmearCase.objects.get(pk=case.pk).last_image_number + 1
    data = picture_bytes(seed=number, size=(WIDTH, HEIGHT))
    cells = SmearCase.objects.get(pk=case.pk).last_cell_number
    image: CaseImage = CaseImageFactory(
        **{
            "case": case,
            "number": number,
            "kind": "field",
            "width": WIDTH,
            "height": HEIGHT,
            "file": ContentFile(data, name="field.png"),
            "sha256": f"field {case.pk} {number}".ljust(64, "0"),
            **attributes,
        }
    )
    SmearCase.objects.filter(pk=case.pk).update(last_cell_number=cells)
    return image


def field_of(
    case: SmearCase, rows: Sequence[Any] = FOUND, *, label: str | None = "neutrophil"
) -> CaseImage:
    """A searched field; its white cells are named ``label``, unless that is None."""
    image = unsearched_field(case)
    store_found(image_id=image.pk, found=found_cells(rows))
    if label is not None:
        for kind, code in ((WHITE, label), (PLATELET, "platelet")):
            Cell.objects.filter(image=image, detection__kind=kind).update(
                label=cell_class(code),
                model_label=cell_class(code),
                label_source="model",
                confidence=0.9,
                state=WorkState.DONE,
            )
        CaseImage.objects.filter(pk=image.pk).update(state=WorkState.DONE)
    image.refresh_from_db()
    return image


def detection(image: CaseImage, number: int) -> Detection:
    found: Detection = image.detections.select_related("image__case", "cell").get(number=number)
    return found
