"""The model's side in the database: versions of the model, work to be done, predictions made."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.models import Cell, CellClass
from cases.models.image import WorkState
from classifier.querysets import JobQuerySet, ModelVersionQuerySet, PredictionQuerySet


class ModelVersion(models.Model):
    """A registered model bundle. At most one is active: the one that names new cells."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    bundle = models.CharField(
        _("bundle folder"),
        max_length=500,
        help_text=_("Name below the bundles' directory, or a folder's whole path."),
    )
    architecture = models.CharField(_("architecture"), max_length=40)
    head = models.CharField(_("head"), max_length=20)
    classes = models.JSONField(_("classes in the model's order"))
    input_size = models.PositiveSmallIntegerField(_("input size in pixels"))
    preprocessing_version = models.CharField(_("preprocessing"), max_length=60)
    temperature = models.FloatField(_("temperature"))
    review_threshold = models.FloatField(
        _("review threshold"), help_text=_("Cells below this confidence need a reviewer.")
    )
    weights_sha256 = models.CharField(_("weights"), max_length=64, unique=True)
    manifest = models.JSONField(_("manifest"), help_text=_("The bundle's model.json."))
    active = models.BooleanField(_("active"), default=False)
    device = models.CharField(
        _("device"), max_length=120, blank=True, help_text=_("Where it ran last.")
    )
    registered_at = models.DateTimeField(_("registered"), auto_now_add=True)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ("-registered_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("active",), condition=Q(active=True), name="one_active_model_version"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ClassificationJob(models.Model):
    """The work of naming one cell with one model version: claimed with a lease, done once."""

    cell = models.ForeignKey(
        Cell, on_delete=models.CASCADE, related_name="jobs", verbose_name=_("cell")
    )
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.CASCADE,
        related_name="jobs",
        verbose_name=_("model version"),
    )
    state = models.CharField(
        _("state"), max_length=20, choices=WorkState.choices, default=WorkState.QUEUED
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    lease_token = models.UUIDField(_("lease"), null=True, blank=True)
    lease_expires_at = models.DateTimeField(_("lease expires"), null=True, blank=True)
    not_before = models.DateTimeField(
        _("not before"), null=True, blank=True, help_text=_("A pause after a failed attempt.")
    )
    failure_code = models.CharField(_("failure"), max_length=40, blank=True)
    queued_at = models.DateTimeField(_("queued"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("classification job")
        verbose_name_plural = _("classification jobs")
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(
                fields=("cell", "model_version"), name="one_job_per_cell_and_model_version"
            )
        ]
        indexes = [
            models.Index(
                fields=("model_version", "id"),
                name="job_unfinished",
                condition=Q(state__in=(WorkState.QUEUED, WorkState.PROCESSING)),
            )
        ]

    def __str__(self) -> str:
        return f"{self.cell} · {self.model_version}"


class Prediction(models.Model):
    """What a model version said of a cell, kept for ever as made.

    ``probabilities`` follow ``model_version.classes``. ``heatmaps`` is one 8-bit single-channel
    PNG: the class maps at feature-map resolution, one below the other in the same order, each
    scaled to its own maximum, which stands in ``heatmap_peaks``. ``embedding`` is little-endian
    float16. ``unfamiliar``: the score lay above the threshold of the bundle's detector when the
    prediction was made.
    """

    cell = models.ForeignKey(
        Cell, on_delete=models.PROTECT, related_name="predictions", verbose_name=_("cell")
    )
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        related_name="predictions",
        verbose_name=_("model version"),
    )
    predicted_class = models.ForeignKey(
        CellClass,
        on_delete=models.PROTECT,
        related_name="predictions",
        verbose_name=_("predicted class"),
    )
    confidence = models.FloatField(_("confidence"))
    probabilities = models.JSONField(_("probabilities"))
    heatmaps = models.BinaryField(_("heatmaps"))
    heatmap_peaks = models.JSONField(_("heatmap peaks"))
    embedding = models.BinaryField(_("embedding"))
    unfamiliarity = models.FloatField(
        _("unfamiliarity"),
        null=True,
        blank=True,
        help_text=_("In units of the model's detector; empty for a model without one."),
    )
    unfamiliar = models.BooleanField(_("unfamiliar"), default=False)
    preprocessing_version = models.CharField(_("preprocessing"), max_length=60)
    device = models.CharField(_("device"), max_length=120)
    milliseconds = models.FloatField(_("milliseconds"), help_text=_("Share of its batch."))
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    objects = PredictionQuerySet.as_manager()

    class Meta:
        verbose_name = _("prediction")
        verbose_name_plural = _("predictions")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("cell", "model_version"), name="one_prediction_per_cell_and_model_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.cell}: {self.predicted_class}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert only.

        Raises:
            TypeError: when the row exists already.
        """
        if not self._state.adding:
            raise TypeError("Predictions are kept as made.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError("Predictions are never deleted.")
