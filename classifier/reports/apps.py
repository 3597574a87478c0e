"""What leaves the laboratory: reports, FHIR, tables and training folders."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReportsConfig(AppConfig):
    name = "classifier.reports"
    label = "reports"
    verbose_name = _("Reports and exports")
