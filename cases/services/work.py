"""Who reads a case, and how soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases.models import CaseAssignment, Membership, SmearCase
from cases.policies import ALLOWED, AccessPolicy, Action, require
from cases.services.cases import case_signed_off
from cases.services.errors import Conflict, Missing, NotAllowed, ServiceError

if TYPE_CHECKING:
    from cases.models import User


def readers_of(*laboratory_ids: int) -> list[Membership]:
    """The open memberships whose role may read cases in the laboratories, with their users."""
    roles = [role for role, actions in ALLOWED.items() if Action.CORRECT in actions]
    found = Membership.objects.filter(
        laboratory_id__in=laboratory_ids, role__in=roles, user__is_active=True
    )
    return list(found.select_related("user").order_by("user__username"))


def assign_case(
    *, case_id: int, user: User, assignee_id: int | None, expected_assignee_id: int | None
) -> CaseAssignment:
    """Give a case to a reader, or back to nobody, and keep the change.

    A reader takes a case and gives back their own; an administrator decides for every member who
    may read. Of two who take a case at once only one gets it.

    Args:
        case_id: the case's key.
        user: who decides.
        assignee_id: the reader's key, ``None`` to give the case back.
        expected_assignee_id: whom the user saw as the reader.

    Raises:
        NotAllowed: ``not_allowed`` by role, ``assigns_others`` for another's case or person.
        ServiceError: ``not_a_reader``.
        Conflict: ``assigned_meanwhile``, ``case_signed_off``.
        Missing: ``case_not_found``.
    """
    case = _case(case_id)
    policy = AccessPolicy(user)
    policy.require(Action.CORRECT, case.laboratory_id)
    own_affair = assignee_id == user.pk or (assignee_id is None and case.assignee_id == user.pk)
    if not own_affair and not policy.may(Action.MANAGE, case.laboratory_id):
        raise NotAllowed(
            "assigns_others",
            _("You can take a case and give back your own; an administrator assigns to others."),
        )
    readers = {each.user_id for each in readers_of(case.laboratory_id)}
    if assignee_id is not None and assignee_id not in readers:
        message = _("Choose a reviewer or an administrator of this laboratory.")
        raise ServiceError("not_a_reader", message, extra={"errors": {"assignee": [message]}})
    with transaction.atomic():
        changed = (
            SmearCase.objects.filter(pk=case_id, assignee_id=expected_assignee_id)
            .not_frozen()
            .update(assignee_id=assignee_id)
        )
        if not changed:
            raise _refusal(case_id)
        return CaseAssignment.objects.create(case=case, assignee_id=assignee_id, made_by=user)


def _refusal(case_id: int) -> Conflict:
    """Why the conditional update met no row."""
    case = _case(case_id)
    if case.is_frozen:
        return case_signed_off()
    message: Any = _("The case was given back meanwhile. Look at the list again.")
    if case.assignee is not None:
        message = _("Somebody was faster: %(name)s has this case now.") % {
            "name": case.assignee.get_full_name() or case.assignee.get_username()
        }
    return Conflict("assigned_meanwhile", message)


def set_priority(*, case_id: int, user: User, priority: str) -> SmearCase:
    """Say how soon a case is wanted; whoever may add cases may say it.

    Raises:
        NotAllowed: by role.
        ServiceError: ``unknown_priority``.
        Conflict: ``case_signed_off``.
        Missing: ``case_not_found``.
    """
    case = _case(case_id)
    require(user, Action.UPLOAD, case.laboratory_id)
    if priority not in SmearCase.Priority.values:
        message = _("Choose routine or urgent.")
        raise ServiceError("unknown_priority", message, extra={"errors": {"priority": [message]}})
    if not SmearCase.objects.filter(pk=case_id).not_frozen().update(priority=priority):
        raise case_signed_off()
    case.priority = priority
    return case


def _case(case_id: int) -> SmearCase:
    case: SmearCase | None = SmearCase.objects.select_related("assignee").by_key(case_id)
    if case is None:
        raise Missing("case_not_found", _("There is no such case."))
    return case
