"""Sessions somebody can look at, and a second factor where a laboratory asks for one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django_htmx.http import HttpResponseClientRedirect

from cases.policies import policy_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponseBase

SECONDS_BETWEEN_NOTES = 300
NOTED = "session_noted_at"


class SessionsMiddleware:
    """Note when a session was seen, at most every five minutes, for the list of sessions."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        session = request.session
        # Asked for only with a session: nobody logged in has none.
        if session.session_key and request.user.is_authenticated:
            now = time.time()
            if now - session.get(NOTED, 0) > SECONDS_BETWEEN_NOTES:
                UserSession.objects.create_from_request(request)
                session[NOTED] = now
        return self.get_response(request)


class SecondFactorMiddleware:
    """Lead whoever must have a second factor and has none to setting one up.

    That they reach no data is the policy's doing (:attr:`AccessPolicy.lacks_second_factor`), for
    tokens too; this only shows the way.
    """

    REACHABLE_PREFIXES = ("mfa_", "account_", "usersessions_", "invitation_accept")
    REACHABLE = frozenset({"login", "logout", "set_language", "healthz", "readyz"})

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *ignored: Any) -> HttpResponseBase | None:
        match = request.resolver_match
        name = (match.url_name if match else None) or ""
        if name in self.REACHABLE or name.startswith(self.REACHABLE_PREFIXES):
            return None
        if not request.user.is_authenticated or not policy_of(request).lacks_second_factor:
            return None
        why = _("Your laboratory requires a second factor. Set one up to go on.")
        if request.path.startswith("/api/"):
            problem = {
                "type": "about:blank",
                "title": "Forbidden",
                "status": 403,
                "code": "second_factor_required",
                "detail": str(why),
            }
            return JsonResponse(problem, status=403, content_type="application/problem+json")
        if getattr(request, "htmx", False):
            return HttpResponseClientRedirect("/account/second-factor/")
        messages.warning(request, why)
        return redirect("mfa_index")
