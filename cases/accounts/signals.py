"""What happens with a log-in."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver

from cases.accounts.middleware import NOTED


@receiver(user_logged_in)
def session_was_noted(sender: Any, request: Any, **kwargs: Any) -> None:
    """The library lists the new session with the log-in; the next requests need not."""
    if hasattr(request, "session"):
        request.session[NOTED] = time.time()
