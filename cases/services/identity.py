"""Proving once more who one is, before something that cannot be taken back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from allauth.account.adapter import get_adapter
from allauth.core import context
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from cases.models import SignOff
from cases.policies import has_second_factor
from cases.services.errors import NotAllowed
from cases.services.second_factor import is_right_code, too_many_attempts

if TYPE_CHECKING:
    from cases.models import User

# Of an authenticator app, which shows it in two halves, and a recovery code.
CODE = re.compile(r"[0-9]{3} ?[0-9]{3}|[0-9]{8}")


def confirm_identity(*, user: User, password: str) -> str:
    """Make sure that whoever asks knows the user's password, or holds the user's second factor.

    Args:
        password: the password; of an account with a second factor also a current code of its
            authenticator app, or a recovery code.

    Returns:
        The means, for the signature.

    Raises:
        NotAllowed: ``wrong_password``.
        TooManyAttempts: after a few wrong ones, counted together with the log-in.
    """
    looks_like_a_code = CODE.fullmatch(password.strip())
    if looks_like_a_code and has_second_factor(user) and is_right_code(user, password):
        return str(SignOff.Means.SECOND_FACTOR)
    if _found(user, password) != user:
        message = (
            _("This is neither your password nor a current code; nothing was changed. Try again.")
            if has_second_factor(user)
            else _("This is not your password; nothing was changed. Type it again.")
        )
        raise NotAllowed("wrong_password", message, extra={"errors": {"password": [message]}})
    return str(SignOff.Means.PASSWORD)


def _found(user: User, password: str) -> User | None:
    """Whoever has this name and this password, if anybody."""
    name = user.get_username()
    request = context.request
    if request is None:  # a command, which nobody guesses at
        return cast("User | None", authenticate(username=name, password=password))
    adapter = get_adapter(request)
    try:
        found: User | None = adapter.authenticate(request, username=name, password=password)
    except ValidationError as error:
        raise too_many_attempts() from error
    return found
