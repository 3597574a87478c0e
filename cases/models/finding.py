"""What was seen in a smear outside the counted set."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models.case import SmearCase
from cases.models.cell import Cell
from cases.models.cell_class import CellClass
from cases.models.image import CaseImage
from cases.result_querysets import FindingQuerySet


class Finding(models.Model):
    """Rare but seen: named by a class, in words, or both. It enters no count and no percentage.

    A finding made by mistake is withdrawn, and stays readable.
    """

    case = models.ForeignKey(
        SmearCase, on_delete=models.PROTECT, related_name="findings", verbose_name=_("case")
    )
    cell_class = models.ForeignKey(
        CellClass,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("cell class"),
    )
    text = models.CharField(_("in words"), max_length=500, blank=True)
    cell = models.ForeignKey(
        Cell,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="findings",
        verbose_name=_("cell"),
    )
    image = models.ForeignKey(
        CaseImage,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="findings",
        verbose_name=_("image"),
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="findings",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("withdrawn by"),
    )
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        ordering = ("id",)

    def __str__(self) -> str:
        return " · ".join(str(each) for each in (self.cell_class, self.text) if each)

    def clean(self) -> None:
        """Check what one field alone cannot tell.

        Raises:
            ValidationError: for a finding without a word, and for a cell or image of another case.
        """
        if not self.cell_class_id and not self.text:
            raise ValidationError({"text": _("Choose a class or say in words what was seen.")})
        if self.cell is not None and self.cell.case_id != self.case_id:
            raise ValidationError({"cell": _("There is no such cell in this case.")})
        if self.image is not None and self.image.case_id != self.case_id:
            raise ValidationError({"image": _("There is no such image in this case.")})
