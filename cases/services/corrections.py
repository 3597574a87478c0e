"""A reviewer's word on cells: one of them, or thousands in one step that is taken back as one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from cases.models import Cell, CellClass, CellFlag, Correction, CorrectionBatch, SmearCase
from cases.policies import Action, require
from cases.services.errors import Conflict, Missing, NotAllowed, ServiceError
from cases.services.revisions import next_revision
from cases.services.work_order import refresh_work_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cases.models import User

COMMENT_MAX_LENGTH = 2000
CELLS_MAX = 10_000
STALE_TOLD_MAX = 100
ROWS_PER_INSERT = 500


@dataclass(frozen=True)
class _Standing:
    """What a correction changes of a cell."""

    label_id: int | None
    source: str
    state: str
    flagged: bool

    @classmethod
    def of(cls, cell: Cell) -> _Standing:
        return cls(cell.label_id, cell.label_source, cell.review_state, cell.flagged)


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
        raise _no_such_cell()
    require(user, Action.CORRECT, cell.case.laboratory_id)
    chosen = _class_named(to_class)
    comment = _checked_comment(comment)
    if expected_version is not None and expected_version != cell.version:
        raise _stale(cell_id)
    if expected_label is not None and expected_label != (cell.label.code if cell.label else ""):
        raise _stale(cell_id)
    try:
        batch = _name(
            case_id=cell.case_id,
            user=user,
            versions={cell_id: cell.version},
            chosen=chosen,
            comment=comment,
        )
    except StaleCells:
        raise _stale(cell_id) from None
    correction: Correction = batch.corrections.get()
    return correction


def correct_cells(
    *,
    case_id: int,
    user: User,
    versions: Mapping[int, int],
    to_class: CellClass | str | None,
    comment: str = "",
) -> CorrectionBatch:
    """Give cells of a case a class in one step, or confirm each in the class it has.

    All or none: one cell that changed since the reader looked refuses the whole step.

    Args:
        case_id: the case's key.
        user: who corrects.
        versions: by the cell's key the version the reader looked at.
        to_class: a cell class or its code; ``None`` confirms every cell in its present class.
        comment: why, kept with every correction.

    Raises:
        NotAllowed: when the user may not correct in the case's laboratory.
        Conflict: ``stale_cells`` with ``stale``, their number, and ``cells``, the current states of
            the first 100, in ``extra``; ``case_signed_off``.
        Missing: ``case_not_found``, ``cell_not_found``.
        ServiceError: ``unknown_class``, ``comment_too_long``, ``nothing_chosen``,
            ``too_many_cells``, ``nothing_to_confirm``.
    """
    require(user, Action.CORRECT, laboratory_of(case_id))
    chosen = None if to_class is None else _class_named(to_class)
    comment = _checked_comment(comment)
    check_number(versions)
    try:
        return _name(case_id=case_id, user=user, versions=versions, chosen=chosen, comment=comment)
    except StaleCells as stale:
        raise stale_cells(stale.keys) from None


def undo_batch(*, batch_id: int, user: User) -> CorrectionBatch:
    """Take back what one step did, by one more step: labels and review states as they were.

    A cell that had no name before takes the model's, should the model have named it meanwhile, and
    then waits for review.

    Args:
        batch_id: the key of the step.
        user: who takes it back; only who made it may.

    Raises:
        NotAllowed: when the user may not correct in the laboratory, or ``not_yours``.
        Conflict: ``already_undone``; ``case_signed_off``; ``stale_cells`` as in ``correct_cells``.
        Missing: ``batch_not_found``.
    """
    batch = CorrectionBatch.objects.select_related("case").filter(pk=batch_id).first()
    if batch is None:
        raise Missing("batch_not_found", _("There is no such step."))
    require(user, Action.CORRECT, batch.case.laboratory_id)
    if batch.made_by_id != user.pk:
        raise NotAllowed(
            "not_yours", _("Only who made a step takes it back; correct the cells instead.")
        )
    if CorrectionBatch.objects.filter(undoes=batch).exists():
        raise Conflict("already_undone", _("This step was taken back already."))
    made = {each.cell_id: each for each in batch.corrections.all()}
    versions = {key: each.cell_version for key, each in made.items()}

    def before(cell: Cell) -> _Standing:
        return _standing_before(made[cell.pk], cell)

    try:
        with transaction.atomic():
            cells = lock_cells(batch.case_id, versions)
            targets = {cell.pk: before(cell) for cell in cells}
            return _write(
                case_id=batch.case_id, user=user, cells=cells, targets=targets, undoes=batch
            )
    except StaleCells as stale:
        raise stale_cells(stale.keys) from None


class StaleCells(Exception):
    """Cells have other versions than the reader saw; told after the roll-back, freshly read."""

    def __init__(self, keys: list[int]) -> None:
        super().__init__(keys)
        self.keys = keys


def _name(
    *,
    case_id: int,
    user: User,
    versions: Mapping[int, int],
    chosen: CellClass | None,
    comment: str,
) -> CorrectionBatch:
    """Name the cells ``chosen``, or confirm each; all or none."""
    with transaction.atomic():
        cells = lock_cells(case_id, versions)
        unnamed = [cell.number for cell in cells if chosen is None and cell.label_id is None]
        if unnamed:
            raise ServiceError(
                "nothing_to_confirm",
                _("A cell without a name cannot be confirmed: name it. Cells: %(numbers)s")
                % {"numbers": ", ".join(map(str, sorted(unnamed)[:STALE_TOLD_MAX]))},
            )
        targets = {}
        for cell in cells:
            label_id = cell.label_id if chosen is None else chosen.pk
            confirmed = label_id == cell.label_id
            state = Cell.ReviewState.CONFIRMED if confirmed else Cell.ReviewState.CORRECTED
            targets[cell.pk] = _Standing(label_id, Cell.LabelSource.REVIEWER, state, flagged=False)
        return _write(case_id=case_id, user=user, cells=cells, targets=targets, comment=comment)


def lock_cells(case_id: int, versions: Mapping[int, int]) -> list[Cell]:
    """Lock the cells in the order of their keys, and make sure that they are as the reader saw.

    SQLite locks no rows and need not: its transactions are IMMEDIATE, one writer at a time.

    Raises:
        Missing: ``cell_not_found``.
        StaleCells: when cells changed since.
    """
    wanted = Cell.objects.of_case(case_id).filter(pk__in=versions)
    cells = list(wanted.select_for_update(of=("self",)).order_by("pk"))
    if len(cells) != len(versions):
        raise _no_such_cell()
    stale = [cell.pk for cell in cells if cell.version != versions[cell.pk]]
    if stale:
        raise StaleCells(stale)
    return cells


def _write(
    *,
    case_id: int,
    user: User,
    cells: list[Cell],
    targets: Mapping[int, _Standing],
    comment: str = "",
    undoes: CorrectionBatch | None = None,
) -> CorrectionBatch:
    """Bring locked cells to their targets: the batch, its corrections, the cells, the flags."""
    revision = next_revision(case_id=case_id)
    batch = CorrectionBatch.objects.create(case_id=case_id, made_by=user, undoes=undoes)
    rows = [
        Correction(
            cell=cell,
            made_by=user,
            from_class_id=cell.label_id,
            to_class_id=targets[cell.pk].label_id,
            from_source=cell.label_source,
            from_state=cell.review_state,
            from_flagged=cell.flagged,
            comment=comment,
            cell_version=cell.version + 1,
            batch=batch,
        )
        for cell in cells
    ]
    Correction.objects.bulk_create(rows, batch_size=ROWS_PER_INSERT)
    flags = [
        CellFlag(
            cell=cell,
            made_by=user,
            raised=targets[cell.pk].flagged,
            review_state=cell.review_state,
        )
        for cell in cells
        if cell.flagged != targets[cell.pk].flagged
    ]
    CellFlag.objects.bulk_create(flags, batch_size=ROWS_PER_INSERT)
    alike: dict[_Standing, list[int]] = defaultdict(list)
    for cell in cells:
        alike[targets[cell.pk]].append(cell.pk)
    for standing, keys in alike.items():
        Cell.objects.filter(pk__in=keys).update(
            label=standing.label_id,
            label_source=standing.source,
            review_state=standing.state,
            flagged=standing.flagged,
            version=F("version") + 1,
            revision=revision,
        )
    refresh_work_order(case_id=case_id)
    return batch


def _standing_before(made: Correction, cell: Cell) -> _Standing:
    """What the cell was before a correction, as far as it can be that again."""
    if made.from_class_id is None and cell.model_label_id is not None:
        return _Standing(
            cell.model_label_id,
            Cell.LabelSource.MODEL,
            Cell.ReviewState.NEEDS_REVIEW,
            made.from_flagged,
        )
    return _Standing(
        made.from_class_id,
        made.from_source,
        made.from_state or Cell.ReviewState.UNREVIEWED,
        made.from_flagged,
    )


def current_states(cell_ids: Iterable[int]) -> list[dict[str, Any]]:
    """What somebody who came late has to know: the cells as they are now and who made them so."""
    keys = list(cell_ids)
    last: dict[int, Correction] = {}
    for each in Correction.objects.filter(cell_id__in=keys).select_related("made_by"):
        last.setdefault(each.cell_id, each)  # the latest first
    states = []
    for cell in Cell.objects.filter(pk__in=keys).select_related("label").order_by("pk"):
        made = last.get(cell.pk)
        states.append(
            {
                "cell": cell.pk,
                "number": cell.number,
                "version": cell.version,
                "label": cell.label.code if cell.label else None,
                "label_source": cell.label_source,
                "review_state": cell.review_state,
                "corrected_by": made.made_by.get_username() if made else None,
                "corrected_at": made.made_at if made else None,
            }
        )
    return states


def stale_cells(keys: list[int]) -> Conflict:
    """The refusal of a step on cells of which some changed meanwhile."""
    message = ngettext_lazy(
        "Somebody was faster: %(count)s cell changed meanwhile, so nothing was done. Look at it "
        "again.",
        "Somebody was faster: %(count)s cells changed meanwhile, so nothing was done. Look at them "
        "again.",
        len(keys),
    ) % {"count": len(keys)}
    extra = {"stale": len(keys), "cells": current_states(keys[:STALE_TOLD_MAX])}
    return Conflict("stale_cells", message, extra=extra)


def _stale(cell_id: int) -> Conflict:
    (current,) = current_states([cell_id])
    return Conflict(
        "stale_cell",
        _("Somebody was faster: this cell changed. Look at it again before you correct it."),
        extra={"current": current},
    )


def laboratory_of(case_id: int) -> int:
    """The laboratory of a case.

    Raises:
        Missing: ``case_not_found``.
    """
    found = SmearCase.objects.filter(pk=case_id).values_list("laboratory_id", flat=True).first()
    if found is None:
        raise Missing("case_not_found", _("There is no such case."))
    return found


def check_number(versions: Mapping[int, int]) -> None:
    """Refuse a step on no cell, or on more than one request may hold.

    Raises:
        ServiceError: ``nothing_chosen``, ``too_many_cells``.
    """
    if not versions:
        raise ServiceError("nothing_chosen", _("Choose at least one cell."))
    if len(versions) > CELLS_MAX:
        raise ServiceError(
            "too_many_cells",
            _("Choose at most %(maximum)s cells at once.") % {"maximum": CELLS_MAX},
        )


def _no_such_cell() -> Missing:
    return Missing("cell_not_found", _("This cell does not exist."))


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
