"""The language, which is remembered in a cookie and with the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.views.decorators.http import require_POST
from django.views.i18n import set_language as switch_language

from cases.services.people import remember_language

if TYPE_CHECKING:
    from typing import Literal

    from django.http import HttpRequest, HttpResponse, HttpResponseBase


@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Switch the language and remember it for this browser and this user."""
    answer = switch_language(request)
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        remember_language(user=request.user, language=language)
    return answer


def remember_in_browser(answer: HttpResponse, language: str) -> None:
    """Set the language's cookie, as Django's own view does."""
    answer.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite=cast(
            "Literal['Lax', 'Strict', 'None', False] | None", settings.LANGUAGE_COOKIE_SAMESITE
        ),
    )
