"""A laboratory's rules of keeping, and what was removed under them or on request."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.models import Laboratory
from cases.models.append_only import AppendOnlyModel


class RetentionRules(models.Model):
    """Days after which data goes; an empty rule keeps it for ever. One row a laboratory at most."""

    laboratory = models.OneToOneField(
        Laboratory, on_delete=models.CASCADE, related_name="+", verbose_name=_("laboratory")
    )
    names_days = models.PositiveIntegerField(
        _("names after signing"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Days after the last signature; then the patient's name and birth date go from the "
            "record. Signed reports keep theirs."
        ),
    )
    pictures_days = models.PositiveIntegerField(
        _("pictures and cells after signing"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Days after the last signature; then pictures, cells, predictions and corrections go. "
            "Signed reports stay."
        ),
    )
    unsigned_days = models.PositiveIntegerField(
        _("cases never signed"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Days after the last change; then the whole case goes."),
    )
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("changed by"),
    )

    class Meta:
        verbose_name = _("retention rules")
        verbose_name_plural = _("retention rules")

    def __str__(self) -> str:
        return str(self.laboratory)


class Removal(AppendOnlyModel):
    """That data was removed: why, when, by whom, and how many rows of each table. No name in it.

    ``patient_key`` and ``case_keys`` are keys of rows that may not be there any more.
    """

    class Reason(models.TextChoices):
        """Why it was removed."""

        REQUEST = "request", pgettext_lazy("removal", "on request")
        NAMES = "names", pgettext_lazy("removal", "names, by rule")
        PICTURES = "pictures", pgettext_lazy("removal", "pictures and cells, by rule")
        UNSIGNED = "unsigned", pgettext_lazy("removal", "cases never signed, by rule")

    laboratory = models.ForeignKey(
        Laboratory, on_delete=models.CASCADE, related_name="+", verbose_name=_("laboratory")
    )
    reason = models.CharField(_("reason"), max_length=20, choices=Reason.choices)
    patient_key = models.BigIntegerField(null=True)
    case_keys: Any = models.JSONField(default=list)
    rows: Any = models.JSONField(_("rows"), default=dict)
    files = models.PositiveIntegerField(_("files"), default=0)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("removal")
        verbose_name_plural = _("removals")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.reason} · {self.made_at:%Y-%m-%d}"
