"""Headers of every answer: what a browser may load, what it may use, what it may keep.

The content security policy stands in the settings; docs/threat-model.md says what each part is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csp.constants import NONE, SELF
from csp.middleware import CSPMiddleware
from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp.middleware import PolicyParts
    from django.http import HttpRequest, HttpResponseBase

# Django's admin writes its <script src> without a nonce; it has no inline script.
NAMES_OF_THE_ADMIN = "admin"


class ContentSecurityMiddleware(CSPMiddleware):
    """The strict policy everywhere; in Django's admin scripts come by origin, not by nonce."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        kind = response.headers.get("Content-Type", "")
        if kind.startswith("image/") and "svg" not in kind:
            # Whatever an uploaded file holds, opened by itself it runs nothing.
            parts.config = {"default-src": [NONE], "sandbox": True}
            return parts
        match = request.resolver_match
        if match is not None and match.app_name == NAMES_OF_THE_ADMIN:
            parts.replace = {**(parts.replace or {}), "script-src": [SELF]}
        return parts


class HeadersMiddleware:
    """Add what Django's own middleware lacks.

    ``Permissions-Policy`` closes what no page uses. ``Cache-Control: no-store`` keeps what somebody
    logged in has read out of the browser's disk, unless the view says how long it may be kept.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.permissions = ", ".join(
            f"{feature}=({' '.join(origins)})"
            for feature, origins in settings.PERMISSIONS_POLICY.items()
        )

    def __call__(self, request: HttpRequest) -> Any:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", self.permissions)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        known = settings.SESSION_COOKIE_NAME in request.COOKIES or (
            "Authorization" in request.headers
        )
        if known:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
