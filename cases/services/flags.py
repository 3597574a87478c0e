"""Flags: a reviewer asks for another look at a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from cases.models import Cell, CellFlag
from cases.models.image import WorkState
from cases.policies import Action, require
from cases.services.corrections import (
    ROWS_PER_INSERT,
    StaleCells,
    check_number,
    laboratory_of,
    lock_cells,
    stale_cells,
)
from cases.services.errors import ServiceError
from cases.services.revisions import next_revision
from cases.services.work_order import refresh_work_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cases.models import User

NOTE_MAX_LENGTH = 500


def flag_cells(
    *, case_id: int, user: User, versions: Mapping[int, int], raised: bool, note: str = ""
) -> int:
    """Raise or lower the flag of cells in one step; all or none.

    A flagged cell needs review. Lowering the flag brings back the review state it had before; a
    cell whose flag stands as wanted already is left as it is.

    Args:
        case_id: the case's key.
        user: who flags.
        versions: by the cell's key the version the reader looked at.
        raised: whether the flag is raised.
        note: why.

    Returns:
        How many cells changed.

    Raises:
        NotAllowed: when the user may not correct in the case's laboratory.
        Conflict: ``stale_cells`` as in ``correct_cells``; ``case_signed_off``.
        Missing: ``case_not_found``, ``cell_not_found``.
        ServiceError: ``note_too_long``, ``nothing_chosen``, ``too_many_cells``.
    """
    require(user, Action.CORRECT, laboratory_of(case_id))
    check_number(versions)
    note = note.strip()
    if len(note) > NOTE_MAX_LENGTH:
        message = _("The note is too long.")
        raise ServiceError("note_too_long", message, extra={"errors": {"note": [message]}})
    try:
        with transaction.atomic():
            cells = [each for each in lock_cells(case_id, versions) if each.flagged != raised]
            if cells:
                _write(case_id=case_id, user=user, cells=cells, raised=raised, note=note)
            return len(cells)
    except StaleCells as stale:
        raise stale_cells(stale.keys) from None


def _write(*, case_id: int, user: User, cells: list[Cell], raised: bool, note: str) -> None:
    revision = next_revision(case_id=case_id)
    before = {} if raised else _states_before({cell.pk for cell in cells})
    CellFlag.objects.bulk_create(
        (
            CellFlag(
                cell=cell, made_by=user, raised=raised, note=note, review_state=_state_kept(cell)
            )
            for cell in cells
        ),
        batch_size=ROWS_PER_INSERT,
    )
    alike: dict[str, list[int]] = {}
    for cell in cells:
        state = Cell.ReviewState.NEEDS_REVIEW if raised else before[cell.pk]
        alike.setdefault(state, []).append(cell.pk)
    for state, keys in alike.items():
        Cell.objects.filter(pk__in=keys).update(
            flagged=raised, review_state=state, version=F("version") + 1, revision=revision
        )
    refresh_work_order(case_id=case_id)


def _state_kept(cell: Cell) -> str:
    """What lowering the flag brings back; a cell the model has not judged is not let through."""
    if cell.state != WorkState.DONE:
        return Cell.ReviewState.NEEDS_REVIEW
    return cell.review_state


def _states_before(keys: set[int]) -> dict[int, str]:
    """The review state of flagged cells before their flag was raised."""
    states = dict.fromkeys(keys, str(Cell.ReviewState.NEEDS_REVIEW))
    rows = CellFlag.objects.filter(cell_id__in=keys, raised=True).order_by("id")
    states.update(rows.values_list("cell_id", "review_state"))
    return states
