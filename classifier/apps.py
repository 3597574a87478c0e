"""The model's side of the project."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ClassifierConfig(AppConfig):
    name = "classifier"
    verbose_name = _("Classifier")

    def ready(self) -> None:
        """Register the system checks."""
        from classifier import checks  # noqa: F401
