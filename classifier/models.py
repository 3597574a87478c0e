"""The model's side in the database: versions of the model, work to be done, predictions made."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.models import Cell, CellClass, Laboratory, SmearCase
from cases.models.append_only import AppendOnlyModel
from cases.models.image import WorkState
from classifier.explain.models import Projection, QuickLook, QuickLookPicture
from classifier.fields.models import DetectorVersion, FieldRun
from classifier.operations.models import Worker
from classifier.privacy.models import Removal, RetentionRules
from classifier.querysets import (
    JobQuerySet,
    ModelRunQuerySet,
    ModelVersionQuerySet,
    PredictionQuerySet,
)
from classifier.tiles.models import TilePyramid

__all__ = [
    "ClassificationJob",
    "DetectorVersion",
    "FieldRun",
    "ModelActivation",
    "ModelRun",
    "ModelVersion",
    "Prediction",
    "Projection",
    "QuickLook",
    "QuickLookPicture",
    "Removal",
    "RetentionRules",
    "TilePyramid",
    "Worker",
]


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


class ModelActivation(models.Model):
    """That a version became the active one: when, and by whom if it was a person."""

    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.CASCADE,
        related_name="activations",
        verbose_name=_("model version"),
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("model activation")
        verbose_name_plural = _("model activations")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.model_version} · {self.made_at:%Y-%m-%d %H:%M}"


class ModelRun(models.Model):
    """That a version is to see cells it has not seen: those of a case, or of a whole laboratory.

    A run adds predictions and nothing else: labels, review states and cases stay as they are.
    ``newest_cell`` bounds it to the cells there were when it was asked for; ``cells`` is how many
    of them the version had not seen. Workers make its jobs piece by piece; once ``enqueued``, there
    are none left to make.
    """

    class State(models.TextChoices):
        """Whether there is work left."""

        RUNNING = "running", pgettext_lazy("model run", "running")
        DONE = "done", pgettext_lazy("model run", "done")
        CANCELLED = "cancelled", pgettext_lazy("model run", "cancelled")
        FAILED = "failed", pgettext_lazy("model run", "failed")

    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.CASCADE,
        related_name="runs",
        verbose_name=_("model version"),
    )
    laboratory = models.ForeignKey(
        Laboratory, on_delete=models.CASCADE, related_name="+", verbose_name=_("laboratory")
    )
    case = models.ForeignKey(
        SmearCase,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("smear case"),
        help_text=_("Empty for the whole laboratory."),
    )
    newest_cell = models.BigIntegerField(editable=False)
    cells = models.PositiveIntegerField(_("cells"), help_text=_("Not seen when it was asked for."))
    enqueued = models.BooleanField(default=False, editable=False)
    state = models.CharField(
        _("state"), max_length=20, choices=State.choices, default=State.RUNNING
    )
    failure_code = models.CharField(_("failure"), max_length=40, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("requested by"),
    )
    requested_at = models.DateTimeField(_("requested"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = ModelRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("model run")
        verbose_name_plural = _("model runs")
        ordering = ("-id",)
        indexes = [
            models.Index(fields=("id",), name="run_running", condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"{self.model_version} · {self.case or self.laboratory}"


class ClassificationJob(models.Model):
    """The work of naming one cell with one model version: claimed with a lease, done once.

    A job with a ``run`` only adds a prediction; one without is the queue's, and its result is the
    cell's label.
    """

    cell = models.ForeignKey(
        Cell, on_delete=models.CASCADE, related_name="jobs", verbose_name=_("cell")
    )
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.CASCADE,
        related_name="jobs",
        verbose_name=_("model version"),
    )
    run = models.ForeignKey(
        ModelRun,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="jobs",
        verbose_name=_("model run"),
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
            ),
            models.Index(
                fields=("failure_code",), name="job_failed", condition=Q(state=WorkState.FAILED)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cell} · {self.model_version}"


class Prediction(AppendOnlyModel):
    """What a model version said of a cell, kept for ever as made.

    ``probabilities`` follow ``model_version.classes``. ``heatmaps`` is one 8-bit single-channel
    PNG: the class maps at feature-map resolution, one below the other in the same order, each
    scaled to its own maximum, which stands in ``heatmap_peaks``. ``embedding`` is little-endian
    float16. ``unfamiliar``: the score lay above the threshold of the bundle's detector when the
    prediction was made. ``box_version`` is the cell's at the time: a reviewer may have changed the
    box since, and what was said of another box is kept, but says nothing of this one.
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
    box_version = models.PositiveIntegerField(default=0, editable=False)
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    objects = PredictionQuerySet.as_manager()

    class Meta:
        verbose_name = _("prediction")
        verbose_name_plural = _("predictions")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("cell", "model_version", "box_version"),
                name="one_prediction_per_cell_and_model_version",
            )
        ]

    def __str__(self) -> str:
        return f"{self.cell}: {self.predicted_class}"
