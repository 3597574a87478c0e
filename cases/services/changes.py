"""What changed of a case since somebody looked: a cheap question, asked every few seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cases.models import Cell, Correction
from cases.services.counts import case_counts

if TYPE_CHECKING:
    from cases.models import SmearCase
    from cases.services.counts import CaseCounts

CHANGES_MAX = 500


@dataclass(frozen=True)
class CaseChanges:
    """Changes of a case since a revision.

    Attributes:
        revision: up to which ``cells`` tells everything; the next question begins there.
        status: of the case.
        last_number: of the latest cell; it grows while images arrive.
        more: whether there are changes behind ``revision``.
        cells: that changed, as they are now, with their labels.
        corrected_by: user name of who named a cell last, by the cell's key.
        counts: as they are now; ``None`` when nothing changed.
    """

    revision: int
    status: str
    last_number: int
    more: bool = False
    cells: list[Cell] = field(default_factory=list)
    corrected_by: dict[int, str] = field(default_factory=dict)
    counts: CaseCounts | None = None


def changes_since(*, case: SmearCase, revision: int) -> CaseChanges:
    """Tell what changed since a revision, at most a little more than 500 cells at once.

    One query beside the case's own while nothing changes, five when something did. Cells of one
    revision are never parted: the next question begins behind a whole one.

    Args:
        case: freshly read; its revision bounds the answer.
        revision: what the asker knows.
    """
    if case.revision <= revision:
        return CaseChanges(case.revision, case.status, case.last_cell_number)
    # Bounded above by the case's revision: what is committed while this runs comes next time.
    behind = Cell.objects.of_case(case.pk).changed_after(revision)
    changed = behind.filter(revision__lte=case.revision).select_related("label")
    cells = list(changed[: CHANGES_MAX + 1])
    known = case.revision
    if len(cells) > CHANGES_MAX:
        known = cells[CHANGES_MAX - 1].revision
        cells = list(changed.filter(revision__lte=known))
    return CaseChanges(
        revision=known,
        status=case.status,
        last_number=case.last_cell_number,
        more=known < case.revision,
        cells=cells,
        corrected_by=Correction.objects.last_made_by(cell.pk for cell in cells),
        counts=case_counts(case=case),
    )
