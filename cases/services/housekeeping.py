"""Keep what the last run of a job of upkeep found, for the administrators' page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from cases.models import Housekeeping

if TYPE_CHECKING:
    from collections.abc import Mapping


def note_done(job: str, figures: Mapping[str, int]) -> None:
    """Take the place of what the run before found."""
    Housekeeping.objects.update_or_create(
        name=job, defaults={"finished_at": timezone.now(), "figures": dict(figures)}
    )


def last_runs() -> dict[str, Housekeeping]:
    """The last run of every job that ever ran, by name."""
    return {each.name: each for each in Housekeeping.objects.all()}
