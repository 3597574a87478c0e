"""What each worker did, as sums that only grow: the web process tells them to Prometheus."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Queries on workers."""

    def seen_since(self, moment: datetime) -> Self:
        return self.filter(seen_at__gte=moment)

    def not_seen_since(self, moment: datetime) -> Self:
        return self.filter(seen_at__lt=moment)


class Worker(models.Model):
    """A worker process under Celery's name of it, such as ``celery@host``.

    ``batch_sizes`` and ``cell_milliseconds`` hold how many values fell into each bucket of
    :mod:`classifier.operations.recording`, keys as text since they are JSON. ``failures`` counts by
    failure code. Nobody's data is in it.
    """

    name = models.CharField(_("name"), max_length=200, unique=True)
    model_name = models.CharField(_("model"), max_length=80, blank=True)
    device = models.CharField(_("device"), max_length=120, blank=True)
    started_at = models.DateTimeField(_("started"))
    seen_at = models.DateTimeField(_("last seen"), db_index=True)
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    busy_since = models.DateTimeField(_("in work since"), null=True, blank=True)
    batches = models.PositiveBigIntegerField(_("batches"), default=0)
    failed_batches = models.PositiveBigIntegerField(_("failed batches"), default=0)
    claimed = models.PositiveBigIntegerField(_("cells of batches"), default=0)
    cells = models.PositiveBigIntegerField(_("cells"), default=0)
    milliseconds = models.FloatField(_("milliseconds of inference"), default=0)
    batch_sizes: Any = models.JSONField(default=dict)
    cell_milliseconds: Any = models.JSONField(default=dict)
    failures: Any = models.JSONField(_("failures"), default=dict)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def mean_milliseconds(self) -> float | None:
        """Inference per cell; none before the first."""
        return self.milliseconds / self.cells if self.cells else None

    @property
    def failed_cells(self) -> int:
        return sum(self.failures.values())
