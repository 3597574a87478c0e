"""Every cell of a case as a table: where it lies, what the model said, what a reviewer said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _

from cases.models import Cell, CellClass, Correction
from classifier.models import Prediction
from reports.streams import csv_stream, json_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cases.models import SmearCase

# So many are in memory at a time; each batch costs three queries.
CELLS_AT_ONCE = 1000
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


def cells_csv(*, case: SmearCase) -> Iterator[bytes]:
    """The cells as CSV with headings in the language that is active now."""
    headings = [str(each) for each in COLUMNS.values()]
    return csv_stream(headings, (list(row.values()) for row in _rows(case)))


def cells_json(*, case: SmearCase) -> Iterator[bytes]:
    """The cells as one JSON object."""
    return json_stream({"case": case.pk}, "cells", _rows(case))


def _rows(case: SmearCase) -> Iterator[dict[str, Any]]:
    # Words are looked up now: the language is another one by the time the rows are sent.
    names = {each.pk: (each.code, each.name) for each in CellClass.objects.all()}
    return _read(case, names)


def _read(case: SmearCase, names: dict[int, tuple[str, str]]) -> Iterator[dict[str, Any]]:
    predictions = Prediction.objects.without_blobs().select_related("model_version")
    cells: Any = (
        Cell.objects.of_case(case.pk)
        .select_related("image")
        .prefetch_related(
            Prefetch("predictions", predictions),
            Prefetch("corrections", Correction.objects.select_related("made_by")),
        )
        .order_by("number")
    )
    for cell in cells.iterator(chunk_size=CELLS_AT_ONCE):
        code, name = names.get(cell.label_id, ("", ""))
        said = next(iter(cell.predictions.all()), None)
        last = next(iter(cell.corrections.all()), None)
        yield {
            "accession_number": case.accession_number,
            "cell": cell.number,
            "image": cell.image.number,
            "left": cell.left,
            "top": cell.top,
            "width": cell.width,
            "height": cell.height,
            "label": code,
            "label_name": name,
            "label_source": cell.label_source,
            "review_state": cell.review_state,
            "state": cell.state,
            "model_version": said.model_version.name if said else "",
            "model_label": names[said.predicted_class_id][0] if said else "",
            "model_confidence": round(said.confidence, 4) if said else None,
            "reviewer": last.made_by.get_username() if last else "",
            "reviewed_at": last.made_at.isoformat(timespec="seconds") if last else "",
            "comment": last.comment if last else "",
        }
