"""Named, chainable queries on double readings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db.models import Count, F, IntegerField, Max, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from cases.querysets import AppendOnlyQuerySet, KeyedQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterable


def _number(counted: Any) -> Coalesce:
    """The ``number`` of a grouped subquery as a column, 0 for no row."""
    return Coalesce(Subquery(counted.values("number")), Value(0), output_field=IntegerField())


class DoubleReadingQuerySet(KeyedQuerySet):
    """Queries on requests for two readings."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(case__laboratory_id__in=laboratory_ids)

    def of_case(self, case_id: int) -> Self:
        return self.filter(case_id=case_id)

    def under_way(self) -> Self:
        return self.filter(state__in=("reading", "adjudication"))

    def read_by_all(self) -> Self:
        """Those whose readings are both done."""
        return self.exclude(readings__finished_at=None)

    def for_display(self) -> Self:
        """Bring the case, the people and both readings along: two queries."""
        return self.select_related(
            "case__laboratory",
            "case__patient__name_record",
            "requested_by",
            "adjudicator",
            "closed_by",
        ).prefetch_related("readings__reader")


class ReadingQuerySet(KeyedQuerySet):
    """Queries on the readings themselves."""

    def of_reader(self, user_id: int) -> Self:
        return self.filter(reader_id=user_id)

    def blinding(self) -> Self:
        """Readings whose reader must see nothing of the case: one of the two is not done."""
        return self.filter(double_reading__state="reading")

    def to_be_read(self) -> Self:
        """Readings that wait for their reader."""
        return self.blinding().filter(finished_at=None)

    def with_progress(self) -> Self:
        """Add ``total`` cells and ``labelled`` ones."""
        cells = apps.get_model("cases", "ReadingCell").objects
        labels = apps.get_model("cases", "ReadingLabel").objects
        here = cells.filter(double_reading_id=OuterRef("double_reading_id")).order_by()
        named = labels.filter(reading_id=OuterRef("pk")).order_by()
        return self.annotate(
            total=_number(here.values("double_reading_id").annotate(number=Count("pk"))),
            labelled=_number(
                named.values("reading_id").annotate(number=Count("reading_cell", distinct=True))
            ),
        )

    def for_display(self) -> Self:
        return self.select_related("double_reading__case__laboratory", "reader")


class ReadingCellQuerySet(KeyedQuerySet):
    """Queries on the cells of a double reading."""

    def with_labels_of(self, readings: Iterable[Any]) -> Self:
        """Add ``first`` and ``second``, the codes both readings give each cell."""
        one, other = readings
        return self.annotate(first=_latest_label(one), second=_latest_label(other))

    def in_dispute(self) -> Self:
        """Cells that were named differently, after ``with_labels_of``."""
        return self.exclude(first=F("second"))

    def with_own_label(self, reading: Any) -> Self:
        """Add ``own_label``, the code one reading gives each cell so far."""
        return self.annotate(own_label=_latest_label(reading))


def _latest_label(reading: Any) -> Subquery:
    labels = apps.get_model("cases", "ReadingLabel").objects.filter(
        reading_id=reading.pk, reading_cell_id=OuterRef("pk")
    )
    return Subquery(labels.order_by("-id").values("label__code")[:1])


class ReadingLabelQuerySet(AppendOnlyQuerySet):
    """Queries on the labels of readings."""

    def that_count(self, reading_ids: Iterable[int]) -> Self:
        """The label that counts of every cell in these readings."""
        newest = (
            self.filter(reading_id__in=list(reading_ids))
            .order_by()
            .values("reading_id", "reading_cell_id")
            .annotate(newest=Max("id"))
            .values("newest")
        )
        return self.filter(pk__in=newest).order_by()


class AdjudicationQuerySet(AppendOnlyQuerySet):
    """Queries on what third readers decided."""

    def latest_of(self, double_reading_id: int) -> dict[int, Any]:
        """The decision that counts, by the key of its cell in the double reading."""
        rows = (
            self.filter(reading_cell__double_reading_id=double_reading_id)
            .select_related("label")
            .order_by("id")
        )
        return {row.reading_cell_id: row for row in rows}
