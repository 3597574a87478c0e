"""API tokens a person makes for their own programs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from cases.models import ApiToken
from cases.models.token import known
from cases.services.errors import Missing, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cases.models import User

DAYS = (1, 7, 30, 90, 365)
MAX_TOKENS = 50


def create_token(
    *, user: User, name: str, scopes: Iterable[str], days: int
) -> tuple[ApiToken, str]:
    """Make a token; the second value is the token itself, which nobody can show again.

    Raises:
        ServiceError: ``invalid`` with ``extra["errors"]``; ``too_many_tokens``.
    """
    chosen = known(scopes)
    errors = {}
    if not name.strip():
        errors["name"] = [_("Say what the token is for.")]
    if not chosen:
        errors["scopes"] = [_("Choose at least one.")]
    if days not in DAYS:
        errors["days"] = [_("Choose one of the lifetimes.")]
    if errors:
        raise ServiceError("invalid", _("Correct the fields below."), extra={"errors": errors})
    if ApiToken.objects.valid_of(user).count() >= MAX_TOKENS:
        raise ServiceError("too_many_tokens", _("Revoke a token you no longer use first."))
    made: tuple[ApiToken, str] = ApiToken.objects.create(
        user, expiry=timedelta(days=days), name=name.strip()[:100], scopes=chosen
    )
    return made


def revoke_token(*, user: User, token_key: str) -> None:
    """Make one of the user's own tokens useless.

    Raises:
        Missing: ``no_token``.
    """
    deleted, _kinds = ApiToken.objects.filter(user=user, token_key=token_key).delete()
    if not deleted:
        raise Missing("no_token", _("There is no such token; it may be revoked already."))
