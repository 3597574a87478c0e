"""Two blinded readings of a case, from the request to the end of both.

How the cells are chosen stands in docs/two-readers.md, why in docs/decisions/0014.
"""

from __future__ import annotations

import random
import secrets
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cases.models import (
    CaseImage,
    Cell,
    CellClass,
    Correction,
    DoubleReading,
    Reading,
    ReadingCell,
    ReadingLabel,
    SmearCase,
)
from cases.models.reading import CELLS_TO_READ
from cases.policies import AccessPolicy, Action, require
from cases.services.cases import case_signed_off
from cases.services.errors import Conflict, Missing, NotAllowed, ServiceError
from cases.services.work import readers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cases.models import User

State = DoubleReading.State
POSITIONS = {1: "first_position", 2: "second_position"}


def possible_readers(*, case: SmearCase, requested_by: User) -> list[User]:
    """Who could read the case blind: readers of its laboratory who have not dealt with it yet.

    Whoever asks has seen the case, whoever corrected in it knows its labels, and whoever read it
    in an earlier request may have seen it since.
    """
    knowing = {requested_by.pk}
    knowing |= set(
        Correction.objects.filter(cell__case_id=case.pk).values_list("made_by_id", flat=True)
    )
    knowing |= set(
        Reading.objects.filter(double_reading__case_id=case.pk).values_list("reader_id", flat=True)
    )
    return [each.user for each in readers_of(case.laboratory_id) if each.user_id not in knowing]


def request_double_reading(
    *, case_id: int, user: User, reader_ids: Sequence[int], seed: int | None = None
) -> DoubleReading:
    """Ask two readers to read the same cells of a case, each in an order of their own.

    Args:
        case_id: the case's key.
        user: who asks; cannot be one of the two.
        reader_ids: keys of the two readers.
        seed: draws the cells and the orders; a random one when left out.

    Raises:
        NotAllowed: by role.
        ServiceError: ``two_readers_needed``, ``reader_not_possible``, ``nothing_to_read``.
        Conflict: ``case_signed_off``, ``cells_pending``, ``double_reading_under_way``.
        Missing: ``case_not_found``.
    """
    case = SmearCase.objects.by_key(case_id)
    if case is None:
        raise Missing("case_not_found", _("There is no such case."))
    require(user, Action.CORRECT, case.laboratory_id)
    if DoubleReading.objects.of_case(case_id).under_way().exists():
        raise _under_way()
    _check_readers(case, user, reader_ids)
    seed = secrets.randbelow(2**31) if seed is None else seed
    try:
        with transaction.atomic():
            locked = SmearCase.objects.select_for_update().get(pk=case_id)
            if locked.is_frozen:
                raise case_signed_off()
            if _under_work(case_id):
                raise Conflict(
                    "cells_pending",
                    _("The model is still at work on this case. Ask again when it is done."),
                )
            made = DoubleReading.objects.create(case=case, requested_by=user, seed=seed)
            _draw_cells(made)
            Reading.objects.bulk_create(
                Reading(double_reading=made, number=number, reader_id=reader)
                for number, reader in enumerate(reader_ids, start=1)
            )
    except IntegrityError as error:
        raise _under_way() from error
    return made


def _under_work(case_id: int) -> bool:
    """Whether the model still names cells of the case, or looks for some."""
    return (
        Cell.objects.of_case(case_id).counted().pending().exists()
        or CaseImage.objects.in_case(case_id).unsearched().pending().exists()
    )


def _under_way() -> Conflict:
    return Conflict(
        "double_reading_under_way", _("Two readings of this case are under way already.")
    )


def _check_readers(case: SmearCase, user: User, reader_ids: Sequence[int]) -> None:
    if len(set(reader_ids)) != 2 or len(reader_ids) != 2:
        message = _("Choose two different readers.")
        raise ServiceError("two_readers_needed", message, extra={"errors": {"readers": [message]}})
    possible = {each.pk for each in possible_readers(case=case, requested_by=user)}
    if not possible.issuperset(reader_ids):
        message = _(
            "Choose readers of this laboratory who have neither asked for the readings nor "
            "corrected or read this case before."
        )
        raise ServiceError("reader_not_possible", message, extra={"errors": {"readers": [message]}})


