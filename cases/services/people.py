"""What the site remembers of a person, and how their access ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F

from cases.models import ApiToken

if TYPE_CHECKING:
    from cases.models import User


def remember_language(*, user: User, language: str) -> None:
    """Keep the language for the user's next log-in, on whatever machine that is."""
    user.language = language
    user.save(update_fields=["language"])


@transaction.atomic
def end_access(*, user: User) -> None:
    """Delete the user's sessions and tokens: browsers and programs are out with their next request.

    The account's own state is the caller's business.
    """
    type(user).objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    sessions = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=sessions.values("session_key")).delete()
    sessions.delete()
    end_tokens(user=user)


def end_tokens(*, user: User) -> None:
    """Delete the user's tokens, as with a password somebody else may have known."""
    ApiToken.objects.filter(user=user).delete()
