"""What happens with a log-in, and what the trail is told of it besides."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.signals import password_reset
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver

from cases.accounts.middleware import NOTED
from cases.audit.models import Action
from cases.trail import of_person


@receiver(user_logged_in)
def session_was_noted(sender: Any, request: Any, **kwargs: Any) -> None:
    """The library lists the new session with the log-in; the next requests need not."""
    if hasattr(request, "session"):
        request.session[NOTED] = time.time()


@receiver(password_reset)
def password_was_replaced(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    """By a link of an e-mail: nobody is logged in, so the middleware does not see who it was."""
    of_person(Action.CHANGED, request, user, "password by e-mail")


@receiver(authentication_failed)
def second_factor_was_wrong(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    of_person(Action.LOG_IN_FAILED, request, user, "second factor")
