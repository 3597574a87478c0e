"""Fields whose cells are looked for: what the search found, and which kind an image is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.models import Box, CaseImage, Cell, Detection, Exclusion
from cases.models.image import WorkState
from cases.policies import Action, require
from cases.services.borders import border_exclusion
from cases.services.cases import refresh_case_status
from cases.services.doorbell import ring_after_commit
from cases.services.errors import Conflict, ServiceError
from cases.services.field_cells import cell_exclusion, take_cell_numbers
from cases.services.laboratory_settings import settings_of
from cases.services.revisions import next_revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cases.models import User

ROWS_PER_INSERT = 500
Kind = CaseImage.Kind
KindSource = CaseImage.KindSource


@dataclass(frozen=True)
class FoundCell:
    """A cell the detector found on a field.

    Attributes:
        kind: of :class:`cases.models.Detection.Kind`.
        box: in whole pixels of the image.
        score: of the detector, in [0, 1].
        edges: of the image that cut the cell.
        frame_side: of the square the model is to see; None for red cells.
    """

    kind: str
    box: Box
    score: float
    edges: tuple[str, ...] = ()
    frame_side: int | None = None


def store_found(*, image_id: int, found: Sequence[FoundCell]) -> int:
    """Store what was found on a field, once: rows, numbered cells of the case, the image's end.

    Inside the worker's transaction: either all of a field is there or nothing. A field that was
    searched meanwhile, or is one no more, keeps what it has.

    Args:
        image_id: the field.
        found: in reading order; their numbers follow it.

    Returns:
        How many cells of the case were made.

    Raises:
        Conflict: ``case_signed_off``.
    """
    image = (
        CaseImage.objects.select_for_update(of=("self",)).select_related("case").get(pk=image_id)
    )
    if image.kind != Kind.FIELD or image.searched_at is not None:
        return 0
    revision = next_revision(case_id=image.case_id)
    rule = settings_of(laboratory_id=image.case.laboratory_id).border_rule
    rows = [
        Detection(
            image=image,
            number=number,
            kind=each.kind,
            found_kind=each.kind,
            score=each.score,
            cut_edges=",".join(each.edges),
            excluded=border_exclusion(rule, each.edges),
            revision=revision,
            **each.box.as_dict(),
            **{f"found_{name}": value for name, value in each.box.as_dict().items()},
        )
        for number, each in enumerate(found, start=1)
    ]
    named = [
        (row, each)
        for row, each in zip(rows, found, strict=True)
        if row.kind in Detection.CLASSIFIED
    ]
    if named:
        first = take_cell_numbers(case_id=image.case_id, cells=len(named))
        cells = [
            Cell(
                case_id=image.case_id,
                image=image,
                number=number,
                frame_side=each.frame_side,
                excluded=cell_exclusion(row, image),
                revision=revision,
                **each.box.as_dict(),
            )
            for number, (row, each) in enumerate(named, start=first)
        ]
        made = Cell.objects.bulk_create(cells, batch_size=ROWS_PER_INSERT)
        for (row, _each), cell in zip(named, made, strict=True):
            row.cell = cell
    Detection.objects.bulk_create(rows, batch_size=ROWS_PER_INSERT)
    CaseImage.objects.filter(pk=image.pk).update(
        state=WorkState.QUEUED if named else WorkState.DONE,
        failure_code="",
        searched_at=timezone.now(),
        search_progress=100,
        kind_source=(
            KindSource.MEASURED if image.kind_source == KindSource.UNSURE else image.kind_source
        ),
    )
    refresh_case_status(case_id=image.case_id)
    ring_after_commit()
    return len(named)


def fail_search(*, image_id: int, failure_code: str) -> None:
    """Note, inside the worker's transaction, that a field was given up."""
    images = CaseImage.objects.unsearched().filter(pk=image_id)
    if images.update(state=WorkState.FAILED, failure_code=failure_code, search_progress=0):
        case_id = CaseImage.objects.values_list("case_id", flat=True).get(pk=image_id)
        refresh_case_status(case_id=case_id)


def search_again(*, case_id: int) -> int:
    """Put the fields of a case that were given up back into the queue; returns how many."""
    images = CaseImage.objects.in_case(case_id).unsearched().filter(state=WorkState.FAILED)
    return images.update(state=WorkState.QUEUED, failure_code="", search_progress=0)


def change_kind(*, user: User, image: CaseImage, kind: str) -> CaseImage:
    """Correct what an image shows; what follows from it is queued, what no longer holds is kept.

    The cells of the other kind are excluded, not deleted, and come back with the kind.

    Raises:
        NotAllowed: when the user may not upload to the laboratory.
        Conflict: ``case_signed_off``, ``kind_already``.
        ServiceError: ``unknown_kind``, ``too_large_for_a_cell``.
    """
    require(user, Action.UPLOAD, image.case.laboratory_id)
    if kind not in Kind.values:
        message = _("The kind of image must be single_cell or field.")
        raise ServiceError("unknown_kind", message, extra={"errors": {"kind": [message]}})
    if kind == Kind.SINGLE_CELL and image.width * image.height > settings.UPLOAD_MAX_PIXELS:
        message = _("An image this large cannot show a single cell.")
        raise ServiceError("too_large_for_a_cell", message, extra={"errors": {"kind": [message]}})
    with transaction.atomic():
        row = CaseImage.objects.select_for_update(of=("self",)).get(pk=image.pk)
        if row.kind == kind:
            raise Conflict("kind_already", _("The image is of this kind already."))
        set_kind(row, kind, source=KindSource.GIVEN)
        ring_after_commit()
    return row


def set_kind(row: CaseImage, kind: str, *, source: str) -> None:
    """Make a locked image one of another kind, inside the caller's transaction."""
    revision = next_revision(case_id=row.case_id)
    changed = {"version": F("version") + 1, "revision": revision}
    cells = Cell.objects.filter(image=row)
    whole, found = cells.filter(detection=None), cells.exclude(detection=None)
    row.kind, row.kind_source = kind, source
    row.failure_code = ""
    if kind == Kind.SINGLE_CELL:
        found.update(excluded=Exclusion.OTHER_KIND, **changed)
        if not whole.update(excluded=Exclusion.NONE, **changed):
            Cell.objects.create(
                case_id=row.case_id,
                image=row,
                number=take_cell_numbers(case_id=row.case_id, cells=1),
                left=0,
                top=0,
                width=row.width,
                height=row.height,
                revision=revision,
            )
    else:
        whole.update(excluded=Exclusion.OTHER_KIND, **changed)
        for exclusion in (Exclusion.NONE, Exclusion.BORDER, Exclusion.REMOVED, Exclusion.DUPLICATE):
            counted = found.filter(
                detection__excluded=exclusion, detection__kind__in=Detection.CLASSIFIED
            )
            keys = list(counted.values_list("pk", flat=True))
            Cell.objects.filter(pk__in=keys).update(excluded=exclusion, **changed)
    row.state = _state_of(row)
    row.save(update_fields=["kind", "kind_source", "failure_code", "state"])
    refresh_case_status(case_id=row.case_id)


def _state_of(row: CaseImage) -> str:
    if row.kind == Kind.FIELD and row.searched_at is None:
        return WorkState.QUEUED
    waits = Cell.objects.filter(image=row).counted().pending().exists()
    return WorkState.QUEUED if waits else WorkState.DONE
