"""Which rows hang on a case, in the order in which they can be removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models.query import QuerySet

from cases.models import (
    Adjudication,
    CaseAssignment,
    CaseImage,
    Cell,
    CellFlag,
    Correction,
    CorrectionBatch,
    Detection,
    DetectionCorrection,
    DoubleReading,
    Finding,
    Reading,
    ReadingCell,
    ReadingLabel,
)
from classifier.models import (
    ClassificationJob,
    FieldRun,
    ModelRun,
    Prediction,
    Projection,
    TilePyramid,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# Model and the path from it to the case. What points to a row stands before it.
WORKING: tuple[tuple[Any, str], ...] = (
    (Prediction, "cell__case"),
    (ClassificationJob, "cell__case"),
    (TilePyramid, "image__case"),
    (FieldRun, "image__case"),
    (DetectionCorrection, "detection__image__case"),
    (Detection, "image__case"),
    (ModelRun, "case"),
    (Adjudication, "reading_cell__double_reading__case"),
    (ReadingLabel, "reading__double_reading__case"),
    (ReadingCell, "double_reading__case"),
    (Reading, "double_reading__case"),
    (DoubleReading, "case"),
    (Correction, "cell__case"),
    (CorrectionBatch, "case"),
    (CellFlag, "cell__case"),
    (Finding, "case"),
    (Cell, "case"),
    (CaseImage, "case"),
    (CaseAssignment, "case"),
)


def working_rows(case_ids: list[int]) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Everything of these cases but the cases and what was signed, table by table.

    Plain querysets: rows that are otherwise kept for ever go here, and only here.
    """
    # A month's map shows cells of many cases in one picture; it is drawn anew when asked for.
    untouched = Projection.objects.without_months_of_cases(case_ids).exclude(case__in=case_ids)
    shown: QuerySet[Any] = QuerySet(Projection).exclude(pk__in=untouched.order_by().values("pk"))
    yield Projection._meta.label, shown
    for model, path in WORKING:
        yield model._meta.label, QuerySet(model).filter(**{f"{path}__in": case_ids})


def remove(rows: QuerySet[Any]) -> int:
    """Delete in one statement, without asking the model; returns how many."""
    keys: QuerySet[Any] = QuerySet(rows.model).filter(pk__in=rows.order_by().values("pk"))
    return int(keys._raw_delete(keys.db) or 0)  # None when nothing can match
