"""Log-in and the language, which is remembered in a cookie and with the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.contrib.auth import views as auth_views
from django.utils import translation
from django.views.decorators.http import require_POST
from django.views.i18n import set_language as switch_language

from cases.forms import LoginForm
from cases.services.people import remember_language

if TYPE_CHECKING:
    from typing import Literal

    from django.contrib.auth.forms import AuthenticationForm
    from django.http import HttpRequest, HttpResponse, HttpResponseBase


class LoginView(auth_views.LoginView):
    """The log-in page; it brings back the language the user chose last."""

    template_name = "login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_valid(form)
        language = self.request.user.language  # type: ignore[union-attr]
        if translation.check_for_language(language):
            _remember(answer, language)
        return answer


@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Switch the language and remember it for this browser and this user."""
    answer = switch_language(request)
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        remember_language(user=request.user, language=language)
    return answer


def _remember(answer: HttpResponse, language: str) -> None:
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
