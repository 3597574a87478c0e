"""Queries on what reviewers do together: steps of corrections, and flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from cases.querysets import AppendOnlyQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterable


class CorrectionBatchQuerySet(AppendOnlyQuerySet):
    """Queries on corrections made in one step."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(case__laboratory_id__in=laboratory_ids)

    def of_case(self, case_id: int) -> Self:
        return self.filter(case_id=case_id)

    def undoable_by(self, user_id: int) -> Self:
        """What this user did and nobody has taken back, the latest first; no undoings."""
        return self.filter(made_by_id=user_id, undoes=None, undone_by=None)

    def by_key(self, key: int) -> Any:
        """The row with this key, or ``None``."""
        return self.filter(pk=key).first()


class CellFlagQuerySet(AppendOnlyQuerySet):
    """Queries on flags raised and lowered."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(cell__case__laboratory_id__in=laboratory_ids)

    def of_cell(self, cell_id: int) -> Self:
        return self.filter(cell_id=cell_id)

    def for_display(self) -> Self:
        """Bring the reviewer along."""
        return self.select_related("made_by")
