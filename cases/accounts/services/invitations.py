"""Invite somebody to a laboratory, and make them a member when they come."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.accounts.models import Invitation
from cases.models import Laboratory, Membership, Role, User
from cases.policies import Action, require
from cases.services.errors import Conflict, Missing, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET_BYTES = 32


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def invite(
    *, user: User, laboratory: Laboratory, email: str, role: str, link: Callable[[str], str]
) -> Invitation:
    """Send a link that makes its reader a member. An open invitation of the address is replaced.

    Args:
        user: who invites.
        link: the absolute address for an invitation's secret.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Conflict: ``already_member``.
        ServiceError: ``invalid`` with ``extra["errors"]``; ``mail_failed`` when the e-mail could
            not be sent, and then nothing is kept.
    """
    require(user, Action.MANAGE, laboratory.pk)
    email = email.strip().lower()
    _check(email, role)
    if _members_with(email, laboratory):
        raise Conflict("already_member", _("Somebody with this address is a member already."))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    now = timezone.now()
    with transaction.atomic():
        Invitation.objects.of_laboratories([laboratory.pk]).open().filter(email=email).update(
            withdrawn_at=now
        )
        invitation = Invitation.objects.create(
            laboratory=laboratory,
            email=email,
            role=role,
            digest=digest_of(secret),
            invited_by=user,
            expires_at=now + timedelta(days=settings.INVITATION_DAYS),
        )
        _send(invitation, link(secret))
    return invitation


def _check(email: str, role: str) -> None:
    errors: dict[str, list[Any]] = {}
    try:
        validate_email(email)
    except ValidationError as error:
        errors["email"] = error.messages
    if role not in Role.values:
        errors["role"] = [_("Choose one of the roles.")]
    if errors:
        raise ServiceError("invalid", _("Correct the fields below."), extra={"errors": errors})


def _members_with(email: str, laboratory: Laboratory) -> bool:
    addresses = EmailAddress.objects.filter(email__iexact=email).values("user_id")
    members = laboratory.memberships.filter(user__is_active=True)
    return (
        members.filter(user__email__iexact=email).exists()
        or members.filter(user_id__in=addresses).exists()
    )


def _send(invitation: Invitation, address: str) -> None:
    context = {"invitation": invitation, "address": address}
    try:
        send_mail(
            # A line break in a laboratory's name must not become a header.
            " ".join(render_to_string("accounts/email/invitation_subject.txt", context).split()),
            render_to_string("accounts/email/invitation.txt", context),
            None,
            [invitation.email],
        )
    except OSError as error:  # SMTP's errors are among them
        raise ServiceError(
            "mail_failed",
            _("The e-mail could not be sent, so nobody was invited. Try again later."),
        ) from error


def withdraw(*, user: User, invitation: Invitation) -> None:
    """Make an invitation's link useless.

    Raises:
        NotAllowed: when the user does not manage the laboratory.
        Conflict: ``invitation_closed`` when it was accepted or withdrawn before.
    """
    require(user, Action.MANAGE, invitation.laboratory_id)
    changed = Invitation.objects.open().filter(pk=invitation.pk)
    if not changed.update(withdrawn_at=timezone.now()):
        raise Conflict("invitation_closed", _("This invitation is no longer open."))


def find(*, secret: str) -> Invitation:
    """The invitation of a link.

    Raises:
        Missing: ``invitation_closed`` when it is unknown, used, withdrawn or expired.
    """
    found = Invitation.objects.usable().for_display().filter(digest=digest_of(secret)).first()
    if found is None:
        raise Missing(
            "invitation_closed",
            _(
                "This invitation is no longer valid. Ask the laboratory's administrator for a new "
                "one."
            ),
        )
    return found


def accept_with_new_account(
    *, secret: str, username: str, password: str, first_name: str = "", last_name: str = ""
) -> User:
    """Make an account and its membership. Whoever has the link has the mailbox: it is verified.

    Raises:
        Missing: ``invitation_closed``.
        ServiceError: ``invalid`` with ``extra["errors"]``, messages by field.
    """
    try:
        with transaction.atomic():
            invitation = find(secret=secret)
            user = User(
                username=username,
                email=invitation.email,
                first_name=first_name,
                last_name=last_name,
            )
            user.set_password(password)
            _check_account(user, password)
            user.save()
            EmailAddress.objects.create(
                user=user, email=invitation.email, primary=True, verified=True
            )
            _join(invitation, user)
    except IntegrityError as error:
        raise _invalid({"username": [_("This username is taken.")]}) from error
    return user


def accept(*, secret: str, user: User) -> Membership:
    """Add the laboratory to an account that exists.

    Raises:
        Missing: ``invitation_closed``.
        Conflict: ``already_member``.
    """
    with transaction.atomic():
        invitation = find(secret=secret)
        if invitation.laboratory.memberships.filter(user=user).exists():
            raise Conflict("already_member", _("You are a member of this laboratory already."))
        return _join(invitation, user)


def _check_account(user: User, password: str) -> None:
    errors: dict[str, list[Any]] = {}
    try:
        user.full_clean()
    except ValidationError as error:
        errors = dict(error.message_dict)
    try:
        validate_password(password, user)
    except ValidationError as error:
        errors["password1"] = error.messages
    if errors:
        raise _invalid(errors)


def _invalid(errors: dict[str, list[Any]]) -> ServiceError:
    return ServiceError("invalid", _("Correct the fields below."), extra={"errors": errors})


def _join(invitation: Invitation, user: User) -> Membership:
    used = Invitation.objects.usable().filter(pk=invitation.pk)
    if not used.update(accepted_at=timezone.now(), accepted_by=user):
        raise Missing("invitation_closed", _("This invitation was just used or withdrawn."))
    return Membership.objects.create(
        user=user, laboratory_id=invitation.laboratory_id, role=invitation.role
    )
