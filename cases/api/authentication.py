"""Token authentication that answers every unreadable token alike."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


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