def _draw_cells(double_reading: DoubleReading) -> None:
    """Draw the sample and the two orders; the same seed on the same cells draws the same."""
    candidates = list(
        Cell.objects.of_case(double_reading.case_id)
        .leukocyte_candidates()
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if not candidates:
        raise ServiceError(
            "nothing_to_read", _("This case has no cell that could be a leukocyte. Add images.")
        )
    dice = random.Random(double_reading.seed)  # noqa: S311 - a sample that can be drawn again
    drawn = dice.sample(candidates, min(CELLS_TO_READ, len(candidates)))
    second = list(range(1, len(drawn) + 1))
    dice.shuffle(second)
    ReadingCell.objects.bulk_create(
        ReadingCell(
            double_reading=double_reading,
            cell_id=cell,
            first_position=first,
            second_position=other,
        )
        for first, (cell, other) in enumerate(zip(drawn, second, strict=True), start=1)
    )


def name_cell(*, reading_id: int, user: User, position: int, label: str) -> ReadingLabel:
    """Keep a reader's name for the cell at a place of their reading; the latest one counts.

    Raises:
        Missing: ``reading_not_found`` also for the reading of somebody else, ``cell_not_found``.
        Conflict: ``reading_closed`` once it is done or withdrawn.
        ServiceError: ``unknown_class``.
    """
    reading = _own_reading(reading_id, user)
    chosen = CellClass.objects.filter(code=label).first()
    if chosen is None:
        message = _("There is no such cell class.")
        raise ServiceError("unknown_class", message, extra={"errors": {"label": [message]}})
    with transaction.atomic():
        _lock_open(reading)
        cell = cell_at(reading, position)
        return ReadingLabel.objects.create(reading=reading, reading_cell=cell, label=chosen)


def finish_reading(*, reading_id: int, user: User) -> Reading:
    """Close a reading for good; the second to be done opens the case to both again.

    Raises:
        Missing: ``reading_not_found``.
        Conflict: ``reading_closed``, ``cells_unnamed``.
    """
    reading = _own_reading(reading_id, user)
    with transaction.atomic():
        double_reading = _lock_open(reading)
        named = ReadingLabel.objects.filter(reading=reading).values("reading_cell").distinct()
        left = double_reading.cells.count() - named.count()
        if left:
            raise Conflict(
                "cells_unnamed",
                ngettext(
                    "%(count)s cell has no name yet.", "%(count)s cells have no name yet.", left
                )
                % {"count": left},
                extra={"left": left},
            )
        reading.finished_at = timezone.now()
        reading.save(update_fields=["finished_at"])
        if not double_reading.readings.filter(finished_at=None).exists():
            double_reading.state = State.ADJUDICATION
            double_reading.save(update_fields=["state"])
    return reading


def withdraw(*, double_reading_id: int, user: User) -> DoubleReading:
    """End a double reading without a result; what was read stays kept.

    Not by one of its readers, who would see the case that way: by whoever asked for it, or an
    administrator.

    Raises:
        Missing: ``double_reading_not_found``.
        NotAllowed: ``withdraws_own``, or by role.
        Conflict: ``double_reading_closed``.
    """
    found = double_reading_for(double_reading_id, user)
    policy = AccessPolicy(user)
    if is_reader(found, user) or not (
        found.requested_by_id == user.pk or policy.may(Action.MANAGE, found.case.laboratory_id)
    ):
        raise NotAllowed(
            "withdraws_own",
            _("Whoever asked for the readings or an administrator withdraws them, no reader."),
        )
    changed = (
        DoubleReading.objects.filter(pk=found.pk)
        .under_way()
        .update(state=State.WITHDRAWN, closed_by=user, closed_at=timezone.now())
    )
    if not changed:
        raise closed()
    found.refresh_from_db()
    return found


# --- what the other services of double readings use ----------------------------------------------
def double_reading_for(double_reading_id: int, user: User) -> DoubleReading:
    """The double reading, for somebody who may correct in its laboratory.

    Raises:
        Missing: ``double_reading_not_found``.
        NotAllowed: by role.
    """
    found: DoubleReading | None = DoubleReading.objects.for_display().by_key(double_reading_id)
    if found is None:
        raise Missing("double_reading_not_found", _("There is no such double reading."))
    require(user, Action.CORRECT, found.case.laboratory_id)
    return found


def is_reader(double_reading: DoubleReading, user: User) -> bool:
    """Whether the user is one of the two; asked of the readings brought along."""
    return any(each.reader_id == user.pk for each in double_reading.readings.all())


def closed() -> Conflict:
    """The refusal of every change to a double reading that has come to its end."""
    return Conflict(
        "double_reading_closed", _("This double reading is finished or withdrawn already.")
    )


def cell_at(reading: Reading, position: int) -> ReadingCell:
    """The cell at a place of a reading.

    Raises:
        Missing: ``cell_not_found``.
    """
    place: dict[str, Any] = {POSITIONS[reading.number]: position}
    cell = (
        ReadingCell.objects.filter(double_reading_id=reading.double_reading_id, **place)
        .select_related("cell__image")
        .first()
    )
    if cell is None:
        raise Missing("cell_not_found", _("This reading has no such cell."))
    return cell


def _own_reading(reading_id: int, user: User) -> Reading:
    reading: Reading | None = AccessPolicy(user).readings().by_key(reading_id)
    if reading is None:
        raise Missing("reading_not_found", _("There is no such reading of yours."))
    return reading


def _lock_open(reading: Reading) -> DoubleReading:
    """Lock the double reading, so that labels, both ends and a withdrawal wait for each other.

    Raises:
        Conflict: ``reading_closed``.
    """
    locked = DoubleReading.objects.select_for_update().get(pk=reading.double_reading_id)
    reading.refresh_from_db(fields=["finished_at"])
    if locked.state != State.READING or reading.finished_at is not None:
        raise Conflict("reading_closed", _("This reading is closed; its labels stay as they are."))
    return locked
