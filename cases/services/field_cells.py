"""The cells of a case that lie on fields: their numbers, their frames, whether they count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import F
from django.utils.module_loading import import_string

from cases.models import CaseImage, Detection, Exclusion, SmearCase
from cases.services.cases import case_signed_off

if TYPE_CHECKING:
    from cases.models import Box


def cell_exclusion(detection: Detection, image: CaseImage) -> str:
    """Whether the cell of a detection counts: a red cell or a field no more has none that does."""
    named = detection.kind in Detection.CLASSIFIED and image.kind == CaseImage.Kind.FIELD
    return str(detection.excluded if named else Exclusion.OTHER_KIND)


def take_cell_numbers(*, case_id: int, cells: int) -> int:
    """Take the next numbers of cells in a case; returns the first of them.

    Raises:
        Conflict: ``case_signed_off``.
    """
    cases = SmearCase.objects.filter(pk=case_id)
    taken = cases.not_frozen().update(last_cell_number=F("last_cell_number") + cells)
    if not taken:
        raise case_signed_off()
    return int(cases.values_list("last_cell_number", flat=True).get()) - cells + 1


def frame_side(image: CaseImage, kind: str, box: Box) -> int | None:
    """The side of the square a cell is shown in, measured on the cells of its field."""
    side: int | None = import_string(settings.FRAME_SIDE)(image, kind, box)
    return side
