"""Queries on quick looks and projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db.models import Q

from classifier.querysets import LeasedQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


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
