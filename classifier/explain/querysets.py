"""Queries on rows that a worker takes under a lease, and on quick looks and projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import F, Q

from cases.models.image import WorkState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID


class LeasedQuerySet(models.QuerySet[Any]):
    """Rows that wait for a worker, are held by one, or are finished."""

    def claimable(self, now: datetime) -> Self:
        """Rows waiting whose pause is over, or left by a worker whose lease has run out."""
        return self.filter(
            (Q(state=WorkState.QUEUED) & (Q(not_before=None) | Q(not_before__lte=now)))
            | Q(state=WorkState.PROCESSING, lease_expires_at__lt=now)
        )

    def unfinished(self) -> Self:
        return self.filter(state__in=(WorkState.QUEUED, WorkState.PROCESSING))

    def held_by(self, token: UUID | None) -> Self:
        """Rows under that lease; none without one."""
        return self.filter(state=WorkState.PROCESSING, lease_token=token)

    def claim(self, token: UUID, until: datetime) -> int:
        """Give the rows to the holder of ``token``; returns how many there were."""
        return self.update(
            state=WorkState.PROCESSING,
            lease_token=token,
            lease_expires_at=until,
            not_before=None,
            attempts=F("attempts") + 1,
        )


class QuickLookQuerySet(LeasedQuerySet):
    """Quick looks."""

    def of_owner(self, user: Any) -> Self:
        return self.filter(owner_id=user.pk)

    def expired(self, now: datetime) -> Self:
        return self.filter(expires_at__lte=now)

    def alive(self, now: datetime) -> Self:
        return self.filter(expires_at__gt=now)


class ProjectionQuerySet(LeasedQuerySet):
    """Projections."""

    def of_laboratories(self, laboratory_ids: Iterable[int]) -> Self:
        """Those of these laboratories' cells."""
        return self.filter(laboratory_id__in=laboratory_ids)

    def open_to(self, laboratory_ids: Iterable[int]) -> Self:
        """Those of these laboratories, and those of test sets, which are public data."""
        return self.filter(Q(laboratory_id__in=laboratory_ids) | Q(source="test"))

    def without_months_of_cases(self, case_ids: Iterable[int]) -> Self:
        """Leave out the months of the laboratories these cases belong to."""
        return self.exclude(source="month", laboratory__cases__in=list(case_ids))

    def without_blobs(self) -> Self:
        return self.defer("points", "cells", "neighbours", "atlas")

    def for_display(self) -> Self:
        return self.without_blobs().select_related("case", "laboratory", "model_version")
