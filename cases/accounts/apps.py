from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "cases.accounts"
    label = "accounts"
    verbose_name = _("people and access")

    def ready(self) -> None:
        from cases.accounts import admin_access, signals  # noqa: F401 - connects them

        admin_access.guard()
