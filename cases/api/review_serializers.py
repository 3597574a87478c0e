"""What the API says and takes of a case's review: steps of corrections, flags, what changed."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from cases.api.serializers import (
    KEY_MAX,
    VERSION_MAX,
    CaseCountsSerializer,
    ProblemSerializer,
    StaleCellSerializer,
)
from cases.models import Cell, CellClass, CorrectionBatch, SmearCase
from cases.services.corrections import CELLS_MAX, COMMENT_MAX_LENGTH
from cases.services.flags import NOTE_MAX_LENGTH


class CellStateSerializer(serializers.ModelSerializer[Cell]):
    """A cell as the gallery shows it."""

    label = serializers.SlugRelatedField[CellClass](  # type: ignore[assignment]
        slug_field="code", read_only=True, allow_null=True
    )

    class Meta:
        model = Cell
        fields: tuple[str, ...] = (
            "id", "number", "label", "label_source", "review_state", "confidence", "unfamiliar",
            "flagged", "excluded", "state", "version",
        )  # fmt: skip
        read_only_fields = fields


class ChangedCellSerializer(CellStateSerializer):
    """A cell that changed, and who named it last."""

    corrected_by = serializers.SerializerMethodField()

    class Meta(CellStateSerializer.Meta):
        fields: tuple[str, ...] = (*CellStateSerializer.Meta.fields, "corrected_by")
        read_only_fields = fields

    def get_corrected_by(self, cell: Cell) -> str | None:
        names: dict[int, str] = self.context["corrected_by"]
        return names.get(cell.pk)


class SeenCellsSerializer(serializers.Serializer[Any]):
    """Cells of a case, each with the version that was looked at."""

    cells = serializers.ListField(
        child=serializers.DictField(),
        allow_empty=False,
        max_length=CELLS_MAX,
        help_text="Objects with `id` and `version`, the cell's version you looked at.",
    )

    def validate_cells(self, cells: list[dict[str, Any]]) -> dict[int, int]:
        """Return versions by id; thousands of nested serializers would be slow."""
        versions: dict[int, int] = {}
        for each in cells:
            key, version = each.get("id"), each.get("version")
            if not _is_number(key, KEY_MAX) or not _is_number(version, VERSION_MAX):
                raise serializers.ValidationError(
                    _("Every cell needs an id and a version, both whole numbers.")
                )
            if versions.setdefault(key, version) != version:  # type: ignore[arg-type]
                raise serializers.ValidationError(_("Name every cell once."))
        return versions


def _is_number(value: Any, maximum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum


class StepInputSerializer(SeenCellsSerializer):
    to = serializers.CharField(
        max_length=40,
        allow_null=True,
        help_text="Code of a cell class; null confirms every cell in the class it has.",
    )
    comment = serializers.CharField(
        max_length=COMMENT_MAX_LENGTH, required=False, allow_blank=True, default=""
    )


class FlagInputSerializer(SeenCellsSerializer):
    raised = serializers.BooleanField(help_text="False lowers the flag.")
    note = serializers.CharField(
        max_length=NOTE_MAX_LENGTH, required=False, allow_blank=True, default=""
    )


class ChangesQuerySerializer(serializers.Serializer[Any]):
    since = serializers.IntegerField(
        min_value=0, max_value=VERSION_MAX, help_text="The case's revision you know."
    )


class StepSerializer(serializers.ModelSerializer[CorrectionBatch]):
    made_by = serializers.CharField(source="made_by.username", read_only=True)

    class Meta:
        model = CorrectionBatch
        fields = ("id", "case", "made_by", "made_at", "undoes")
        read_only_fields = fields


class ReviewStateSerializer(serializers.Serializer[Any]):
    """The counts of a case and some of its cells, as they are at a revision."""

    revision = serializers.IntegerField(help_text="Ask for the changes since this one later on.")
    counts = CaseCountsSerializer()
    cells = CellStateSerializer(many=True)


class StepAnswerSerializer(ReviewStateSerializer):
    step = StepSerializer()


class ChangesSerializer(serializers.Serializer[Any]):
    """What changed of a case since a revision; `counts` is null when nothing did."""

    revision = serializers.IntegerField()
    status = serializers.ChoiceField(choices=SmearCase.Status.choices)
    last_number = serializers.IntegerField(
        help_text="Number of the latest cell; it grows while images arrive."
    )
    more = serializers.BooleanField(help_text="Ask again at once: this was not all.")
    counts = CaseCountsSerializer(allow_null=True)
    cells = ChangedCellSerializer(many=True)


class StaleStepProblemSerializer(ProblemSerializer):
    """A conflict, with the cells that changed as they are now."""

    stale = serializers.IntegerField(required=False)
    cells = StaleCellSerializer(many=True, required=False)
