"""Queries on what a result is made of: settings, ranges, findings, signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from cases.querysets import AppendOnlyQuerySet, KeyedQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterable


class OfLaboratoryQuerySet(KeyedQuerySet):
    """Rows that name their laboratory."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(laboratory_id__in=laboratory_ids)


class LaboratorySettingsQuerySet(OfLaboratoryQuerySet):
    """Queries on laboratory settings."""


class ReferenceRangeQuerySet(OfLaboratoryQuerySet):
    """Queries on reference ranges."""

    def for_display(self) -> Self:
        """Bring the cell class, the laboratory and who changed it along."""
        return self.select_related("cell_class", "laboratory", "updated_by")


class FindingQuerySet(KeyedQuerySet):
    """Queries on findings."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(case__laboratory_id__in=laboratory_ids)

    def of_case(self, case_id: int) -> Self:
        return self.filter(case_id=case_id)

    def standing(self) -> Self:
        """Findings nobody has withdrawn."""
        return self.filter(withdrawn_at=None)

    def for_display(self) -> Self:
        """Bring the class, the cell, the image and the people along."""
        return self.select_related(
            "case__laboratory", "cell_class", "cell", "image", "made_by", "withdrawn_by"
        )


class OfCaseAppendOnlyQuerySet(AppendOnlyQuerySet):
    """Append-only rows of a case."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(case__laboratory_id__in=laboratory_ids)

    def of_case(self, case_id: int) -> Self:
        return self.filter(case_id=case_id)

    def by_key(self, key: int) -> Any:
        """The row with this key, or ``None``."""
        return self.filter(pk=key).first()


class SignOffQuerySet(OfCaseAppendOnlyQuerySet):
    """Queries on signed versions."""

    def for_display(self) -> Self:
        """Bring the signer, the amendment and the case with its laboratory along."""
        return self.select_related(
            "signed_by", "amendment__made_by", "case__patient__name_record", "case__laboratory"
        )

    def without_snapshot(self) -> Self:
        """Leave the large part in the database, for lists."""
        return self.defer("snapshot")


class AmendmentQuerySet(OfCaseAppendOnlyQuerySet):
    """Queries on amendments."""

    def for_display(self) -> Self:
        """Bring who amended what along."""
        return self.select_related("made_by", "sign_off").defer("sign_off__snapshot")
