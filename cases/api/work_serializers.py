"""How the work list and assignments look in the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cases.api.serializers import SmearCaseSerializer
from cases.models import CaseAssignment, SmearCase


class WorkListSerializer(SmearCaseSerializer):
    """A case as the case list tells of it; its cells say how much waits."""

    range_flags = serializers.IntegerField(
        read_only=True,
        help_text="Classes outside the laboratory's range, as they stood half a minute ago.",
    )

    class Meta(SmearCaseSerializer.Meta):
        fields = (*SmearCaseSerializer.Meta.fields, "range_flags")
        read_only_fields = fields


class AssignmentSerializer(serializers.ModelSerializer[CaseAssignment]):
    assignee = serializers.CharField(source="assignee.username", allow_null=True, default=None)
    made_by = serializers.CharField(source="made_by.username", read_only=True)

    class Meta:
        model = CaseAssignment
        fields = ("id", "case", "assignee", "made_by", "made_at")
        read_only_fields = fields


class AssignmentInputSerializer(serializers.Serializer[Any]):
    assignee = serializers.CharField(
        max_length=150, allow_null=True, help_text="User name of the reader; null gives it back."
    )
    expected = serializers.CharField(
        max_length=150,
        allow_null=True,
        required=False,
        help_text="User name of the reader you saw; 409 when it is somebody else by now.",
    )


class PriorityInputSerializer(serializers.Serializer[Any]):
    priority = serializers.ChoiceField(choices=SmearCase.Priority.choices)


class PrioritySerializer(serializers.ModelSerializer[SmearCase]):
    class Meta:
        model = SmearCase
        fields = ("id", "priority")
        read_only_fields = fields
