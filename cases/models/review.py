"""What reviewers do together: corrections made in one step, and flags on cells."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models.append_only import AppendOnlyModel
from cases.models.case import SmearCase
from cases.review_querysets import CellFlagQuerySet, CorrectionBatchQuerySet


class CorrectionBatch(AppendOnlyModel):
    """Corrections made in one step, of one cell or of thousands; taken back in one step too.

    ``undoes`` names the batch this one takes back. A batch is taken back at most once; taking back
    an undoing does it again.
    """

    case = models.ForeignKey(
        SmearCase,
        on_delete=models.PROTECT,
        related_name="correction_batches",
        verbose_name=_("case"),
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="correction_batches",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)
    undoes = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="undone_by",
        verbose_name=_("takes back"),
    )

    objects = CorrectionBatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("step of corrections")
        verbose_name_plural = _("steps of corrections")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.case} / {self.pk}"


class CellFlag(AppendOnlyModel):
    """A reviewer's flag on a cell was raised or lowered: who, when, and why.

    A flagged cell needs review. ``review_state`` is what the cell's was before the flag was raised,
    so that lowering it brings that back. Naming or confirming the cell lowers the flag.
    """

    cell = models.ForeignKey(
        "cases.Cell", on_delete=models.PROTECT, related_name="flags", verbose_name=_("cell")
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="cell_flags",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)
    raised = models.BooleanField(_("raised"))
    note = models.CharField(_("note"), max_length=500, blank=True)
    review_state = models.CharField(_("review before"), max_length=20)

    objects = CellFlagQuerySet.as_manager()

    class Meta:
        verbose_name = _("flag")
        verbose_name_plural = _("flags")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.cell}: {self.raised}"
