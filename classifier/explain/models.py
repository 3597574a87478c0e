"""Rows of the quick look and of the projector."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.models import CellClass, Laboratory, SmearCase
from cases.models.image import WorkState
from classifier.explain.querysets import ProjectionQuerySet, QuickLookQuerySet


class LeasedRow(models.Model):
    """Work that a worker takes under a lease and may have to try again."""

    state = models.CharField(
        _("state"), max_length=20, choices=WorkState.choices, default=WorkState.QUEUED
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    lease_token = models.UUIDField(_("lease"), null=True, blank=True)
    lease_expires_at = models.DateTimeField(_("lease expires"), null=True, blank=True)
    not_before = models.DateTimeField(_("not before"), null=True, blank=True)
    failure_code = models.CharField(_("failure"), max_length=40, blank=True)
    queued_at = models.DateTimeField(_("queued"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def is_unfinished(self) -> bool:
        return self.state in (WorkState.QUEUED, WorkState.PROCESSING)


class QuickLook(LeasedRow):
    """Pictures somebody wants named without a case: kept until they leave, minutes at most.

    The pictures and the answers are rows of :class:`QuickLookPicture`; all go when the look goes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="quick_looks",
        verbose_name=_("owner"),
    )
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    visit = models.UUIDField(
        default=uuid.uuid4, editable=False, help_text=_("The page last shown; only that can leave.")
    )
    model_version = models.ForeignKey(
        "classifier.ModelVersion",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("model version"),
    )

    objects = QuickLookQuerySet.as_manager()

    class Meta:
        verbose_name = _("quick look")
        verbose_name_plural = _("quick looks")
        ordering = ("queued_at",)

    def __str__(self) -> str:
        return str(self.pk)


class QuickLookPicture(models.Model):
    """One picture of a quick look and what the model says of it.

    ``heatmaps`` and ``heatmap_peaks`` are as in :class:`classifier.models.Prediction`.
    """

    quick_look = models.ForeignKey(
        QuickLook, on_delete=models.CASCADE, related_name="pictures", verbose_name=_("quick look")
    )
    number = models.PositiveSmallIntegerField(_("number"))
    name = models.CharField(_("name on upload"), max_length=255)
    data = models.BinaryField(_("file"))
    extension = models.CharField(_("kind of file"), max_length=4)
    width = models.PositiveIntegerField(_("width in pixels"))
    height = models.PositiveIntegerField(_("height in pixels"))
    failure_code = models.CharField(_("failure"), max_length=40, blank=True)
    predicted_class = models.ForeignKey(
        CellClass,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("predicted class"),
    )
    confidence = models.FloatField(_("confidence"), null=True, blank=True)
    probabilities = models.JSONField(_("probabilities"), default=list, blank=True)
    heatmaps = models.BinaryField(_("heatmaps"), default=b"", blank=True)
    heatmap_peaks = models.JSONField(_("heatmap peaks"), default=list, blank=True)
    unfamiliar = models.BooleanField(_("unfamiliar"), default=False)

    class Meta:
        verbose_name = _("picture of a quick look")
        verbose_name_plural = _("pictures of quick looks")
        ordering = ("number",)
        constraints = [
            models.UniqueConstraint(
                fields=("quick_look", "number"), name="picture_number_in_quick_look"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def cell(self) -> QuickLookPicture:
        """The picture is one cell: its size, as heatmaps ask it of a prediction's cell."""
        return self

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """All of the picture, as :attr:`cases.models.Cell.frame`."""
        return 0, 0, self.width, self.height

    @property
    def model_version(self) -> Any:
        return self.quick_look.model_version


class Projection(LeasedRow):
    """Cells as points in three dimensions, computed once for a set of predictions.

    ``points`` is little-endian float32 (n, 3) with the largest extent scaled to one; ``cells``
    little-endian int64 (n,), keys of cells, or places in the bundle's test set; ``neighbours``
    little-endian int32 (n, k), places of the nearest by cosine distance of the embeddings;
    ``atlas`` a square JPEG of the thumbnails, ``atlas_columns`` to a row. What cells are called is
    not kept: it is read when shown, so corrections count at once.
    """

    class Source(models.TextChoices):
        """Which cells."""

        CASE = "case", pgettext_lazy("projection", "a case")
        MONTH = "month", pgettext_lazy("projection", "a month of a laboratory")
        TEST = "test", pgettext_lazy("projection", "the model's test set")

    class Method(models.TextChoices):
        """How 512 numbers become three."""

        PCA = "pca", "PCA"
        TSNE = "tsne", "t-SNE"
        UMAP = "umap", "UMAP"

    key = models.CharField(
        max_length=64, unique=True, editable=False, help_text=_("SHA-256 of all that decides it.")
    )
    source = models.CharField(_("cells of"), max_length=10, choices=Source.choices)
    case = models.ForeignKey(
        SmearCase,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="projections",
        verbose_name=_("case"),
    )
    laboratory = models.ForeignKey(
        Laboratory,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="projections",
        verbose_name=_("laboratory"),
    )
    month = models.DateField(_("month"), null=True, blank=True)
    model_version = models.ForeignKey(
        "classifier.ModelVersion",
        on_delete=models.CASCADE,
        related_name="projections",
        verbose_name=_("model version"),
    )
    method = models.CharField(_("method"), max_length=10, choices=Method.choices)
    seed = models.PositiveIntegerField(_("seed"), default=42)
    progress = models.PositiveSmallIntegerField(_("progress in percent"), default=0)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("requested by"),
    )
    total = models.PositiveIntegerField(_("cells there are"), default=0)
    count = models.PositiveIntegerField(_("cells shown"), default=0)
    points = models.BinaryField(default=b"")
    cells = models.BinaryField(default=b"")
    neighbours = models.BinaryField(default=b"")
    atlas = models.BinaryField(default=b"")
    atlas_columns = models.PositiveSmallIntegerField(default=0)
    seconds = models.FloatField(_("seconds of work"), null=True, blank=True)

    objects = ProjectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("projection")
        verbose_name_plural = _("projections")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.get_source_display()}, {self.get_method_display()}"
