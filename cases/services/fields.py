"""What reviewers do to the cells of a field: add, remove, fix, and mark as seen before.

What the model found stays as made; every step is one more row of ``DetectionCorrection``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.models import (
    Box,
    CaseImage,
    Cell,
    Detection,
    DetectionCorrection,
    Exclusion,
)
from cases.models.image import WorkState
from cases.policies import Action, require
from cases.services.borders import border_exclusion, edges_cutting
from cases.services.cases import refresh_case_status
from cases.services.doorbell import ring_after_commit
from cases.services.errors import Conflict, Missing, ServiceError
from cases.services.field_cells import cell_exclusion, frame_side, take_cell_numbers
from cases.services.laboratory_settings import settings_of
from cases.services.revisions import next_revision

if TYPE_CHECKING:
    from cases.models import User

Made = DetectionCorrection.Action
COMMENT_MAX_LENGTH = 2000
# In pixels; smaller boxes are slips of the pointer.
LEAST_SIDE = 4


def add_detection(
    *, user: User, image: CaseImage, kind: str, box: Box, comment: str = ""
) -> Detection:
    """Add a cell the model missed; a white cell or platelet becomes a cell of the case, queued.

    Raises:
        NotAllowed: when the user may not correct in the laboratory.
        Conflict: ``case_signed_off``, ``not_a_field``, ``not_searched_yet``.
        ServiceError: ``unknown_kind``, ``box_outside_image``, ``box_too_small``,
            ``comment_too_long``.
    """
    require(user, Action.CORRECT, image.case.laboratory_id)
    _check(image, kind=kind, box=box, comment=comment)
    with transaction.atomic():
        locked = _lock_image(image.pk)
        revision = next_revision(case_id=image.case_id)
        edges = edges_cutting(locked, box)
        detection = Detection(
            image=locked,
            number=_last_number(locked) + 1,
            kind=kind,
            source=Detection.Source.REVIEWER,
            cut_edges=",".join(edges),
            excluded=border_exclusion(_rule(image), edges),
            version=1,
            revision=revision,
            **box.as_dict(),
        )
        if kind in Detection.CLASSIFIED:
            detection.cell = _new_cell(locked, detection, revision)
        detection.save(force_insert=True)
        _note(detection, user, Made.ADDED, None, _state(detection), comment)
        _finish(locked, queued=detection.cell_id is not None)
    return detection


def remove_detection(
    *, user: User, detection: Detection, version: int, comment: str = ""
) -> Detection:
    """Say that there is no such cell: it counts nowhere from now on, and stays to be seen.

    Raises:
        NotAllowed: when the user may not correct in the laboratory.
        Conflict: ``detection_changed`` with ``current``, ``has_duplicates``, ``case_signed_off``.
    """
    return _exclude(user, detection, version, Made.REMOVED, Exclusion.REMOVED, None, comment)


def restore_detection(
    *, user: User, detection: Detection, version: int, comment: str = ""
) -> Detection:
    """Take a removal back.

    Raises:
        As ``remove_detection``; Conflict ``not_removed``.
    """
    return _include(user, detection, version, Made.RESTORED, Exclusion.REMOVED, comment)


def mark_duplicate(
    *, user: User, detection: Detection, version: int, of: Detection, comment: str = ""
) -> Detection:
    """Say that a cell is one that another field of the case shows already: it is counted once.

    Args:
        user: who says so.
        detection: the cell that will not count.
        version: of it, as the reader saw it.
        of: the same cell on another field, which counts.
        comment: why, if there is more to say.

    Raises:
        As ``remove_detection``; ServiceError ``not_another_field``, ``other_kind_of_cell``,
        ``original_not_counted``.
    """
    if of.image_id == detection.image_id or of.image.case_id != detection.image.case_id:
        raise _refused("not_another_field", "of",
                       _("Choose the same cell on another field of this case."))  # fmt: skip
    if of.kind != detection.kind:
        raise _refused("other_kind_of_cell", "of", _("Choose a cell of the same kind."))
    return _exclude(
        user, detection, version, Made.MARKED_DUPLICATE, Exclusion.DUPLICATE, of, comment
    )


def unmark_duplicate(
    *, user: User, detection: Detection, version: int, comment: str = ""
) -> Detection:
    """Let a cell that was called a duplicate count again.

    Raises:
        As ``remove_detection``; Conflict ``not_a_duplicate``.
    """
    return _include(user, detection, version, Made.UNMARKED_DUPLICATE, Exclusion.DUPLICATE, comment)


def change_box(
    *, user: User, detection: Detection, version: int, box: Box, comment: str = ""
) -> Detection:
    """Fix a cell's box; a white cell or platelet is shown to the model again.

    Raises:
        As ``remove_detection``; ServiceError ``box_outside_image``, ``box_too_small``.
    """
    image = detection.image
    require(user, Action.CORRECT, image.case.laboratory_id)
    _check(image, box=box, comment=comment)
    with transaction.atomic():
        row = _take(detection, version)
        edges = edges_cutting(image, box)
        before = _state(row)
        for name, value in box.as_dict().items():
            setattr(row, name, value)
        row.cut_edges = ",".join(edges)
        if row.excluded in (Exclusion.NONE, Exclusion.BORDER) and not row.duplicates.exists():
            row.excluded = border_exclusion(_rule(image), edges)
        return _store(row, user, Made.BOX_CHANGED, before, comment, again=before["box"])


def change_kind_of_cell(
    *, user: User, detection: Detection, version: int, kind: str, comment: str = ""
) -> Detection:
    """Say that a found cell is of another kind; white cells and platelets become cells to name.

    Raises:
        As ``remove_detection``; ServiceError ``unknown_kind``.
    """
    image = detection.image
    require(user, Action.CORRECT, image.case.laboratory_id)
    _check(image, kind=kind, comment=comment)
    with transaction.atomic():
        row = _take(detection, version)
        if row.excluded == Exclusion.DUPLICATE or row.duplicates.exists():
            raise _has_duplicates()
        before = _state(row)
        row.kind = kind
        return _store(row, user, Made.KIND_CHANGED, before, comment)


def _exclude(
    user: User,
    detection: Detection,
    version: int,
    action: str,
    exclusion: Exclusion,
    of: Detection | None,
    comment: str,
) -> Detection:
    require(user, Action.CORRECT, detection.image.case.laboratory_id)
    _check(detection.image, comment=comment)
    with transaction.atomic():
        row = _take(detection, version)
        if row.duplicates.exists():
            raise _has_duplicates()
        if of is not None and not Detection.objects.counted().filter(pk=of.pk).exists():
            raise _refused("original_not_counted", "of",
                           _("That cell is not counted itself; choose one that is."))  # fmt: skip
        before = _state(row)
        row.excluded, row.duplicate_of = exclusion, of
        return _store(row, user, action, before, comment)


def _include(
    user: User, detection: Detection, version: int, action: str, exclusion: str, comment: str
) -> Detection:
    require(user, Action.CORRECT, detection.image.case.laboratory_id)
    _check(detection.image, comment=comment)
    with transaction.atomic():
        row = _take(detection, version)
        if row.excluded != exclusion:
            raise (
                Conflict("not_removed", _("This cell was not removed."))
                if exclusion == Exclusion.REMOVED
                else Conflict("not_a_duplicate", _("This cell is not marked as a duplicate."))
            )
        before = _state(row)
        row.excluded = border_exclusion(_rule(detection.image), row.edges)
        row.duplicate_of = None
        return _store(row, user, action, before, comment)


def _take(detection: Detection, version: int) -> Detection:
    """Lock a detection as the reader saw it, its field and its case being open to changes.

    Raises:
        Conflict: ``detection_changed``, ``not_a_field``.
        Missing: ``detection_not_found``.
    """
    _lock_image(detection.image_id)
    rows = Detection.objects.select_for_update(of=("self",)).filter(pk=detection.pk)
    row: Detection | None = rows.first()
    if row is None:
        raise Missing("detection_not_found", _("This cell does not exist."))
    if row.version != version:
        raise Conflict(
            "detection_changed",
            _("Somebody was faster: this cell changed. Look at it again."),
            extra={"current": {"id": row.pk, "version": row.version, **_state(row)}},
        )
    return row


def _store(
    row: Detection,
    user: User,
    action: str,
    before: dict[str, Any],
    comment: str,
    again: Any = None,
) -> Detection:
    """Write a changed detection with its cell and the correction.

    Args:
        row: locked and changed.
        user: who changed it.
        action: what was done.
        before: what it was.
        comment: why.
        again: not None when the model has to see the cell again.
    """
    image = row.image
    revision = next_revision(case_id=image.case_id)
    row.version += 1
    row.revision = revision
    queued = False
    if row.cell_id is None and row.kind in Detection.CLASSIFIED:
        row.cell = _new_cell(image, row, revision)
        queued = True
    elif row.cell_id is not None:
        changes: dict[str, Any] = {
            "excluded": cell_exclusion(row, image),
            "version": F("version") + 1,
            "revision": revision,
        }
        if again is not None:
            changes |= row.box.as_dict() | {
                "frame_side": frame_side(image, row.kind, row.box),
                "box_version": F("box_version") + 1,
                "state": WorkState.QUEUED,
                "failure_code": "",
            }
            queued = True
        Cell.objects.filter(pk=row.cell_id).update(**changes)
    row.save()
    _note(row, user, action, before, _state(row), comment)
    _finish(image, queued=queued)
    return row


def _new_cell(image: CaseImage, detection: Detection, revision: int) -> Cell:
    return Cell.objects.create(
        case_id=image.case_id,
        image=image,
        number=take_cell_numbers(case_id=image.case_id, cells=1),
        frame_side=frame_side(image, detection.kind, detection.box),
        excluded=cell_exclusion(detection, image),
        revision=revision,
        **detection.box.as_dict(),
    )


def _finish(image: CaseImage, *, queued: bool) -> None:
    """Bring image and case in line, and ring where a cell waits for the model."""
    if queued:
        CaseImage.objects.filter(pk=image.pk).update(state=WorkState.QUEUED, failure_code="")
        ring_after_commit()
    refresh_case_status(case_id=image.case_id)


def _lock_image(pk: int) -> CaseImage:
    """The field under lock; SQLite locks no rows and need not: one writer at a time.

    Raises:
        Conflict: ``not_a_field``, ``not_searched_yet``.
    """
    image: CaseImage = CaseImage.objects.select_for_update(of=("self",)).get(pk=pk)
    if image.kind != CaseImage.Kind.FIELD:
        raise Conflict(
            "not_a_field", _("This image is not a field of view; change its kind first.")
        )
    if image.searched_at is None:
        raise Conflict(
            "not_searched_yet",
            _("The cells of this field are still looked for. Wait until that is done."),
        )
    return image


def _last_number(image: CaseImage) -> int:
    last = Detection.objects.filter(image=image).aggregate(last=Max("number"))["last"]
    return last or 0


def _rule(image: CaseImage) -> str:
    return settings_of(laboratory_id=image.case.laboratory_id).border_rule


def _state(row: Detection) -> dict[str, Any]:
    """What of a detection a reviewer can change."""
    return {
        "kind": str(row.kind),
        "box": row.box.as_dict(),
        "excluded": str(row.excluded),
        "duplicate_of": row.duplicate_of_id,
    }


def _note(
    row: Detection,
    user: User,
    action: str,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    comment: str,
) -> None:
    DetectionCorrection.objects.create(
        detection=row,
        made_by=user,
        made_at=timezone.now(),
        action=action,
        before=before,
        after=after,
        comment=comment.strip(),
        detection_version=row.version,
    )


def _check(
    image: CaseImage, *, kind: str | None = None, box: Box | None = None, comment: str = ""
) -> None:
    if kind is not None and kind not in Detection.Kind.values:
        raise _refused("unknown_kind", "kind",
                       _("Choose white_cell, platelet or red_cell."))  # fmt: skip
    if box is not None:
        if min(box.left, box.top) < 0 or box.right > image.width or box.bottom > image.height:
            raise _refused("box_outside_image", "box", _("The box must lie within the image."))
        if min(box.width, box.height) < LEAST_SIDE:
            message = _("The box is too small for a cell: draw it around the cell.")
            raise _refused("box_too_small", "box", message)
    if len(comment.strip()) > COMMENT_MAX_LENGTH:
        raise _refused("comment_too_long", "comment", _("The comment is too long."))


def _refused(code: str, field: str, message: Any) -> ServiceError:
    return ServiceError(code, message, extra={"errors": {field: [message]}})


def _has_duplicates() -> Conflict:
    return Conflict(
        "has_duplicates",
        _("Another field's cell is marked as the same as this one. Take that mark back first."),
    )
