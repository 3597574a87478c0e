"""The way back from corrections to the next model: reviewed cells as a folder ``ml train`` takes.

The archive holds one sub-folder per class with the pictures as the model was shown them, and
``provenance.csv`` beside the folders. Nothing in it names a patient, a case, a file or a person:
whatever must be told apart carries a pseudonym (``classifier.reports.pseudonyms``).
"""

from __future__ import annotations

import csv
import io
import logging
import tempfile
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Prefetch
from django.utils.translation import gettext_lazy as _
from PIL import Image, UnidentifiedImageError

from cases.models import CellClass, Correction
from cases.policies import AccessPolicy, Action
from cases.services.errors import Conflict
from classifier.fields.frames import picture_of
from classifier.models import Prediction
from classifier.reports.pseudonyms import pseudonym
from classifier.reports.streams import ZipStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cases.models import Laboratory, SmearCase, User
    from cases.querysets import CellQuerySet

logger = logging.getLogger(__name__)

# So many rows are in memory at a time; each batch costs two more queries.
CELLS_AT_ONCE = 250
# The table is kept in memory up to this size while the pictures are sent, then on disk.
TABLE_IN_MEMORY = 1024**2
LETTERS_AT_ONCE = 64 * 1024
# A reviewer's "I cannot tell" is no label to learn from, and "another cell" is no class.
NEVER_LEARNED = ("unidentified", "other")
COLUMNS = (
    "file", "label", "review", "reviewed_in", "reviewer", "label_before", "model_version",
    "model_weights_sha256", "model_label", "model_confidence", "width", "height", "case",
    "patient", "laboratory", "case_signed",
)  # fmt: skip


def reviewed_cells_of_case(*, user: User, case: SmearCase) -> CellQuerySet:
    """Cells of one case that a reviewer named and a model can learn from.

    Raises:
        NotAllowed: when the user does not review in the case's laboratory.
    """
    policy = AccessPolicy(user)
    policy.require(Action.CORRECT, case.laboratory_id)
    return _learnable(policy.cells(Action.CORRECT).of_case(case.pk))


def reviewed_cells_of_laboratory(*, user: User, laboratory: Laboratory) -> CellQuerySet:
    """Cells of a whole laboratory that a reviewer named and a model can learn from.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
    """
    policy = AccessPolicy(user)
    policy.require(Action.MANAGE, laboratory.pk)
    return _learnable(policy.cells(Action.MANAGE).of_laboratories([laboratory.pk]))


def _learnable(cells: CellQuerySet) -> CellQuerySet:
    return cells.named_by_reviewers().not_labelled(NEVER_LEARNED)


def cells_by_class(cells: CellQuerySet) -> list[dict[str, Any]]:
    """How many cells of each class a folder would hold: ``cell_class`` and ``cells``, in order."""
    rows = cells.order_by().values("label_id").annotate(cells=Count("id"))
    counted = {row["label_id"]: row["cells"] for row in rows}
    return [
        {"cell_class": each, "cells": counted[each.pk]}
        for each in CellClass.objects.all()
        if each.pk in counted
    ]


def training_folder(
    *, user: User, cells: CellQuerySet, beyond_the_model: bool = False
) -> Iterator[bytes]:
    """Write the archive piece by piece; one image is in memory at a time.

    Args:
        user: who takes it away, for the log.
        cells: from :func:`reviewed_cells_of_case` or :func:`reviewed_cells_of_laboratory`.
        beyond_the_model: also classes the model does not know (blasts, smudge cells, artefacts);
            otherwise the folders are exactly the model's classes, empty ones included, so that a
            run may begin from its weights.

    Raises:
        Conflict: ``nothing_reviewed``, before anything is written.
    """
    if not beyond_the_model:
        cells = cells.of_predicted_classes()
    if not cells.exists():
        raise Conflict(
            "nothing_reviewed",
            _("No cell was confirmed or corrected by a reviewer yet; review some cells first."),
        )
    logger.info("User %s takes away a training folder.", user.pk)
    return _written(cells)


