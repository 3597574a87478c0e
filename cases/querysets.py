"""Named, chainable queries; nothing else in the project spells out these rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.apps import apps
from django.db import models
from django.db.models import (
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

if TYPE_CHECKING:
    from collections.abc import Iterable


# Behind every class: what has no name yet.
UNNAMED_RANK = 32767


def _number_of(rows: models.QuerySet[Any], grouped_by: str) -> Coalesce:
    """The size of a queryset on an ``OuterRef`` as a column of the outer one, 0 for none."""
    counted = rows.order_by().values(grouped_by).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), Value(0), output_field=IntegerField())


class KeyedQuerySet(models.QuerySet[Any]):
    """What every queryset of the laboratory can do."""

    def by_key(self, key: int) -> Any:
        """The row with this key, or ``None``."""
        return self.filter(pk=key).first()


class WorkQuerySet(KeyedQuerySet):
    """What every queryset of rows the worker does something with can do."""

    def pending(self) -> Self:
        return self.filter(state__in=("queued", "processing"))

    def failed(self) -> Self:
        return self.filter(state="failed")


class PatientQuerySet(KeyedQuerySet):
    """Queries on patients."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(laboratory_id__in=laboratory_ids)

    def search(self, text: str) -> Self:
        """Match the identifier or the name.

        Each by itself, as one index answers one of them: joined by "or" all rows would be read.
        """
        every = self.model._default_manager.order_by()
        found = every.filter(identifier__icontains=text).values("pk")
        named = every.filter(name_record__name__icontains=text).values("pk")
        return self.filter(pk__in=found.union(named))

    def with_name(self) -> Self:
        """Bring the name along."""
        return self.select_related("name_record")

    def identified(self, identifier: str) -> Any:
        """The patient with exactly this identifier, or ``None``."""
        return self.filter(identifier=identifier.strip()).first()


class SmearCaseQuerySet(KeyedQuerySet):
    """Queries on smear cases."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(laboratory_id__in=laboratory_ids)

    def search(self, text: str) -> Self:
        """Match the accession number and the patient's identifier or name.

        Each by itself, as one index answers one of them: joined by "or" all rows would be read.
        """
        every = self.model._default_manager.order_by()
        found = every.filter(accession_number__icontains=text).values("pk")
        identified = every.filter(patient__identifier__icontains=text).values("pk")
        named = every.filter(patient__name_record__name__icontains=text).values("pk")
        return self.filter(pk__in=found.union(identified, named))

    def accessioned(self, laboratory_id: int, number: str) -> Any:
        """The laboratory's case with exactly this accession number, or ``None``."""
        return self.filter(laboratory_id=laboratory_id, accession_number=number.strip()).first()

    def not_frozen(self) -> Self:
        """Cases that may still change."""
        return self.exclude(status="signed_off")

    def frozen(self) -> Self:
        """Cases nothing of which may change."""
        return self.filter(status="signed_off")

    def in_status(self, status: str) -> Self:
        return self.filter(status=status)

    def for_display(self) -> Self:
        """Bring the patient, the laboratory and the creator along."""
        return self.select_related("patient__name_record", "laboratory", "created_by", "assignee")

    def waiting(self) -> Self:
        """Cases that have cells and wait for a reader: neither empty nor signed off."""
        return self.filter(status__in=("processing", "in_review", "amended"))

    def assigned_to(self, user_id: int) -> Self:
        return self.filter(assignee_id=user_id)

    def unassigned(self) -> Self:
        return self.filter(assignee=None)

    def with_range_flags_due(self) -> Self:
        """Cases of the work list whose ``range_flags`` are no longer sure."""
        # As the index says it; `waiting` alone would not be known to use it.
        return self.waiting().filter(range_flags_due=True)

    def ask_for_range_flags(self) -> int:
        """Have ``range_flags`` worked out anew, where they are not asked for already."""
        return self.waiting().filter(range_flags_due=False).update(range_flags_due=True)

    def most_urgent_first(self) -> Self:
        """The order of the work list: read off an index, see ``SmearCase.work_order``."""
        return self.order_by(*self.WORK_ORDER)

    WORK_ORDER = ("work_order", "id")

    def counted_anew(self) -> dict[str, Any]:
        """What an update sets of a case so that ``work_order`` says what its cells are."""
        cells = apps.get_model("cases", "Cell").objects.filter(case_id=OuterRef("pk"))
        return {
            "cells_to_review": _number_of(cells.needing_review(), "case_id"),
            "flag_waits": Exists(cells.needing_review().filter(flagged=True)),
        }

    def out_of_order(self) -> Self:
        """Waiting cases whose place in the work list is not what their cells say."""
        anew = self.counted_anew()
        counted = self.waiting().annotate(
            cells_counted=anew["cells_to_review"], flag_found=anew["flag_waits"]
        )
        return counted.exclude(cells_to_review=F("cells_counted"), flag_waits=F("flag_found"))


