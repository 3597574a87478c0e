"""Named, chainable queries on the cells of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db.models import Count, Q

from cases.querysets import AppendOnlyQuerySet, KeyedQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of a counting chamber's square the cells on two edges count and those on the other two do not.
UNCOUNTED_EDGES = ("right", "bottom")


class DetectionQuerySet(KeyedQuerySet):
    """Queries on cells found on fields."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(image__case__laboratory_id__in=laboratory_ids)

    def of_case(self, case_id: int) -> Self:
        return self.filter(image__case_id=case_id)

    def of_fields(self) -> Self:
        """Those of images that still are fields: their kind can be corrected."""
        return self.filter(image__kind="field")

    def counted(self) -> Self:
        return self.filter(excluded="")

    def changed_after(self, revision: int) -> Self:
        return self.filter(revision__gt=revision)

    def cut_by_uncounted_edges(self) -> Self:
        """Cells on the edges that a counting chamber's rule leaves out."""
        cut = Q()
        for edge in UNCOUNTED_EDGES:
            cut |= Q(cut_edges__contains=edge)
        return self.filter(cut)

    def for_display(self) -> Self:
        """Bring the image, its case, the cell and the cell's label along."""
        return self.select_related("image__case", "cell__label")

    def kinds_of(self, cell_ids: Iterable[int]) -> dict[int, str]:
        """The kinds of these cells of cases, by their keys."""
        rows = self.filter(cell_id__in=list(cell_ids)).order_by()
        return dict(rows.values_list("cell_id", "kind"))

    def by_image_and_kind(self) -> list[dict[str, Any]]:
        """Rows of ``image_id``, ``kind`` and the number of ``cells``."""
        rows = self.order_by().values("image_id", "kind")
        return list(rows.annotate(cells=Count("id")))

    def tally(self) -> list[dict[str, Any]]:
        """How many ``cells`` are alike in ``image_id``, ``kind``, ``found_kind``, ``excluded``."""
        rows = self.order_by().values("image_id", "kind", "found_kind", "excluded")
        return list(rows.annotate(cells=Count("id")))


class DetectionCorrectionQuerySet(AppendOnlyQuerySet):
    """Queries on what reviewers did to the cells of fields."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(detection__image__case__laboratory_id__in=laboratory_ids)

    def of_case(self, case_id: int) -> Self:
        return self.filter(detection__image__case_id=case_id)

    def of_detection(self, detection_id: int) -> Self:
        return self.filter(detection_id=detection_id)

    def for_display(self) -> Self:
        return self.select_related("made_by")
