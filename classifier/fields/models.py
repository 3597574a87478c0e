"""Detectors of cells, and their searches of fields."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.models import CaseImage
from cases.models.image import WorkState
from classifier.explain.models import LeasedRow
from classifier.fields.querysets import DetectorVersionQuerySet, FieldRunQuerySet


class DetectorVersion(models.Model):
    """A registered detector's bundle. At most one is active: the one that searches new fields."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    bundle = models.CharField(_("bundle folder"), max_length=500)
    weights_sha256 = models.CharField(_("weights"), max_length=64, unique=True)
    manifest = models.JSONField(_("manifest"), help_text=_("The bundle's model.json."))
    active = models.BooleanField(_("active"), default=False)
    registered_at = models.DateTimeField(_("registered"), auto_now_add=True)

    objects = DetectorVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("detector")
        verbose_name_plural = _("detectors")
        ordering = ("-registered_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("active",), condition=Q(active=True), name="one_active_detector"
            )
        ]

    def __str__(self) -> str:
        return self.name


class FieldRun(LeasedRow):
    """The search of one field with one detector: claimed with a lease, stored once.

    ``zoom`` is by how much the detector saw the field enlarged: cells are then as large as in its
    training fields. It follows from the case's micrometres per pixel, or was measured.
    """

    image = models.ForeignKey(
        CaseImage, on_delete=models.CASCADE, related_name="field_runs", verbose_name=_("image")
    )
    detector = models.ForeignKey(
        DetectorVersion,
        on_delete=models.PROTECT,
        related_name="field_runs",
        verbose_name=_("detector"),
    )
    zoom = models.FloatField(_("zoom"), null=True, blank=True)
    zoom_measured = models.BooleanField(_("zoom was measured"), default=False)
    cells = models.PositiveIntegerField(_("cells found"), default=0)
    device = models.CharField(_("device"), max_length=120, blank=True)
    milliseconds = models.FloatField(_("milliseconds"), null=True, blank=True)

    objects = FieldRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("search of a field")
        verbose_name_plural = _("searches of fields")
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("image", "detector"), name="one_search_per_field_and_detector"
            )
        ]
        indexes = [
            models.Index(
                fields=("detector", "queued_at"),
                name="field_run_unfinished",
                condition=Q(state__in=(WorkState.QUEUED, WorkState.PROCESSING)),
            )
        ]

    def __str__(self) -> str:
        return f"{self.image} · {self.detector}"
