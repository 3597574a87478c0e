"""How predictions and model versions look in the API."""

from __future__ import annotations

import math
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cases.api.serializers import KEY_MAX
from classifier.heatmaps import DEFAULT_ALPHA, DEFAULT_SIZE, MAX_SIZE, MIN_SIZE
from classifier.models import ModelVersion, Prediction

BY_CLASS = {"type": "object", "additionalProperties": {"type": "number", "format": "double"}}


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    """A prediction without its blobs; numbers by class code."""

    case = serializers.IntegerField(source="cell.case_id", read_only=True)
    predicted_class = serializers.CharField(source="predicted_class.code", read_only=True)
    model_name = serializers.CharField(source="model_version.name", read_only=True)
    probabilities = serializers.SerializerMethodField()
    heatmap_peaks = serializers.SerializerMethodField(
        help_text="Maximum of each class's heatmap before it was scaled, in units of the logit."
    )

    class Meta:
        model = Prediction
        fields = (
            "id",
            "cell",
            "case",
            "model_version",
            "model_name",
            "predicted_class",
            "confidence",
            "probabilities",
            "heatmap_peaks",
            "unfamiliarity",
            "unfamiliar",
            "preprocessing_version",
            "device",
            "milliseconds",
            "made_at",
        )
        read_only_fields = fields

    @extend_schema_field(BY_CLASS)
    def get_probabilities(self, prediction: Prediction) -> dict[str, float]:
        return dict(zip(prediction.model_version.classes, prediction.probabilities, strict=True))

    @extend_schema_field(BY_CLASS)
    def get_heatmap_peaks(self, prediction: Prediction) -> dict[str, float]:
        return dict(zip(prediction.model_version.classes, prediction.heatmap_peaks, strict=True))


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """A model version with its manifest: the model card's figures and provenance."""

    classes = serializers.ListField(child=serializers.CharField(), read_only=True)
    manifest = serializers.SerializerMethodField()

    class Meta:
        model = ModelVersion
        fields = (
            "id",
            "name",
            "active",
            "architecture",
            "head",
            "classes",
            "input_size",
            "preprocessing_version",
            "temperature",
            "review_threshold",
            "weights_sha256",
            "device",
            "registered_at",
            "manifest",
        )
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_manifest(self, version: ModelVersion) -> dict[str, Any]:
        manifest: dict[str, Any] = version.manifest
        return manifest


class LegendQuerySerializer(serializers.Serializer[Any]):
    """What a heatmap's legend can be asked for."""

    alpha = serializers.FloatField(
        min_value=0, max_value=1, default=DEFAULT_ALPHA, help_text="Opacity at the maximum."
    )

    def validate_alpha(self, alpha: float) -> float:
        """Refuse what is no number: it passes every comparison with the bounds."""
        if not math.isfinite(alpha):
            raise serializers.ValidationError(_("A valid number is required."))
        return alpha


class HeatmapQuerySerializer(LegendQuerySerializer):
    """What a heatmap can be asked for."""

    size = serializers.IntegerField(
        min_value=MIN_SIZE,
        max_value=MAX_SIZE,
        default=DEFAULT_SIZE,
        help_text="Longer side in pixels.",
    )
    model_version = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=KEY_MAX,
        help_text="That of the prediction that named the cell when left out.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add ``class``, which is no name Python allows for an attribute."""
        asked = serializers.CharField(
            required=False, help_text="Code of a class; the predicted one when left out."
        )
        return {"class": asked, **super().get_fields()}


class RetryAnswerSerializer(serializers.Serializer[Any]):
    """What a retry did."""

    queued = serializers.IntegerField(help_text="Failed cells put back into the queue.")
