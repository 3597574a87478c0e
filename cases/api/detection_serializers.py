"""What the API says and takes of the cells of fields."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cases.api.serializers import KEY_MAX, VERSION_MAX, ProblemSerializer
from cases.models import Box, CaseImage, Cell, Detection, DetectionCorrection
from cases.services.fields import COMMENT_MAX_LENGTH

PIXEL_MAX = 2**31 - 1
SIDES = ("left", "top", "width", "height")


class DetectedCellSerializer(serializers.ModelSerializer[Cell]):
    """The cell of the case that a white cell or platelet of a field is."""

    confidence = serializers.FloatField(allow_null=True)

    class Meta:
        model = Cell
        fields = ("id", "number", "state", "review_state", "confidence")
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        fields["class"] = serializers.CharField(
            source="label.code", allow_null=True, default=None, help_text="Code; null without one."
        )
        return fields


class DetectionSerializer(serializers.ModelSerializer[Detection]):
    case = serializers.IntegerField(source="image.case_id", read_only=True)
    cut_edges = serializers.ListField(
        source="edges", child=serializers.CharField(), help_text="Of left, top, right, bottom."
    )
    cell = DetectedCellSerializer(allow_null=True)
    duplicate_of = serializers.IntegerField(source="duplicate_of_id", allow_null=True)

    class Meta:
        model = Detection
        fields = (
            "id", "case", "image", "number", "kind", "left", "top", "width", "height",
            "found_kind", "found_left", "found_top", "found_width", "found_height", "score",
            "source", "excluded", "cut_edges", "duplicate_of", "version", "revision", "cell",
        )  # fmt: skip
        read_only_fields = fields


class CommentedSerializer(serializers.Serializer[Any]):
    comment = serializers.CharField(
        max_length=COMMENT_MAX_LENGTH, required=False, allow_blank=True, default=""
    )


class VersionSerializer(CommentedSerializer):
    version = serializers.IntegerField(
        min_value=0,
        max_value=VERSION_MAX,
        help_text="The version you looked at; 409 when it is no longer that.",
    )


class BoxSerializer(serializers.Serializer[Any]):
    """A box in pixels of the upright image."""

    left = serializers.IntegerField(min_value=-PIXEL_MAX, max_value=PIXEL_MAX)
    top = serializers.IntegerField(min_value=-PIXEL_MAX, max_value=PIXEL_MAX)
    width = serializers.IntegerField(min_value=-PIXEL_MAX, max_value=PIXEL_MAX)
    height = serializers.IntegerField(min_value=-PIXEL_MAX, max_value=PIXEL_MAX)


class DetectionInputSerializer(BoxSerializer, CommentedSerializer):
    image = serializers.IntegerField(min_value=1, max_value=KEY_MAX, help_text="Id of a field.")
    kind = serializers.ChoiceField(choices=Detection.Kind.choices)

    def box(self) -> Box:
        return Box(*(self.validated_data[side] for side in SIDES))


class DetectionChangeSerializer(VersionSerializer):
    """What is left out stays as it is."""

    left = serializers.IntegerField(required=False, min_value=-PIXEL_MAX, max_value=PIXEL_MAX)
    top = serializers.IntegerField(required=False, min_value=-PIXEL_MAX, max_value=PIXEL_MAX)
    width = serializers.IntegerField(required=False, min_value=-PIXEL_MAX, max_value=PIXEL_MAX)
    height = serializers.IntegerField(required=False, min_value=-PIXEL_MAX, max_value=PIXEL_MAX)
    kind = serializers.ChoiceField(choices=Detection.Kind.choices, required=False)

    def box(self, detection: Detection) -> Box | None:
        """The box wanted; None when no side was named."""
        if not any(side in self.validated_data for side in SIDES):
            return None
        now = detection.box.as_dict()
        return Box(*(self.validated_data.get(side, now[side]) for side in SIDES))


class DuplicateSerializer(VersionSerializer):
    of = serializers.IntegerField(
        min_value=1, max_value=KEY_MAX, help_text="Id of the same cell on another field."
    )


class DetectionCorrectionSerializer(serializers.ModelSerializer[DetectionCorrection]):
    made_by = serializers.CharField(source="made_by.username", read_only=True)
    version = serializers.IntegerField(source="detection_version", read_only=True)

    class Meta:
        model = DetectionCorrection
        fields = (
            "id", "detection", "version", "made_by", "made_at", "action", "before", "after",
            "comment",
        )  # fmt: skip
        read_only_fields = fields


class DetectionStateSerializer(serializers.Serializer[Any]):
    """A detection as it is now."""

    id = serializers.IntegerField()
    version = serializers.IntegerField()
    kind = serializers.CharField()
    box = BoxSerializer()
    excluded = serializers.CharField(allow_blank=True)
    duplicate_of = serializers.IntegerField(allow_null=True)


class ChangedDetectionProblemSerializer(ProblemSerializer):
    """A conflict, with the cell as it is now."""

    current = DetectionStateSerializer(required=False)


class ImageKindSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=CaseImage.Kind.choices)
