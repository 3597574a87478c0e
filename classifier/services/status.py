"""What the model page and administrators want to know of the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Min, Q
from django.utils.translation import gettext_lazy as _

from cases.models import Cell
from cases.models.image import WorkState
from classifier.inference import BundleError, bundle_folder, read_manifest
from classifier.models import ModelVersion
from classifier.services.registry import BUNDLE_PROBLEMS, UNUSABLE_BUNDLE

if TYPE_CHECKING:
    from datetime import datetime

    from django.utils.functional import _StrPromise

PROBLEMS: dict[str, _StrPromise] = {
    "missing": _(
        "The model's bundle is missing. Put the two files back; cells stay queued meanwhile."
    ),
    "unreadable": _("The model's bundle cannot be read. Check the permissions of its files."),
    "foreign": _(
        "The model's folder holds something else than a model bundle. Copy the bundle again."
    ),
    "invalid_manifest": _("The model's model.json is damaged. Copy the bundle again."),
    "wrong_hash": _(
        "The model's bundle was exchanged for another. Restore it or register the new one."
    ),
}
NO_MODEL = _(
    "No model is active. Register a bundle with “manage.py register_model FOLDER --activate”; "
    "cells stay queued meanwhile."
)
UNUSABLE = _(
    "The model's bundle cannot be used. The worker's log says why; cells stay queued meanwhile."
)


@dataclass(frozen=True)
class QueueStatus:
    """The queue across all laboratories, as numbers only.

    Attributes:
        queued: cells that wait.
        processing: cells in a batch at present.
        failed: cells given up.
        oldest_queued_at: when the cell that waits longest was uploaded.
        model_version: the active one.
        device: where it ran last; empty before its first batch.
        problem: why nothing can be classified; empty when all is well.
    """

    queued: int
    processing: int
    failed: int
    oldest_queued_at: datetime | None
    model_version: ModelVersion | None
    device: str
    problem: _StrPromise | str


def run_failure(code: str) -> _StrPromise | str:
    """Why a run ended before its time; nothing for a run that did not."""
    return BUNDLE_PROBLEMS.get(code, UNUSABLE_BUNDLE) if code else ""


def queue_status() -> QueueStatus:
    """Count the queue and look whether the active model's bundle is in its place (two queries)."""
    waiting = Q(state=WorkState.QUEUED)
    counts = Cell.objects.aggregate(
        queued=Count("pk", filter=waiting),
        processing=Count("pk", filter=Q(state=WorkState.PROCESSING)),
        failed=Count("pk", filter=Q(state=WorkState.FAILED)),
        oldest_queued_at=Min("created_at", filter=waiting),
    )
    version = ModelVersion.objects.active().first()
    return QueueStatus(
        **counts,
        model_version=version,
        device=version.device if version else "",
        problem=_problem_of(version),
    )


def model_problem() -> _StrPromise | str:
    """Why nothing can be classified; empty when all is well (one query and a small file)."""
    return _problem_of(ModelVersion.objects.active().first())


def _problem_of(version: ModelVersion | None) -> _StrPromise | str:
    if version is None:
        return NO_MODEL
    try:
        manifest = read_manifest(bundle_folder(version))
    except BundleError as error:
        return PROBLEMS.get(error.code, UNUSABLE)
    return "" if manifest.weights_sha256 == version.weights_sha256 else PROBLEMS["wrong_hash"]
