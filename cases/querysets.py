"""Named, chainable queries; nothing else in the project spells out these rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.db import models
from django.db.models import Count, Q

if TYPE_CHECKING:
    from collections.abc import Iterable


class PatientQuerySet(models.QuerySet[Any]):
    """Queries on patients."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(laboratory_id__in=laboratory_ids)

    def search(self, text: str) -> Self:
        return self.filter(Q(identifier__icontains=text) | Q(name__icontains=text))


class SmearCaseQuerySet(models.QuerySet[Any]):
    """Queries on smear cases."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(laboratory_id__in=laboratory_ids)

    def search(self, text: str) -> Self:
        """Match the accession number and the patient's identifier or name."""
        return self.filter(
            Q(accession_number__icontains=text)
            | Q(patient__identifier__icontains=text)
            | Q(patient__name__icontains=text)
        )

    def with_derived_status(self) -> Self:
        """Cases whose status follows from their cells: neither signed off nor amended."""
        return self.filter(status__in=("open", "processing", "in_review"))

    def not_frozen(self) -> Self:
        """Cases that may still change."""
        return self.exclude(status="signed_off")

    def with_progress(self) -> Self:
        """Add ``cell_total``, ``cell_pending``, ``cell_failed`` and ``cell_needs_review``."""
        return self.annotate(
            cell_total=Count("cells"),
            cell_pending=Count("cells", filter=Q(cells__state__in=("queued", "processing"))),
            cell_failed=Count("cells", filter=Q(cells__state="failed")),
            cell_needs_review=Count("cells", filter=Q(cells__review_state="needs_review")),
        )


class CaseImageQuerySet(models.QuerySet[Any]):
    """Queries on images."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(case__laboratory_id__in=laboratory_ids)


class CellQuerySet(models.QuerySet[Any]):
    """Queries on cells."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(case__laboratory_id__in=laboratory_ids)

    def queued(self) -> Self:
        return self.filter(state="queued")

    def pending(self) -> Self:
        return self.filter(state__in=("queued", "processing"))

    def needing_review(self) -> Self:
        return self.filter(review_state="needs_review")

    def open_to_the_model(self) -> Self:
        """Cells whose label a prediction may set: a reviewer's word is never overwritten."""
        return self.exclude(label_source="reviewer")

    def tally(self) -> models.QuerySet[Any, dict[str, Any]]:
        """Rows of ``label_id``, ``label_source``, ``state``, ``cells`` and ``needing_review``."""
        return (
            self.order_by()
            .values("label_id", "label_source", "state")
            .annotate(
                cells=Count("id"),
                needing_review=Count("id", filter=Q(review_state="needs_review")),
            )
        )

    def least_confident_first(self) -> Self:
        return self.order_by("confidence", "id")


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """A queryset whose rows are never changed nor deleted."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("These rows are never changed.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("These rows are never changed.")

    def delete(self) -> NoReturn:
        raise TypeError("These rows are never deleted.")

    delete.alters_data = True  # type: ignore[attr-defined]
    update.alters_data = True  # type: ignore[attr-defined]


class CorrectionQuerySet(AppendOnlyQuerySet):
    """Queries on corrections."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(cell__case__laboratory_id__in=laboratory_ids)
