from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "cases.accounts"
    label = "accounts"
    verbose_name = _("people and access")

    def ready(self) -> None:
        from cases import trail
        from cases.accounts import admin_access, signals  # noqa: F401 - connects them
        from cases.accounts.models import Invitation

        admin_access.guard()
        trail.know(Invitation, None, "laboratory_id", "invitations")
