"""Who reads which case, and who decided so."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models.append_only import AppendOnlyModel
from cases.models.case import SmearCase
from cases.querysets import CaseAssignmentQuerySet


class CaseAssignment(AppendOnlyModel):
    """One change of a case's reader, kept for ever; without ``assignee`` it was given back.

    The case's own ``assignee`` is that of its latest row here.
    """

    case = models.ForeignKey(
        SmearCase, on_delete=models.PROTECT, related_name="assignments", verbose_name=_("case")
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="case_assignments",
        verbose_name=_("assigned to"),
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    objects = CaseAssignmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.case} → {self.assignee or '–'}"
