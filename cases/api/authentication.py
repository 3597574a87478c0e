"""Tokens, answered alike whenever they cannot be read, and the session of the pages."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db import OperationalError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.authentication import SessionScheme as DefaultSessionScheme
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.authentication import SessionAuthentication as DefaultSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied

from cases.models import ApiToken, TokenScope
from cases.policies import AccessPolicy
from cases.trail import begin

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_NOTES = 60
SAFE = ("GET", "HEAD", "OPTIONS")


class TokenAuthentication(KnoxTokenAuthentication):
    """``Authorization: Token ...``; only the token's SHA-512 is in the database.

    What the token may do is asked here, where no view can forget it: reading needs the scope
    ``read``, anything else ``write``, unless the view names another as ``token_scope``, or by
    action in ``token_scopes``.
    """

    def authenticate(self, request: Any) -> Any:
        found = super().authenticate(request)
        if found is None:
            return None
        user, token = found
        policy = AccessPolicy(user)
        request._access_policy = policy
        if policy.lacks_second_factor:
            raise PermissionDenied(
                _("Your laboratory requires a second factor. Set one up on its pages first."),
                code="second_factor_required",
            )
        scope = scope_of(request)
        if not token.allows(scope):
            raise PermissionDenied(
                _("This token may not do this: it lacks the scope %(scope)s.") % {"scope": scope},
                code="token_scope",
            )
        note_use(token)
        begin(request._request, user)
        return found

    def authenticate_credentials(self, token: bytes) -> Any:
        if not token.isascii():  # the library would stumble over bytes that are no text
            raise AuthenticationFailed(_("Invalid token."))
        return super().authenticate_credentials(token)


def scope_of(request: Any) -> str:
    """The scope a token needs for this request."""
    view = (request.parser_context or {}).get("view")
    by_action = getattr(view, "token_scopes", {}).get(getattr(view, "action", None))
    given = by_action or getattr(view, "token_scope", None)
    if given:
        return str(given)
    return TokenScope.READ if request.method in SAFE else TokenScope.WRITE


def note_use(token: ApiToken) -> None:
    """Remember when the token was used last, at most once a minute.

    SQLite has one writer at a time: who only reads is not refused because a note has to wait.
    """
    now = timezone.now()
    pause = timedelta(seconds=SECONDS_BETWEEN_NOTES)
    if token.last_used_at is None or now - token.last_used_at > pause:
        try:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        except OperationalError as error:
            logger.warning("The use of a token was not noted: %s", error)


class TokenScheme(KnoxTokenScheme):
    """The same in the OpenAPI schema."""

    target_class = "cases.api.authentication.TokenAuthentication"
    name = "token"


class SessionAuthentication(DefaultSessionAuthentication):
    """The session of the pages; what the library says of a missing CSRF token is English only."""

    def enforce_csrf(self, request: Any) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as error:
            raise PermissionDenied(
                _("Send the header X-CSRFToken with the value of the cookie csrftoken."),
                code="csrf_failed",
            ) from error


class SessionScheme(DefaultSessionScheme):
    """The same in the OpenAPI schema."""

    target_class = "cases.api.authentication.SessionAuthentication"
