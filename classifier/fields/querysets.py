"""Named, chainable queries on detectors and their searches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import models
from django.db.models import Exists, OuterRef

from classifier.querysets import LeasedQuerySet, held_at

if TYPE_CHECKING:
    from datetime import datetime

    from cases.querysets import CaseImageQuerySet


def unsearched_fields(detector: Any) -> CaseImageQuerySet:
    """Queued fields without an unfinished search by that detector, which may be an OuterRef."""
    images: CaseImageQuerySet = apps.get_model("cases", "CaseImage").objects.unsearched()
    runs = apps.get_model("classifier", "FieldRun").objects.unfinished()
    return images.filter(
        ~Exists(runs.filter(image_id=OuterRef("pk"), detector_id=detector)), state="queued"
    )


class DetectorVersionQuerySet(models.QuerySet[Any]):
    """Queries on detectors."""

    def active(self) -> Self:
        return self.filter(active=True)

    def with_work(self, now: datetime) -> Self:
        """Detectors for which a worker would find a field at ``now``."""
        runs = apps.get_model("classifier", "FieldRun").objects.claimable(now)
        return self.filter(
            Exists(unsearched_fields(OuterRef(OuterRef("pk"))))
            | Exists(runs.filter(detector_id=OuterRef("pk")))
        )


class FieldRunQuerySet(LeasedQuerySet):
    """Queries on searches of fields."""

    def left_behind(self, detector: Any, now: datetime) -> Self:
        """Unfinished searches of other detectors that no worker holds."""
        others = self.unfinished().exclude(detector=detector)
        return others.exclude(held_at(now), state="processing")

    def queue_again(self) -> int:
        """Put finished searches back with fresh attempts."""
        return self.filter(state__in=("done", "failed")).begin_anew()
