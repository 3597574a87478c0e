"""A reviewer's word on a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.models import Cell, CellClass, Correction, SmearCase
from cases.policies import Action, require
from cases.services.cases import case_signed_off
from cases.services.errors import Conflict, Missing, ServiceError

if TYPE_CHECKING:
    from cases.models import User

COMMENT_MAX_LENGTH = 2000


def correct_cell(
    *,
    cell_id: int,
    user: User,
    to_class: CellClass | str,
    comment: str = "",
    expected_version: int | None = None,
    expected_label: str | None = None,
) -> Correction:
    """Give a cell the class a reviewer sees in it; its present class confirms it.

    Any cell can be named, also one the model failed on or has not seen yet: the model still
    predicts it, and the reviewer's label stays. Of two corrections made at once only one is kept,
    also when neither names a version.

    Args:
        cell_id: the cell's key.
        user: who corrects.
        to_class: a cell class or its code.
        comment: why, if there is more to say.
        expected_version: the cell's version the reader looked at.
        expected_label: the class code the reader looked at; "" for a cell without label.

    Raises:
        NotAllowed: when the user may not correct in the cell's laboratory.
        Conflict: ``stale_cell`` with the current state in ``extra``; ``case_signed_off``.
        Missing: ``cell_not_found``.
        ServiceError: ``unknown_class``, ``comment_too_long``.
    """
    # Read before the transaction: what changes from here on was somebody else's doing.
    cell = Cell.objects.select_related("case", "label").filter(pk=cell_id).first()
    if cell is None:
        raise Missing("cell_not_found", _("This cell does not exist."))
    require(user, Action.CORRECT, cell.case.laboratory_id)
    chosen = _class_named(to_class)
    comment = _checked_comment(comment)
    if expected_version is not None and expected_version != cell.version:
        raise _stale(cell_id)
    if expected_label is not None and expected_label != (cell.label.code if cell.label else ""):
        raise _stale(cell_id)

    confirmed = cell.label_id == chosen.pk
    try:
        with transaction.atomic():
            changed = Cell.objects.filter(pk=cell_id, version=cell.version).update(
                label=chosen,
                label_source=Cell.LabelSource.REVIEWER,
                review_state=(
                    Cell.ReviewState.CONFIRMED if confirmed else Cell.ReviewState.CORRECTED
                ),
                version=F("version") + 1,
            )
            if not changed:
                raise _StaleVersion
            # Writing the case's row makes a signature and a correction wait for each other.
            if (
                not SmearCase.objects.filter(pk=cell.case_id)
                .not_frozen()
                .update(updated_at=timezone.now())
            ):
                raise case_signed_off()
            return Correction.objects.create(
                cell_id=cell_id,
                made_by=user,
                from_class_id=cell.label_id,
                to_class=chosen,
                comment=comment,
                cell_version=cell.version + 1,
            )
    except _StaleVersion:
        raise _stale(cell_id) from None


class _StaleVersion(Exception):
    """The conditional update met another version; told after the roll-back, with fresh values."""


def current_state(cell_id: int) -> dict[str, Any]:
    """What somebody who came late has to know: the cell as it is now and who made it so."""
    cell = Cell.objects.select_related("label").get(pk=cell_id)
    last = Correction.objects.filter(cell_id=cell_id).select_related("made_by").first()
    return {
        "cell": cell_id,
        "version": cell.version,
        "label": cell.label.code if cell.label else None,
        "label_source": cell.label_source,
        "review_state": cell.review_state,
        "corrected_by": last.made_by.get_username() if last else None,
        "corrected_at": last.made_at if last else None,
    }


def _stale(cell_id: int) -> Conflict:
    return Conflict(
        "stale_cell",
        _("Somebody was faster: this cell changed. Look at it again before you correct it."),
        extra={"current": current_state(cell_id)},
    )


def _class_named(to_class: CellClass | str) -> CellClass:
    if isinstance(to_class, CellClass):
        return to_class
    chosen = CellClass.objects.filter(code=to_class).first()
    if chosen is None:
        message = _("There is no such cell class.")
        raise ServiceError("unknown_class", message, extra={"errors": {"to": [message]}})
    return chosen


def _checked_comment(comment: str) -> str:
    comment = comment.strip()
    if len(comment) > COMMENT_MAX_LENGTH:
        message = _("The comment is too long.")
        raise ServiceError("comment_too_long", message, extra={"errors": {"comment": [message]}})
    return comment