class CaseImageQuerySet(WorkQuerySet):
    """Queries on images."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(case__laboratory_id__in=laboratory_ids)

    def in_case(self, case_id: int) -> Self:
        return self.filter(case_id=case_id)

    def fields(self) -> Self:
        return self.filter(kind="field")

    def first_numbers(self, most: int) -> tuple[int, ...]:
        return tuple(self.order_by("number").values_list("number", flat=True)[:most])

    def unsearched(self) -> Self:
        """Fields whose cells are still looked for, or could not be; nothing is known of them."""
        return self.fields().filter(searched_at=None)

    def tally_of_fields(self) -> dict[str, int]:
        """How many fields there are, how they stand, and the cells of all that count nowhere."""
        cells = apps.get_model("cases", "Cell").objects.exclude(excluded="")
        unsearched = Q(kind="field", searched_at=None)
        row: dict[str, int] = self.aggregate(
            field_images=Count("id", filter=Q(kind="field")),
            fields_pending=Count("id", filter=unsearched & Q(state__in=("queued", "processing"))),
            fields_failed=Count("id", filter=unsearched & Q(state="failed")),
            excluded=Coalesce(
                Sum(_number_of(cells.filter(image_id=OuterRef("pk")), "image_id")), 0
            ),
        )
        return row

    def searched(self) -> Self:
        """Fields whose cells were looked for: the denominator of every mean per field."""
        return self.fields().filter(searched_at__isnull=False)


class CellQuerySet(WorkQuerySet):
    """Queries on cells."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(case__laboratory_id__in=laboratory_ids)

    def for_display(self) -> Self:
        """Bring the label, the image and the case with its patient and laboratory along."""
        return self.select_related("label", "image", "case__patient", "case__laboratory")

    def with_image(self) -> Self:
        return self.select_related("image")

    def of_case(self, case_id: int) -> Self:
        return self.filter(case_id=case_id)

    def queued(self) -> Self:
        return self.filter(state="queued")

    def not_pending(self) -> Self:
        return self.exclude(state__in=("queued", "processing"))

    def needing_review(self) -> Self:
        return self.counted().filter(review_state="needs_review")

    def unfamiliar(self) -> Self:
        """Cells that resemble nothing the model has learnt and that nobody has named."""
        return self.counted().filter(unfamiliar=True, label=None)

    def counted(self) -> Self:
        """Cells that count: the others are only shown. Every count of cells begins here."""
        return self.filter(excluded="")

    def not_needing_review(self) -> Self:
        return self.exclude(review_state="needs_review")

    def leukocyte_candidates(self) -> Self:
        """Cells that may be leukocytes: all but sure platelets and sure nucleated red cells."""
        apart = Q(label__group__in=("platelet", "erythroblast"))
        return self.counted().exclude(apart & ~Q(review_state="needs_review"))

    def changed_after(self, revision: int) -> Self:
        """Cells that changed since the case was at this revision, the earliest change first."""
        return self.filter(revision__gt=revision).order_by("revision", "id")

    def in_reading_order(self) -> Self:
        """By class, the least certain of each first; cells without a name come last.

        Adds ``class_rank`` and ``confidence_rank``, never null.
        """
        ranked = self.with_confidence_rank().annotate(
            class_rank=Coalesce("label__order", Value(UNNAMED_RANK))
        )
        return ranked.order_by("class_rank", "confidence_rank", "id")

    def in_queue_order(self) -> Self:
        """The most uncertain first: flagged cells, unfamiliar ones, then by confidence.

        Of a cell that resembles nothing the model learnt the confidence says little, and what a
        reviewer flagged waits for a second look.
        """
        ranked = self.with_confidence_rank()
        return ranked.order_by("-flagged", "-unfamiliar", "confidence_rank", "id")

    def read_from(self, class_rank: int, confidence_rank: float, key: int) -> Self:
        """Cells behind this place, after ``in_reading_order``."""
        return self.filter(
            Q(class_rank__gt=class_rank)
            | Q(class_rank=class_rank, confidence_rank__gt=confidence_rank)
            | Q(class_rank=class_rank, confidence_rank=confidence_rank, id__gt=key)
        )

    def with_confidence_rank(self) -> Self:
        """Add ``confidence_rank``, never null: cells without a prediction come last."""
        return self.annotate(confidence_rank=Coalesce("confidence", Value(2.0)))

    def open_to_the_model(self) -> Self:
        """Cells whose label a prediction may set: a reviewer's word is never overwritten."""
        return self.exclude(label_source="reviewer")

    def tally(self) -> models.QuerySet[Any, dict[str, Any]]:
        """Counts of cells alike, of those that count.

        Rows of ``label_id``, ``label_source``, ``state``, ``model_label_id`` and how many
        ``cells`` these have; how many of them are ``needing_review``, ``not_reviewed`` (with
        those that need it), ``reviewed`` and ``unfamiliar_cells``.
        """
        # Counted by a column of the index, the key of the case: the rows themselves are not read.
        return (
            self.counted()
            .order_by()
            .values("label_id", "label_source", "state", "model_label_id")
            .annotate(
                cells=Count("case"),
                needing_review=Count("case", filter=Q(review_state="needs_review")),
                reviewed=Count("case", filter=Q(review_state__in=("confirmed", "corrected"))),
                not_reviewed=Count(
                    "case", filter=Q(review_state__in=("unreviewed", "needs_review"))
                ),
                unfamiliar_cells=Count("case", filter=Q(unfamiliar=True, label=None)),
            )
        )

    def least_confident_first(self) -> Self:
        """The reading order of a case; cells without a prediction come last on every database."""
        return self.order_by(F("confidence").asc(nulls_last=True), "id")

    def most_confident_first(self) -> Self:
        return self.order_by(F("confidence").desc(nulls_first=True), "-id")

    def read_after(self, cell: Any) -> Self:
        """Cells that follow ``cell`` in the reading order."""
        if cell.confidence is None:
            return self.filter(confidence=None, id__gt=cell.pk)
        return self.filter(
            Q(confidence__gt=cell.confidence)
            | Q(confidence=cell.confidence, id__gt=cell.pk)
            | Q(confidence=None)
        )

    def read_before(self, cell: Any) -> Self:
        """Cells that come before ``cell`` in the reading order."""
        if cell.confidence is None:
            return self.filter(Q(confidence__isnull=False) | Q(confidence=None, id__lt=cell.pk))
        return self.filter(
            Q(confidence__lt=cell.confidence) | Q(confidence=cell.confidence, id__lt=cell.pk)
        )

    def labelled(self, code: str) -> Self:
        """Cells called by a class's code at present; an empty code means not yet named."""
        return self.filter(label__code=code) if code else self.filter(label=None)

    def named_by_reviewers(self) -> Self:
        return self.counted().filter(label_source="reviewer", label__isnull=False)

    def not_labelled(self, codes: Iterable[str]) -> Self:
        return self.exclude(label__code__in=list(codes))

    def of_predicted_classes(self) -> Self:
        """Cells whose label is one the model knows."""
        return self.filter(label__predicted=True)

    def progress_by_case(self, case_ids: Iterable[int]) -> dict[int, dict[str, int]]:
        """What the cells of each of the cases are at: ``total``, ``finished``, ``failed``, ...

        Read off two indexes over the cells of these cases alone, as `tally` is; a case without
        cells is not in the answer.
        """
        cells = self.counted().filter(case_id__in=list(case_ids)).order_by().values("case_id")
        rows = cells.annotate(
            total=Count("case"),
            finished=Count("case", filter=Q(state__in=("done", "failed"))),
            failed=Count("case", filter=Q(state="failed", label=None)),
            needs_review=Count("case", filter=Q(review_state="needs_review")),
            unfamiliar=Count("case", filter=Q(unfamiliar=True, label=None)),
        )
        flagged = cells.filter(review_state="needs_review", flagged=True)
        flags = dict(flagged.annotate(number=Count("case")).values_list("case_id", "number"))
        return {row["case_id"]: row | {"flagged": flags.get(row["case_id"], 0)} for row in rows}


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

    def of_cell(self, cell_id: int) -> Self:
        return self.filter(cell_id=cell_id)

    def of_cells(self, cell_ids: Iterable[int]) -> Self:
        return self.filter(cell_id__in=cell_ids)

    def for_display(self) -> Self:
        """Bring the reviewer and the two classes along."""
        return self.select_related("made_by", "from_class", "to_class")

    def last_made_by(self, cell_ids: Iterable[int]) -> dict[int, str]:
        """The user name of who corrected each of the cells last."""
        rows = self.filter(cell_id__in=list(cell_ids)).order_by("id")
        return dict(rows.values_list("cell_id", "made_by__username"))


class CaseAssignmentQuerySet(AppendOnlyQuerySet):
    """Queries on the history of assignments."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(case__laboratory_id__in=laboratory_ids)

    def of_case(self, case_id: int) -> Self:
        return self.filter(case_id=case_id)

    def for_display(self) -> Self:
        """Bring the two people along."""
        return self.select_related("assignee", "made_by")
