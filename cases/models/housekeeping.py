"""When the site's own upkeep was last done, and what it found."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Housekeeping(models.Model):
    """The last run of one job of upkeep; ``figures`` are its numbers by name, of nobody."""

    class Job(models.TextChoices):
        """What is done by itself."""

        STORAGE = "storage", pgettext_lazy("upkeep", "files and rows compared")
        RETENTION = "retention", pgettext_lazy("upkeep", "retention rules applied")

    name = models.CharField(_("name"), max_length=20, choices=Job.choices, unique=True)
    finished_at = models.DateTimeField(_("finished"))
    figures: Any = models.JSONField(_("figures"), default=dict)

    class Meta:
        verbose_name = _("upkeep")
        verbose_name_plural = _("upkeep")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
