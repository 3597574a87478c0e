"""Cells on field images: where each lies, what reviewers changed, which of them count."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.field_querysets import DetectionCorrectionQuerySet, DetectionQuerySet
from cases.models.append_only import AppendOnlyModel
from cases.models.cell import Cell, Exclusion
from cases.models.image import CaseImage


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright image."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def centre(self) -> tuple[float, float]:
        """Middle: x, y."""
        return self.left + self.width / 2, self.top + self.height / 2

    def as_dict(self) -> dict[str, int]:
        return {"left": self.left, "top": self.top, "width": self.width, "height": self.height}


class Detection(models.Model):
    """A cell on a field: where it lies now, and where the model saw it.

    What the model found is never changed nor deleted: ``found_*`` and ``score`` stay as made and
    are empty where a reviewer drew the cell; what reviewers did are rows of
    :class:`DetectionCorrection`. ``number`` is the cell's in its field, from top to bottom and from
    left to right as found; drawn ones follow. White cells and platelets are cells of the case too,
    red cells are not. ``revision`` is the case's when the row changed last.
    """

    class Kind(models.TextChoices):
        """What kind of cell it is."""

        WHITE_CELL = "white_cell", _("white cell")
        PLATELET = "platelet", _("platelet")
        RED_CELL = "red_cell", _("red cell")

    class Source(models.TextChoices):
        """Who found the cell."""

        MODEL = "model", pgettext_lazy("detection", "model")
        REVIEWER = "reviewer", pgettext_lazy("detection", "reviewer")

    # Kinds that are cells of the case.
    CLASSIFIED = (Kind.WHITE_CELL, Kind.PLATELET)

    image = models.ForeignKey(
        CaseImage, on_delete=models.PROTECT, related_name="detections", verbose_name=_("image")
    )
    number = models.PositiveIntegerField(_("number in the field"))
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    found_kind = models.CharField(
        _("kind as found"), max_length=12, choices=Kind.choices, blank=True
    )
    left = models.PositiveIntegerField(_("left edge in pixels"))
    top = models.PositiveIntegerField(_("top edge in pixels"))
    width = models.PositiveIntegerField(_("width in pixels"))
    height = models.PositiveIntegerField(_("height in pixels"))
    found_left = models.PositiveIntegerField(_("left edge as found"), null=True, blank=True)
    found_top = models.PositiveIntegerField(_("top edge as found"), null=True, blank=True)
    found_width = models.PositiveIntegerField(_("width as found"), null=True, blank=True)
    found_height = models.PositiveIntegerField(_("height as found"), null=True, blank=True)
    score = models.FloatField(_("score of the detector"), null=True, blank=True)
    source = models.CharField(
        _("found by"), max_length=10, choices=Source.choices, default=Source.MODEL
    )
    cut_edges = models.CharField(
        _("cut by the edges"),
        max_length=30,
        blank=True,
        help_text=_("Edges of the image that cut the cell, with commas between."),
    )
    excluded = models.CharField(
        _("not counted"), max_length=10, choices=Exclusion.choices, blank=True, default=""
    )
    duplicate_of = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="duplicates",
        verbose_name=_("the same cell as"),
    )
    cell = models.OneToOneField(
        Cell,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="detection",
        verbose_name=_("cell"),
    )
    version = models.PositiveIntegerField(default=0, editable=False)
    revision = models.PositiveIntegerField(default=0, editable=False)

    objects = DetectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("cell on a field")
        verbose_name_plural = _("cells on fields")
        ordering = ("image", "number")
        constraints = [
            models.UniqueConstraint(fields=("image", "number"), name="detection_number_in_image"),
            models.CheckConstraint(
                condition=Q(duplicate_of=None) | Q(excluded=Exclusion.DUPLICATE),
                name="detection_duplicate_is_excluded",
            ),
        ]
        indexes = [
            models.Index(fields=("image", "kind", "excluded"), name="detection_counts_of_image"),
            models.Index(fields=("image", "revision"), name="detection_by_revision"),
        ]

    def __str__(self) -> str:
        return f"{self.image} / {self.number}"

    @property
    def box(self) -> Box:
        return Box(self.left, self.top, self.width, self.height)

    @property
    def edges(self) -> list[str]:
        """The edges of the image that cut the cell."""
        return self.cut_edges.split(",") if self.cut_edges else []


class DetectionCorrection(AppendOnlyModel):
    """What a reviewer did to a cell on a field, kept for ever: who, when, what and why."""

    class Action(models.TextChoices):
        """What was done."""

        ADDED = "added", pgettext_lazy("detection", "added")
        REMOVED = "removed", pgettext_lazy("detection", "removed")
        RESTORED = "restored", pgettext_lazy("detection", "restored")
        BOX_CHANGED = "box_changed", pgettext_lazy("detection", "box changed")
        KIND_CHANGED = "kind_changed", pgettext_lazy("detection", "kind changed")
        MARKED_DUPLICATE = "marked_duplicate", pgettext_lazy("detection", "marked as duplicate")
        UNMARKED_DUPLICATE = (
            "unmarked_duplicate",
            pgettext_lazy("detection", "no longer a duplicate"),
        )

    detection = models.ForeignKey(
        Detection,
        on_delete=models.PROTECT,
        related_name="corrections",
        verbose_name=_("cell on a field"),
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="detection_corrections",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)
    action = models.CharField(_("action"), max_length=20, choices=Action.choices)
    before = models.JSONField(_("before"), null=True, blank=True)
    after = models.JSONField(_("after"), null=True, blank=True)
    comment = models.TextField(_("comment"), blank=True)
    detection_version = models.PositiveIntegerField(
        _("version"), help_text=_("The version this correction made.")
    )

    objects = DetectionCorrectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("correction of a field")
        verbose_name_plural = _("corrections of fields")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("detection", "detection_version"),
                name="one_correction_per_detection_version",
            )
        ]

    def __str__(self) -> str:
        return f"{self.detection}: {self.get_action_display()}"
