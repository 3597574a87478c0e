"""How runs and comparisons of model versions look in the API."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from cases.api.serializers import KEY_MAX
from cases.models import Cell
from classifier.models import ModelRun
from classifier.services.comparison import Comparison


class RegisterSerializer(serializers.Serializer[Any]):
    folder = serializers.CharField(
        max_length=200, help_text="Name of a bundle's folder below the bundles' directory."
    )


class ModelRunSerializer(serializers.ModelSerializer[ModelRun]):
    laboratory = serializers.CharField(source="laboratory.slug", read_only=True)
    model_name = serializers.CharField(source="model_version.name", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)
    done = serializers.IntegerField(read_only=True, help_text="Cells with a prediction.")
    failed = serializers.IntegerField(read_only=True, help_text="Cells given up.")

    class Meta:
        model = ModelRun
        fields = (
            "id", "model_version", "model_name", "laboratory", "case", "state", "failure_code",
            "cells", "done", "failed", "requested_by", "requested_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class ModelRunInputSerializer(serializers.Serializer[Any]):
    model_version = serializers.IntegerField(min_value=1, max_value=KEY_MAX)
    laboratory = serializers.CharField(max_length=50, help_text="Short name of the laboratory.")
    case = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=KEY_MAX,
        help_text="Id of a case; the whole laboratory when left out.",
    )


class ComparisonQuerySerializer(serializers.Serializer[Any]):
    first = serializers.IntegerField(min_value=1, max_value=KEY_MAX, help_text="Id of a version.")
    second = serializers.IntegerField(min_value=1, max_value=KEY_MAX, help_text="Id of another.")
    laboratory = serializers.CharField(
        required=False, max_length=50, help_text="Short name; all you administer when left out."
    )
    corrected_only = serializers.BooleanField(
        default=False, help_text="Leave out cells whose label a reviewer only confirmed."
    )

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if values["first"] == values["second"]:
            raise serializers.ValidationError({"second": [_("Choose two different versions.")]})
        return values


@extend_schema_serializer(component_name="ModelEstimate")
class EstimateSerializer(serializers.Serializer[Any]):
    """Percent, with its exact 95 % interval; null when there is nothing to estimate from."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class ClassFiguresSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(source="cell_class.code")
    n = serializers.IntegerField(help_text="Cells reviewers named so.")
    first_recall = EstimateSerializer()
    second_recall = EstimateSerializer()
    first_precision = EstimateSerializer()
    second_precision = EstimateSerializer()


@extend_schema_serializer(component_name="ModelComparison")
class ComparisonSerializer(serializers.Serializer[Any]):
    n = serializers.IntegerField()
    agreement = EstimateSerializer()
    first_right = EstimateSerializer()
    second_right = EstimateSerializer()
    both_right = serializers.IntegerField()
    only_first = serializers.IntegerField()
    only_second = serializers.IntegerField()
    neither = serializers.IntegerField()
    p_value = serializers.FloatField(
        allow_null=True, help_text="McNemar's exact test, two-sided; null without discordant cells."
    )
    first_unfamiliar = serializers.IntegerField()
    second_unfamiliar = serializers.IntegerField()
    differing = serializers.IntegerField()
    agreement_table = serializers.SerializerMethodField(
        help_text="Cells by what the first version said, then by what the second did."
    )
    classes = ClassFiguresSerializer(many=True)

    def get_agreement_table(self, found: Comparison) -> dict[str, dict[str, int]]:
        codes = [column.code for column in found.columns]
        return {
            row.code: dict(zip(codes, counts, strict=True)) for row, counts in found.agreement_rows
        }


class DifferingCellSerializer(serializers.ModelSerializer[Cell]):
    label = serializers.CharField(source="label.code")  # type: ignore[assignment]
    first = serializers.SerializerMethodField()
    second = serializers.SerializerMethodField()
    first_confidence = serializers.FloatField()
    second_confidence = serializers.FloatField()

    class Meta:
        model = Cell
        fields = (
            "id", "case", "number", "label", "review_state", "first", "first_confidence",
            "second", "second_confidence",
        )  # fmt: skip
        read_only_fields = fields

    def get_first(self, cell: Any) -> str:
        return str(self.context["codes"][cell.first_class])

    def get_second(self, cell: Any) -> str:
        return str(self.context["codes"][cell.second_class])
