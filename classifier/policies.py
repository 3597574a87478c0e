"""What of the model's side a reader may see: the access policy of cases, carried over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cases.policies import AccessPolicy, Action
from classifier.models import ModelRun, ModelVersion, Prediction

if TYPE_CHECKING:
    from classifier.querysets import ModelRunQuerySet, ModelVersionQuerySet, PredictionQuerySet


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


def model_runs_of(policy: AccessPolicy) -> ModelRunQuerySet:
    """Runs over cells of the laboratories the user manages."""
    return ModelRun.objects.of_laboratories(policy.laboratory_ids(Action.MANAGE))