def _written(cells: CellQuerySet) -> Iterator[bytes]:
    archive = ZipStream()
    for code in CellClass.objects.filter(predicted=True).values_list("code", flat=True):
        yield archive.folder(code)
    with tempfile.SpooledTemporaryFile(
        TABLE_IN_MEMORY, mode="w+", encoding="utf-8", newline=""
    ) as table:
        writer = csv.writer(table)
        writer.writerow(COLUMNS)
        for cell, ending, data in _pictures(cells):
            name = f"{cell.label.code}/{pseudonym('cell', cell.pk)}{ending}"
            yield archive.stored(name, data)
            writer.writerow(_provenance(cell, name))
        table.seek(0)
        lines = iter(lambda: table.read(LETTERS_AT_ONCE).encode(), b"")
        yield from archive.deflated("provenance.csv", lines)
    yield archive.end()


def _pictures(cells: CellQuerySet) -> Iterator[tuple[Any, str, bytes]]:
    """Each cell with its picture as the model is shown it; a cell without a file is left out."""
    image_id, data, decoded = 0, b"", None
    for cell in _with_provenance(cells):
        if cell.frame_side is not None:
            with suppress(FileNotFoundError, ValueError):
                yield cell, ".png", _as_png(picture_of(cell))
                continue
            logger.warning("Image %s cannot be read; cell %s is left out.", cell.image_id, cell)
            continue
        if cell.image_id != image_id:
            image_id, data, decoded = cell.image_id, b"", None
            with suppress(FileNotFoundError), cell.image.file.open("rb") as file:
                data = file.read()
        if not data:
            logger.warning("The file of image %s is missing; cell %s is left out.", image_id, cell)
            continue
        box = (cell.left, cell.top, cell.left + cell.width, cell.top + cell.height)
        if box == (0, 0, cell.image.width, cell.image.height):
            yield cell, PurePosixPath(cell.image.file.name).suffix.lower(), data
            continue
        try:
            decoded = decoded or _decoded(data)
        except (UnidentifiedImageError, OSError):
            logger.warning("Image %s cannot be decoded; cell %s is left out.", image_id, cell)
            continue
        yield cell, ".png", _as_png(decoded.crop(box))


def _as_png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def _with_provenance(cells: CellQuerySet) -> Iterator[Any]:
    """Cells with what the table tells, in few queries, so ordered that an image is read once."""
    predictions = Prediction.objects.of_present_box().without_blobs().with_model_and_class()
    rows: Any = (
        cells.select_related("label", "image", "case")
        .prefetch_related(
            Prefetch("corrections", Correction.objects.select_related("from_class")),
            Prefetch("predictions", predictions),
        )
        .order_by("image_id", "id")
    )
    yield from rows.iterator(chunk_size=CELLS_AT_ONCE)


def _provenance(cell: Any, name: str) -> list[Any]:
    """The cell's line of the table, see ``COLUMNS``."""
    last = next(iter(cell.corrections.all()), None)
    prediction = next(iter(cell.predictions.all()), None)
    case = cell.case
    return [
        name,
        cell.label.code,
        cell.review_state,
        # The month alone: a day could be matched with a patient's visit.
        f"{last.made_at:%Y-%m}" if last else "",
        pseudonym("reviewer", last.made_by_id) if last else "",
        last.from_class.code if last and last.from_class else "",
        prediction.model_version.name if prediction else "",
        prediction.model_version.weights_sha256 if prediction else "",
        prediction.predicted_class.code if prediction else "",
        f"{prediction.confidence:.4f}" if prediction else "",
        *cell.frame[2:],
        pseudonym("case", case.pk),
        pseudonym("patient", case.patient_id),
        pseudonym("laboratory", case.laboratory_id),
        "yes" if case.is_frozen else "no",
    ]
