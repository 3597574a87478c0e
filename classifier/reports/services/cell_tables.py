"""Every cell of a case as a table: where it lies, what the model said, what a reviewer said."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from cases.models import Cell, CellClass, Correction
from cases.rounding import half_up
from classifier.models import Prediction
from classifier.reports.pseudonyms import pseudonym
from classifier.reports.streams import csv_stream, json_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cases.models import SmearCase

# So many are in memory at a time; each batch costs two more queries.
CELLS_AT_ONCE = 1000
CELL_FIELDS = (
    "id", "number", "image__number", "left", "top", "width", "height", "label_id", "label_source",
    "review_state", "state",
)  # fmt: skip
PREDICTION_FIELDS = ("cell_id", "model_version__name", "predicted_class_id", "confidence")
CORRECTION_FIELDS = ("cell_id", "made_by__username", "made_at", "comment")
# Names for programs and headings for people.
COLUMNS: dict[str, Any] = {
    "accession_number": _("Accession number"),
    "cell": _("Cell"),
    "image": _("Image"),
    "left": _("Left edge (px)"),
    "top": _("Top edge (px)"),
    "width": _("Width (px)"),
    "height": _("Height (px)"),
    "label": _("Class (code)"),
    "label_name": _("Class"),
    "label_source": _("Label given by"),
    "review_state": _("Review"),
    "state": _("State"),
    "model_version": _("Model version"),
    "model_label": _("Class by the model (code)"),
    "model_confidence": _("Confidence of the model"),
    "reviewer": _("Reviewed by"),
    "reviewed_at": _("Reviewed at"),
    "comment": _("Comment"),
}


def cells_csv(*, case: SmearCase, pseudonymous: bool = False) -> Iterator[bytes]:
    """The cells as CSV with headings in the language that is active now.

    Args:
        case: whose cells.
        pseudonymous: name neither the case nor a reviewer, and leave out what they wrote.
    """
    headings = [str(each) for each in COLUMNS.values()]
    rows = _rows(case)
    if pseudonymous:
        rows = _without_names(case, rows)
    return csv_stream(headings, (list(row.values()) for row in rows))


def cells_json(*, case: SmearCase, pseudonymous: bool = False) -> Iterator[bytes]:
    """The cells as one JSON object; ``pseudonymous`` as in :func:`cells_csv`."""
    if pseudonymous:
        head = {"case": pseudonym("case", case.pk)}
        return json_stream(head, "cells", _without_names(case, _rows(case)))
    return json_stream({"case": case.pk}, "cells", _rows(case))


def _without_names(case: SmearCase, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    named = pseudonym("case", case.pk)
    for row in rows:
        yield row | {"accession_number": named, "reviewer": "", "reviewed_at": "", "comment": ""}


def _rows(case: SmearCase) -> Iterator[dict[str, Any]]:
    # Words are looked up now: the language is another one by the time the rows are sent.
    names = {each.pk: (each.code, each.name) for each in CellClass.objects.all()}
    return _read(case, names)


def _read(case: SmearCase, names: dict[int, tuple[str, str]]) -> Iterator[dict[str, Any]]:
    cells = Cell.objects.of_case(case.pk).counted().order_by("number").values(*CELL_FIELDS)
    for batch in _batches(cells.iterator(chunk_size=CELLS_AT_ONCE), CELLS_AT_ONCE):
        keys = [row["id"] for row in batch]
        # In the order of their making, so that the last of a cell remains.
        predictions = {
            row["cell_id"]: row
            for row in Prediction.objects.of_cells(keys)
            .of_present_box()
            .order_by("id")
            .values(*PREDICTION_FIELDS)
        }
        corrections = {
            row["cell_id"]: row
            for row in Correction.objects.of_cells(keys).order_by("id").values(*CORRECTION_FIELDS)
        }
        for row in batch:
            code, name = names.get(row["label_id"], ("", ""))
            said = predictions.get(row["id"])
            last = corrections.get(row["id"])
            yield {
                "accession_number": case.accession_number,
                "cell": row["number"],
                "image": row["image__number"],
                "left": row["left"],
                "top": row["top"],
                "width": row["width"],
                "height": row["height"],
                "label": code,
                "label_name": name,
                "label_source": row["label_source"],
                "review_state": row["review_state"],
                "state": row["state"],
                "model_version": said["model_version__name"] if said else "",
                "model_label": names[said["predicted_class_id"]][0] if said else "",
                "model_confidence": float(half_up(said["confidence"], 4)) if said else None,
                "reviewer": last["made_by__username"] if last else "",
                "reviewed_at": last["made_at"].isoformat(timespec="seconds") if last else "",
                "comment": last["comment"] if last else "",
            }


def _batches(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch
