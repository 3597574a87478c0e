"""Django's admin behind the site's own log-in, so that a second factor holds there too."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin


def guard() -> None:
    """Send the admin's log-in to ours, and keep secrets and sessions out of its pages."""
    for model in (EmailAddress, EmailConfirmation, Authenticator, UserSession):
        if admin.site.is_registered(model):
            admin.site.unregister(model)
    admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
