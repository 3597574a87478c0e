"""Named, chainable queries of the model's side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Q

from cases.querysets import AppendOnlyQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class JobQuerySet(models.QuerySet[Any]):
    """Queries on classification jobs."""

    def claimable(self, now: datetime) -> Self:
        """Jobs waiting, or abandoned by a worker whose lease has run out."""
        return self.filter(
            Q(state="queued") | Q(state="processing", lease_expires_at__lt=now)
        )


class PredictionQuerySet(AppendOnlyQuerySet):
    """Queries on predictions."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        return self.filter(cell__case__laboratory_id__in=laboratory_ids)

    def without_blobs(self) -> Self:
        """Leave the heatmaps and the embedding in the database."""
        return self.defer("heatmaps", "embedding")
