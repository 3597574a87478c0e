"""How results, signatures, findings and ranges look in the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cases.api.serializers import ProblemSerializer
from cases.models import (
    Amendment,
    CellClass,
    Finding,
    LaboratorySettings,
    ReferenceRange,
    SignOff,
)
from cases.services.findings import WBC_HIGHEST, WBC_LOWEST
from cases.services.signing import COMMENT_MAX_LENGTH

NUMBER_MAX = 2**31 - 1


@extend_schema_field(OpenApiTypes.OBJECT)
class DocumentField(serializers.JSONField):
    """A result as docs/signing.md describes it."""


class ObstacleSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable, for programs.")
    message = serializers.CharField()
    cells = serializers.IntegerField()
    field_numbers = serializers.ListField(
        child=serializers.IntegerField(), help_text="Numbers of the first fields concerned."
    )


class ReadinessSerializer(serializers.Serializer[Any]):
    ready = serializers.BooleanField()
    version = serializers.IntegerField(help_text="The number a signature would give.")
    seen = serializers.CharField(help_text="Sent with a signature: what you looked at.")
    obstacles = ObstacleSerializer(many=True)


class NotReadyProblemSerializer(ProblemSerializer):
    obstacles = ObstacleSerializer(many=True, required=False)


class SignOffSerializer(serializers.ModelSerializer[SignOff]):
    signed_by = serializers.CharField(source="signed_by.username", read_only=True)
    amended = serializers.SerializerMethodField(help_text="Whether the version was amended.")

    class Meta:
        model = SignOff
        fields = (
            "id", "case", "version", "signed_by", "signed_at", "means", "comment",
            "snapshot_sha256", "amended",
        )  # fmt: skip
        read_only_fields = fields

    def get_amended(self, row: SignOff) -> bool:
        return hasattr(row, "amendment")


class SignOffDetailSerializer(SignOffSerializer):
    snapshot = DocumentField(read_only=True)

    class Meta:
        model = SignOff
        fields = (*SignOffSerializer.Meta.fields, "snapshot")
        read_only_fields = fields


class SignInputSerializer(serializers.Serializer[Any]):
    password = serializers.CharField(
        max_length=1000,
        trim_whitespace=False,
        write_only=True,
        style={"input_type": "password"},
        help_text="Your own; a token alone does not sign.",
    )
    comment = serializers.CharField(
        max_length=COMMENT_MAX_LENGTH, required=False, allow_blank=True, default=""
    )
    seen = serializers.CharField(
        max_length=64,
        required=False,
        help_text="From the readiness you looked at; 409 when the case has changed since.",
    )


class AmendmentSerializer(serializers.ModelSerializer[Amendment]):
    version = serializers.IntegerField(source="sign_off.version", read_only=True)
    made_by = serializers.CharField(source="made_by.username", read_only=True)

    class Meta:
        model = Amendment
        fields = ("id", "case", "version", "reason", "made_by", "made_at")
        read_only_fields = fields


class AmendInputSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=COMMENT_MAX_LENGTH)
    version = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=NUMBER_MAX,
        help_text="The version you looked at; 409 when there is a newer one.",
    )


class FindingSerializer(serializers.ModelSerializer[Finding]):
    cell_class = serializers.SlugRelatedField[CellClass](
        slug_field="code", read_only=True, allow_null=True
    )
    cell = serializers.IntegerField(
        source="cell.number", read_only=True, allow_null=True, default=None,
        help_text="Its number in the case.",
    )  # fmt: skip
    image = serializers.IntegerField(
        source="image.number", read_only=True, allow_null=True, default=None,
        help_text="Its number in the case.",
    )  # fmt: skip
    made_by = serializers.CharField(source="made_by.username", read_only=True)
    withdrawn_by = serializers.CharField(
        source="withdrawn_by.username", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = Finding
        fields = (
            "id", "case", "cell_class", "text", "cell", "image", "made_by", "made_at",
            "withdrawn_by", "withdrawn_at",
        )  # fmt: skip
        read_only_fields = fields


class FindingInputSerializer(serializers.Serializer[Any]):
    cell_class = serializers.CharField(max_length=40, required=False, allow_blank=True)
    text = serializers.CharField(max_length=500, required=False, allow_blank=True)
    cell = serializers.IntegerField(
        required=False, min_value=1, max_value=NUMBER_MAX, help_text="Its number in the case."
    )
    image = serializers.IntegerField(
        required=False, min_value=1, max_value=NUMBER_MAX, help_text="Its number in the case."
    )


class WhiteCellsSerializer(serializers.Serializer[Any]):
    analyser_wbc = serializers.DecimalField(
        max_digits=7,
        decimal_places=3,
        min_value=WBC_LOWEST,
        max_value=WBC_HIGHEST,
        allow_null=True,
        help_text="In 10^9/L, as the analyser gave it; null takes it away.",
    )


class LaboratorySettingsSerializer(serializers.ModelSerializer[LaboratorySettings]):
    class Meta:
        model = LaboratorySettings
        fields = (
            "require_all_reviewed", "nrbc_threshold", "analyser_excludes_nrbc", "border_rule",
            "platelet_factor", "camera_pixel_size", "updated_at",
        )  # fmt: skip
        read_only_fields = ("updated_at",)
        extra_kwargs = {
            "require_all_reviewed": {"required": True},
            "nrbc_threshold": {"required": True},
            "analyser_excludes_nrbc": {"required": True},
        }


class ReferenceRangeSerializer(serializers.ModelSerializer[ReferenceRange]):
    """Left-out limits and ages of a range that is sent are none."""

    cell_class = serializers.SlugRelatedField[CellClass](
        slug_field="code", queryset=CellClass.objects.all()
    )
    age_from = serializers.IntegerField(
        min_value=0, max_value=NUMBER_MAX, allow_null=True, default=None
    )
    age_to = serializers.IntegerField(
        min_value=0, max_value=NUMBER_MAX, allow_null=True, default=None,
        help_text="Not included.",
    )  # fmt: skip

    class Meta:
        model = ReferenceRange
        fields = (
            "id", "cell_class", "sex", "age_from", "age_to", "age_unit", "percent_low",
            "percent_high", "absolute_low", "absolute_high", "source", "updated_at",
        )  # fmt: skip
        read_only_fields = ("id", "updated_at")
        extra_kwargs = {
            "sex": {"default": ReferenceRange.Sex.ANY},
            "age_unit": {"default": ReferenceRange.AgeUnit.YEAR},
            "source": {"default": ""},
            **{
                name: {"default": None}
                for name in ("percent_low", "percent_high", "absolute_low", "absolute_high")
            },
        }
