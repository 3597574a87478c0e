"""Proving once more who one is, before something that cannot be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import authenticate
from django.utils.translation import gettext_lazy as _

from cases.models import SignOff
from cases.services.errors import NotAllowed

if TYPE_CHECKING:
    from cases.models import User


def confirm_identity(*, user: User, password: str) -> str:
    """Make sure that whoever asks knows the user's password.

    A second factor has its place beside this: another function that takes what the user gave and
    returns another of ``SignOff.Means``.

    Returns:
        The means, for the signature.

    Raises:
        NotAllowed: ``wrong_password``.
    """
    found = authenticate(username=user.get_username(), password=password)
    if found is None or found.pk != user.pk:
        message = _("This is not your password; nothing was changed. Type it again.")
        raise NotAllowed("wrong_password", message, extra={"errors": {"password": [message]}})
    return str(SignOff.Means.PASSWORD)
