"""Tokens, answered alike whenever they cannot be read, and the session of the pages."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.authentication import SessionScheme as DefaultSessionScheme
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.authentication import SessionAuthentication as DefaultSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied


class TokenAuthentication(KnoxTokenAuthentication):
    """``Authorization: Token ...``; only the token's SHA-512 is in the database."""

    def authenticate_credentials(self, token: bytes) -> Any:
        if not token.isascii():  # the library would stumble over bytes that are no text
            raise AuthenticationFailed(_("Invalid token."))
        return super().authenticate_credentials(token)


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
