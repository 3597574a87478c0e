"""Filters of the lists of predictions and model versions."""

from __future__ import annotations

import django_filters

from cases.api.filters import FlagFilter, KeyFilter
from classifier.models import ModelRun


class PredictionFilterSet(django_filters.FilterSet):
    """By cell, case and model version; a key no row has finds nothing."""

    cell = KeyFilter(field_name="cell_id", label="Id of a cell.")
    case = KeyFilter(field_name="cell__case_id", label="Id of a case.")
    model_version = KeyFilter(field_name="model_version_id", label="Id of a model version.")


class ModelVersionFilterSet(django_filters.FilterSet):
    """The active one, or the others."""

    active = FlagFilter(label="Whether it names new cells.")


class ModelRunFilterSet(django_filters.FilterSet):
    """By model version, case and state."""

    model_version = KeyFilter(field_name="model_version_id", label="Id of a model version.")
    case = KeyFilter(field_name="case_id", label="Id of a case.")
    state = django_filters.ChoiceFilter(choices=ModelRun.State.choices)
