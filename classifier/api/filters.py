"""What predictions can be filtered by."""

from __future__ import annotations

from django_filters import rest_framework as filters

from classifier.models import ModelVersion, Prediction


class PredictionFilter(filters.FilterSet):
    """By cell, case and model version. An unknown key finds nothing, it is no error."""

    cell = filters.NumberFilter(field_name="cell_id")
    case = filters.NumberFilter(field_name="cell__case_id")
    model_version = filters.NumberFilter(field_name="model_version_id")

    class Meta:
        model = Prediction
        fields = ("cell", "case", "model_version")


class ModelVersionFilter(filters.FilterSet):
    """The active one, or the others."""

    active = filters.BooleanFilter()

    class Meta:
        model = ModelVersion
        fields = ("active",)
