"""The number by which everybody who looks at a case learns what changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import F
from django.utils import timezone

from cases.models import Cell, SmearCase
from cases.services.cases import case_signed_off

if TYPE_CHECKING:
    from collections.abc import Collection


def next_revision(*, case_id: int) -> int:
    """Take a case's next revision, inside the transaction that changes its cells.

    The case's row stays locked until the commit, so revisions become visible in their order, and a
    signature and a change of cells wait for each other. Call it after the cells are locked: every
    transaction locks cells, images, then the case.

    Raises:
        Conflict: ``case_signed_off``.
    """
    cases = SmearCase.objects.filter(pk=case_id)
    if not cases.not_frozen().update(
        revision=F("revision") + 1, range_flags_due=True, updated_at=timezone.now()
    ):
        raise case_signed_off()
    return int(cases.values_list("revision", flat=True).get())


def note_changes(*, cell_ids: Collection[int]) -> None:
    """Let those who look at these cells' cases know that the model changed them.

    Inside the transaction that changed and so locked the cells; cases in the order of their keys.
    """
    cells = Cell.objects.filter(pk__in=cell_ids)
    for case_id in cells.order_by("case_id").values_list("case_id", flat=True).distinct():
        cases = SmearCase.objects.filter(pk=case_id)
        cases.update(revision=F("revision") + 1, range_flags_due=True)
        cells.of_case(case_id).update(revision=cases.values("revision"))
