"""The third reader: sees both readings, decides the cells in dispute and closes the matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cases.models import Adjudication, Cell, CellClass, DoubleReading
from cases.services.comparison import PairedLabel, paired_labels
from cases.services.corrections import correct_cell, correct_cells
from cases.services.errors import Conflict, Missing, NotAllowed
from cases.services.readings import State, closed, double_reading_for, is_reader

if TYPE_CHECKING:
    from cases.models import User


def decide_cell(
    *,
    double_reading_id: int,
    user: User,
    reading_cell_id: int,
    label: str,
    expected_version: int | None = None,
) -> Adjudication:
    """Decide a cell in dispute; the decision becomes a correction of the case.

    Whoever decides the first cell adjudicates the whole. A cell can be decided again until the
    double reading is finished: the latest decision counts, all are kept.

    Raises:
        Missing: ``double_reading_not_found``, ``cell_not_found``.
        NotAllowed: ``adjudicates_own`` for one of the two readers, or by role.
        Conflict: ``readings_open``, ``double_reading_closed``, ``other_adjudicator``,
            ``not_in_dispute``, and those of a correction.
        ServiceError: ``unknown_class``.
    """
    found = _open_to(double_reading_id, user)
    pair = next(
        (each for each in paired_labels(found) if each.reading_cell == reading_cell_id), None
    )
    if pair is None:
        raise Missing("cell_not_found", _("This reading has no such cell."))
    if pair.agreed:
        raise Conflict("not_in_dispute", _("Both readers gave this cell the same class."))
    with transaction.atomic():
        _take(found, user)
        correction = correct_cell(
            cell_id=pair.cell,
            user=user,
            to_class=label,
            comment=gettext("Adjudicated: the readers saw %(first)s and %(second)s.")
            % {"first": pair.first.name, "second": pair.second.name},
            expected_version=expected_version,
        )
        assert correction.to_class is not None  # noqa: S101 - a decision names one; for mypy
        return Adjudication.objects.create(
            reading_cell_id=reading_cell_id,
            label=correction.to_class,
            made_by=user,
            correction=correction,
        )


def finish_adjudication(*, double_reading_id: int, user: User) -> DoubleReading:
    """Take over what both readers agreed on and close: the case now says what the readings say.

    Cells both named alike are corrected to that name, or confirmed in it; cells a reviewer has
    already put there stay as they are.

    Raises:
        Missing: ``double_reading_not_found``.
        NotAllowed: ``adjudicates_own``, or by role.
        Conflict: ``cells_in_dispute`` with their number in ``extra["left"]``, and those of
            :func:`decide_cell`.
    """
    found = _open_to(double_reading_id, user)
    pairs = paired_labels(found)
    with transaction.atomic():
        _take(found, user)
        decided = Adjudication.objects.latest_of(found.pk)
        left = sum(1 for each in pairs if not each.agreed and each.reading_cell not in decided)
        if left:
            raise Conflict(
                "cells_in_dispute",
                ngettext(
                    "%(count)s cell is still in dispute.",
                    "%(count)s cells are still in dispute.",
                    left,
                )
                % {"count": left},
                extra={"left": left},
            )
        _take_over([each for each in pairs if each.agreed], user)
        DoubleReading.objects.filter(pk=found.pk).update(
            state=State.FINISHED, closed_by=user, closed_at=timezone.now()
        )
    found.refresh_from_db()
    return found


def _take_over(agreed: list[PairedLabel], user: User) -> None:
    """Correct every cell to the class both readers gave it: one step for each class."""
    wanted = {each.cell: each.first for each in agreed}
    by_class: dict[CellClass, dict[int, int]] = {}
    case_id = 0
    for cell in Cell.objects.filter(pk__in=wanted):
        case_id = cell.case_id
        settled = cell.label_source == Cell.LabelSource.REVIEWER
        if not settled or cell.label_id != wanted[cell.pk].pk:
            by_class.setdefault(wanted[cell.pk], {})[cell.pk] = cell.version
    for cell_class, versions in by_class.items():
        correct_cells(
            case_id=case_id,
            user=user,
            versions=versions,
            to_class=cell_class,
            comment=gettext("Both blinded readers saw this."),
        )


def _open_to(double_reading_id: int, user: User) -> DoubleReading:
    """The double reading, if this person may adjudicate it now."""
    found = double_reading_for(double_reading_id, user)
    if is_reader(found, user):
        raise NotAllowed(
            "adjudicates_own", _("A third person decides, not one of the two readers.")
        )
    if found.state == State.READING:
        raise Conflict("readings_open", _("The two readings are not both done yet."))
    if found.state != State.ADJUDICATION:
        raise closed()
    return found


def _take(double_reading: DoubleReading, user: User) -> None:
    """Make the user the adjudicator, if nobody else is; the update locks the row until the end.

    Raises:
        Conflict: ``other_adjudicator``, ``double_reading_closed``.
    """
    mine = Q(adjudicator=None) | Q(adjudicator=user)
    here = DoubleReading.objects.filter(pk=double_reading.pk, state=State.ADJUDICATION)
    if here.filter(mine).update(adjudicator=user):
        return
    if not here.exists():
        raise closed()
    raise Conflict("other_adjudicator", _("Somebody else adjudicates this double reading already."))
