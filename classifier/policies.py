"""What of the model's side a reader may see: the access policy of cases, carried over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from cases.policies import AccessPolicy, Action
from classifier.models import (
    ModelRun,
    ModelVersion,
    Prediction,
    Projection,
    QuickLook,
    TilePyramid,
)

if TYPE_CHECKING:
    from classifier.explain.querysets import ProjectionQuerySet, QuickLookQuerySet
    from classifier.querysets import ModelRunQuerySet, ModelVersionQuerySet, PredictionQuerySet
    from classifier.tiles.models import TilePyramidQuerySet


def predictions_of(policy: AccessPolicy, action: Action = Action.VIEW) -> PredictionQuerySet:
    """Predictions on cells of the laboratories in which the user may do ``action``."""
    rows: PredictionQuerySet = policy.in_sight(
        Prediction.objects.of_laboratories(policy.laboratory_ids(action)), "cell__case_id"
    )
    return rows


def model_versions_of(policy: AccessPolicy) -> ModelVersionQuerySet:
    """All model versions for members of any laboratory: models belong to the site. Else none."""
    versions = ModelVersion.objects.all()
    return versions if policy.may_anywhere(Action.VIEW) else versions.none()


def projections_of(policy: AccessPolicy) -> ProjectionQuerySet:
    """Projections of the user's laboratories, and of test sets for members of any laboratory.

    Who reads a case blind sees neither that case's nor any month of its laboratory: a month's
    points name the case's cells as well.
    """
    laboratories = policy.laboratory_ids(Action.VIEW)
    rows: ProjectionQuerySet = policy.in_sight(Projection.objects.open_to(laboratories), "case_id")
    if blind := policy.blinded_case_ids:
        rows = rows.without_months_of_cases(blind)
    return rows if laboratories else rows.none()


def laboratories_with_months(policy: AccessPolicy) -> Any:
    """The laboratories whose months the user may see projected: as :func:`projections_of`."""
    rows = policy.laboratories()
    if blind := policy.blinded_case_ids:
        rows = rows.exclude(cases__in=blind)
    return rows


def quick_looks_of(policy: AccessPolicy) -> QuickLookQuerySet:
    """The user's own quick looks that have not run out; nobody else's, whatever their role."""
    rows: QuickLookQuerySet = QuickLook.objects.of_owner(policy.user).alive(timezone.now())
    return rows if policy.may_anywhere(Action.UPLOAD) else rows.none()


def model_runs_of(policy: AccessPolicy) -> ModelRunQuerySet:
    """Runs over cells of the laboratories the user manages."""
    return ModelRun.objects.of_laboratories(policy.laboratory_ids(Action.MANAGE))


def pyramids_of(policy: AccessPolicy) -> TilePyramidQuerySet:
    """Tile pyramids of the laboratories' images."""
    rows = TilePyramid.objects.of_laboratories(policy.laboratory_ids(Action.VIEW))
    visible: TilePyramidQuerySet = policy.in_sight(rows, "image__case_id")
    return visible
