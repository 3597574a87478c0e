"""What an administrator does with the members of a laboratory."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases.models import Laboratory, Membership, Role, User
from cases.policies import Action, has_second_factor, require
from cases.services.errors import Conflict, ServiceError
from cases.services.people import end_access


def change_role(*, user: User, membership: Membership, role: str) -> Membership:
    """Give a member another role.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        ServiceError: ``unknown_role``.
        Conflict: ``last_administrator``.
    """
    require(user, Action.MANAGE, membership.laboratory_id)
    if role not in Role.values:
        raise ServiceError("unknown_role", _("Choose one of the roles."))
    with transaction.atomic():
        row = _locked(membership)
        if role != Role.ADMINISTRATOR:
            _keep_an_administrator(row)
        row.role = role
        row.save(update_fields=["role"])
    return row


def remove(*, user: User, membership: Membership) -> None:
    """End a membership; the account and other laboratories stay.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Conflict: ``last_administrator``.
    """
    require(user, Action.MANAGE, membership.laboratory_id)
    with transaction.atomic():
        row = _locked(membership)
        _keep_an_administrator(row)
        row.delete()


def deactivate(*, user: User, membership: Membership) -> None:
    """Close a member's account: sessions and tokens end with their next request.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Conflict: ``last_administrator``; ``member_elsewhere`` when the account belongs to another
            laboratory too; ``own_account``.
    """
    require(user, Action.MANAGE, membership.laboratory_id)
    with transaction.atomic():
        row = _locked(membership)
        _only_here(user, row)
        _keep_an_administrator(row)
        User.objects.filter(pk=row.user_id).update(is_active=False)
        end_access(user=row.user)


def reactivate(*, user: User, membership: Membership) -> None:
    """Open a closed account again. Former sessions and tokens stay ended.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Conflict: ``member_elsewhere``.
    """
    require(user, Action.MANAGE, membership.laboratory_id)
    _only_here(user, membership)
    User.objects.filter(pk=membership.user_id).update(is_active=True)


def reset_second_factor(*, user: User, membership: Membership) -> None:
    """Remove a member's second factor, as after a lost phone, and end their sessions and tokens.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Conflict: ``member_elsewhere``; ``own_account``.
    """
    require(user, Action.MANAGE, membership.laboratory_id)
    with transaction.atomic():
        _only_here(user, membership)
        Authenticator.objects.filter(user_id=membership.user_id).delete()
        end_access(user=membership.user)


def require_second_factor(*, user: User, laboratory: Laboratory, required: bool) -> None:
    """Set whether members need a second factor.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Conflict: ``own_second_factor_missing``: who asks it of others sets one up first.
    """
    require(user, Action.MANAGE, laboratory.pk)
    if required and not has_second_factor(user):
        raise Conflict(
            "own_second_factor_missing", _("Set up your own second factor first, then require it.")
        )
    Laboratory.objects.filter(pk=laboratory.pk).update(requires_second_factor=required)


def _locked(membership: Membership) -> Membership:
    """The membership, with all of its laboratory held: two administrators may act at once."""
    rows = Membership.objects.select_for_update().filter(laboratory_id=membership.laboratory_id)
    found = {each.pk: each for each in rows.select_related("user")}
    if membership.pk not in found:
        raise Conflict("no_member", _("This person is no longer a member."))
    return found[membership.pk]


def _keep_an_administrator(membership: Membership) -> None:
    if membership.role != Role.ADMINISTRATOR:
        return
    others = Membership.objects.filter(
        laboratory_id=membership.laboratory_id, role=Role.ADMINISTRATOR, user__is_active=True
    ).exclude(pk=membership.pk)
    if not others.exists():
        raise Conflict(
            "last_administrator",
            _("A laboratory keeps at least one administrator. Make somebody else one first."),
        )


def _only_here(user: User, membership: Membership) -> None:
    """Who belongs elsewhere too is not this laboratory's to close."""
    if membership.user_id == user.pk:
        raise Conflict("own_account", _("Ask another administrator to do this to your account."))
    elsewhere = Membership.objects.filter(user_id=membership.user_id).exclude(
        laboratory_id=membership.laboratory_id
    )
    if membership.user.is_superuser or elsewhere.exists():
        raise Conflict(
            "member_elsewhere",
            _("This account belongs to another laboratory too. Remove the membership instead."),
        )
