"""Cells and the corrections reviewers made to their labels."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.models.append_only import AppendOnlyModel
from cases.models.case import SmearCase
from cases.models.cell_class import CellClass
from cases.models.image import CaseImage, WorkState
from cases.models.review import CorrectionBatch
from cases.querysets import CellQuerySet, CorrectionQuerySet


class Exclusion(models.TextChoices):
    """Why a cell counts nowhere; it stays to be seen."""

    NONE = "", pgettext_lazy("exclusion", "counted")
    BORDER = "border", pgettext_lazy("exclusion", "cut by the border")
    REMOVED = "removed", pgettext_lazy("exclusion", "removed: no such cell")
    DUPLICATE = "duplicate", pgettext_lazy("exclusion", "on another field already")
    OTHER_KIND = "other_kind", pgettext_lazy("exclusion", "its image is of another kind")


class Cell(models.Model):
    """One cell of a case: where it lies in its image and what it is called at present.

    ``label`` is the current name, by the model until a reviewer says otherwise. ``version`` grows
    with every change of label or review state; a correction names the version it was made on.
    ``revision`` is the case's when the cell changed last: who knows a case up to a revision asks
    for the cells above it. A ``flagged`` cell needs review.
    ``state`` is the truth about the model's work on the cell: whatever is ``queued`` will be done.
    The box is the cell's. Of a cell on a field the model and the reader see the square of
    ``frame_side`` around its middle, so that it appears as large as the model learnt cells;
    ``box_version`` grows when a reviewer changes the box, and a prediction says of which it is.
    An ``excluded`` cell counts nowhere, see :class:`Exclusion`.
    An ``unfamiliar`` cell gets no label of the model, so that nothing that counts labels counts it;
    the flag stays when a reviewer names it.
    """

    class LabelSource(models.TextChoices):
        """Who gave the current label."""

        NONE = "", pgettext_lazy("label", "not yet named")
        MODEL = "model", pgettext_lazy("label", "model")
        REVIEWER = "reviewer", pgettext_lazy("label", "reviewer")

    class ReviewState(models.TextChoices):
        """Whether a reviewer has to look, or has looked."""

        UNREVIEWED = "unreviewed", pgettext_lazy("review", "not reviewed")
        NEEDS_REVIEW = "needs_review", pgettext_lazy("review", "needs review")
        CONFIRMED = "confirmed", pgettext_lazy("review", "confirmed")
        CORRECTED = "corrected", pgettext_lazy("review", "corrected")

    case = models.ForeignKey(
        SmearCase, on_delete=models.PROTECT, related_name="cells", verbose_name=_("case")
    )
    image = models.ForeignKey(
        CaseImage, on_delete=models.PROTECT, related_name="cells", verbose_name=_("image")
    )
    number = models.PositiveIntegerField(_("number in the case"))
    left = models.PositiveIntegerField(_("left edge in pixels"))
    top = models.PositiveIntegerField(_("top edge in pixels"))
    width = models.PositiveIntegerField(_("width in pixels"))
    height = models.PositiveIntegerField(_("height in pixels"))
    label = models.ForeignKey(
        CellClass,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="cells",
        verbose_name=_("label"),
    )
    label_source = models.CharField(
        _("label given by"),
        max_length=10,
        choices=LabelSource.choices,
        default=LabelSource.NONE,
        blank=True,
    )
    review_state = models.CharField(
        _("review"),
        max_length=20,
        choices=ReviewState.choices,
        default=ReviewState.UNREVIEWED,
    )
    model_label = models.ForeignKey(
        CellClass,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("label by the model"),
        help_text=_("What the model called the cell, whatever a reviewer says."),
    )
    confidence = models.FloatField(
        _("confidence of the model"),
        null=True,
        blank=True,
        help_text=_("The active model's probability of the class it predicted."),
    )
    state = models.CharField(
        _("state"), max_length=20, choices=WorkState.choices, default=WorkState.QUEUED
    )
    unfamiliar = models.BooleanField(
        _("unfamiliar to the model"),
        default=False,
        help_text=_("It resembles nothing the model has learnt; only a reviewer names it."),
    )
    failure_code = models.CharField(_("failure"), max_length=40, blank=True)
    flagged = models.BooleanField(_("flagged"), default=False)
    frame_side = models.PositiveIntegerField(
        _("side of its frame in pixels"),
        null=True,
        blank=True,
        help_text=_("Of the square that is shown to the model; empty where the box is."),
    )
    excluded = models.CharField(
        _("not counted"), max_length=10, choices=Exclusion.choices, blank=True, default=""
    )
    box_version = models.PositiveIntegerField(default=0, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    revision = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = CellQuerySet.as_manager()

    class Meta:
        verbose_name = _("cell")
        verbose_name_plural = _("cells")
        ordering = ("case", "number")
        constraints = [
            models.UniqueConstraint(fields=("case", "number"), name="cell_number_in_case")
        ]
        indexes = [
            models.Index(
                # All that is counted: the rows themselves, wide and many, are not read.
                fields=(
                    "case",
                    "excluded",
                    "label",
                    "label_source",
                    "state",
                    "model_label",
                    "review_state",
                    "unfamiliar",
                ),
                name="cell_tally_of_case",
            ),
            models.Index(fields=("case", "confidence", "id"), name="cell_by_confidence"),
            models.Index(fields=("case", "review_state"), name="cell_by_review_state"),
            models.Index(
                fields=("case", "flagged"),
                name="cell_to_review",
                condition=models.Q(excluded="", review_state="needs_review"),
            ),
            models.Index(fields=("case", "revision"), name="cell_by_revision"),
            models.Index(
                fields=("id",), name="cell_queued", condition=models.Q(state=WorkState.QUEUED)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case} / {self.number}"

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """What is shown of the image: left, top, width, height; it may reach beyond the image."""
        if self.frame_side is None:
            return self.left, self.top, self.width, self.height
        side = self.frame_side
        left = round(self.left + self.width / 2 - side / 2)
        return left, round(self.top + self.height / 2 - side / 2), side, side


class Correction(AppendOnlyModel):
    """A reviewer's word on a cell, kept for ever: who, when, from what, to what, and why.

    ``from_class`` equal to ``to_class`` is a confirmation. Undoing is one more correction; of a
    cell that had no name it leaves none, and ``to_class`` is empty. The other fields with ``from``
    are what the cell was before, which an undoing brings back.
    """

    cell = models.ForeignKey(
        Cell, on_delete=models.PROTECT, related_name="corrections", verbose_name=_("cell")
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="corrections",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)
    from_class = models.ForeignKey(
        CellClass,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("from"),
    )
    to_class = models.ForeignKey(
        CellClass,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("to"),
    )
    from_source = models.CharField(_("label before given by"), max_length=10, blank=True)
    from_state = models.CharField(_("review before"), max_length=20, blank=True)
    from_flagged = models.BooleanField(_("flagged before"), default=False)
    batch = models.ForeignKey(
        CorrectionBatch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="corrections",
        verbose_name=_("step"),
    )
    comment = models.TextField(_("comment"), blank=True)
    cell_version = models.PositiveIntegerField(
        _("version"), help_text=_("The cell's version this correction made.")
    )

    objects = CorrectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("cell", "cell_version"), name="one_correction_per_cell_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.cell}: {self.from_class} → {self.to_class}"
