"""Two blinded readings of the same cells of a case, and what a third reader made of them."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.models.append_only import AppendOnlyModel
from cases.models.case import SmearCase
from cases.models.cell import Cell, Correction
from cases.models.cell_class import CellClass
from cases.reading_querysets import (
    AdjudicationQuerySet,
    DoubleReadingQuerySet,
    ReadingCellQuerySet,
    ReadingLabelQuerySet,
    ReadingQuerySet,
)

# CLSI H20-A2: each examiner reads 200 cells.
CELLS_TO_READ = 200


class DoubleReading(models.Model):
    """A case's request for two blinded readings; ``seed`` drew the cells and their orders."""

    class State(models.TextChoices):
        """How far it has come. While ``reading``, both readers are kept blind."""

        READING = "reading", pgettext_lazy("double reading", "being read")
        ADJUDICATION = "adjudication", pgettext_lazy("double reading", "to be adjudicated")
        FINISHED = "finished", pgettext_lazy("double reading", "finished")
        WITHDRAWN = "withdrawn", pgettext_lazy("double reading", "withdrawn")

    UNDER_WAY = (State.READING, State.ADJUDICATION)

    case = models.ForeignKey(
        SmearCase, on_delete=models.PROTECT, related_name="double_readings", verbose_name=_("case")
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("requested by"),
    )
    requested_at = models.DateTimeField(_("requested"), auto_now_add=True)
    seed = models.PositiveIntegerField(_("seed"))
    state = models.CharField(
        _("state"), max_length=20, choices=State.choices, default=State.READING
    )
    adjudicator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("adjudicated by"),
    )
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("finished or withdrawn by"),
    )
    closed_at = models.DateTimeField(_("finished or withdrawn"), null=True, blank=True)

    objects = DoubleReadingQuerySet.as_manager()

    class Meta:
        verbose_name = _("double reading")
        verbose_name_plural = _("double readings")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("case",),
                condition=Q(state__in=("reading", "adjudication")),
                name="one_double_reading_under_way",
            )
        ]

    def __str__(self) -> str:
        return f"{self.case} · {self.get_state_display()}"


class Reading(models.Model):
    """One reader's part of a double reading."""

    double_reading = models.ForeignKey(
        DoubleReading,
        on_delete=models.PROTECT,
        related_name="readings",
        verbose_name=_("double reading"),
    )
    number = models.PositiveSmallIntegerField(_("number"), validators=[MinValueValidator(1)])
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="readings",
        verbose_name=_("reader"),
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = ReadingQuerySet.as_manager()

    class Meta:
        verbose_name = _("reading")
        verbose_name_plural = _("readings")
        ordering = ("double_reading", "number")
        constraints = [
            models.UniqueConstraint(
                fields=("double_reading", "number"), name="reading_number_in_double_reading"
            ),
            models.UniqueConstraint(
                fields=("double_reading", "reader"), name="reader_once_in_double_reading"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.double_reading} · {self.number}"


class ReadingCell(models.Model):
    """A cell both read, and its place in the order of each."""

    double_reading = models.ForeignKey(
        DoubleReading, on_delete=models.PROTECT, related_name="cells"
    )
    cell = models.ForeignKey(Cell, on_delete=models.PROTECT, related_name="+")
    first_position = models.PositiveIntegerField(_("place in the first reading"))
    second_position = models.PositiveIntegerField(_("place in the second reading"))

    objects = ReadingCellQuerySet.as_manager()

    class Meta:
        verbose_name = _("cell of a double reading")
        verbose_name_plural = _("cells of a double reading")
        ordering = ("double_reading", "first_position")
        constraints = [
            models.UniqueConstraint(
                fields=("double_reading", "cell"), name="cell_once_in_double_reading"
            ),
            models.UniqueConstraint(
                fields=("double_reading", "first_position"), name="first_position_once"
            ),
            models.UniqueConstraint(
                fields=("double_reading", "second_position"), name="second_position_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.double_reading} · {self.first_position}"


class ReadingLabel(AppendOnlyModel):
    """A reader's name for a cell, kept for ever. Until the reading is done the latest counts."""

    reading = models.ForeignKey(Reading, on_delete=models.PROTECT, related_name="labels")
    reading_cell = models.ForeignKey(ReadingCell, on_delete=models.PROTECT, related_name="labels")
    label = models.ForeignKey(
        CellClass, on_delete=models.PROTECT, related_name="+", verbose_name=_("label")
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    objects = ReadingLabelQuerySet.as_manager()

    class Meta:
        verbose_name = _("label of a reading")
        verbose_name_plural = _("labels of a reading")
        ordering = ("-id",)
        indexes = [
            models.Index(fields=("reading", "reading_cell", "-id"), name="latest_label_of_reading")
        ]

    def __str__(self) -> str:
        return f"{self.reading} / {self.reading_cell_id}: {self.label}"


class Adjudication(AppendOnlyModel):
    """What the third reader decided on a cell in dispute, and the correction that made it so."""

    reading_cell = models.ForeignKey(
        ReadingCell, on_delete=models.PROTECT, related_name="adjudications"
    )
    label = models.ForeignKey(
        CellClass, on_delete=models.PROTECT, related_name="+", verbose_name=_("label")
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)
    correction = models.OneToOneField(
        Correction,
        on_delete=models.PROTECT,
        related_name="adjudication",
        verbose_name=_("correction"),
    )

    objects = AdjudicationQuerySet.as_manager()

    class Meta:
        verbose_name = _("adjudication")
        verbose_name_plural = _("adjudications")
        ordering = ("-id",)
        indexes = [models.Index(fields=("reading_cell", "-id"), name="latest_adjudication")]

    def __str__(self) -> str:
        return f"{self.reading_cell}: {self.label}"
