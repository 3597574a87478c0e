"""How blinded readings and their comparison look in the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.reverse import reverse

from cases.api.serializers import VERSION_MAX
from cases.models import DoubleReading, Reading
from cases.services.readings import POSITIONS


class ReaderSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    reader = serializers.CharField(source="reader.username")
    finished_at = serializers.DateTimeField(allow_null=True)


class DoubleReadingSerializer(serializers.ModelSerializer[DoubleReading]):
    requested_by = serializers.CharField(source="requested_by.username")
    adjudicator = serializers.CharField(
        source="adjudicator.username", allow_null=True, default=None
    )
    readings = ReaderSerializer(many=True)

    class Meta:
        model = DoubleReading
        fields = (
            "id", "case", "state", "seed", "requested_by", "requested_at", "readings",
            "adjudicator", "closed_at",
        )  # fmt: skip
        read_only_fields = fields


class DoubleReadingInputSerializer(serializers.Serializer[Any]):
    readers = serializers.ListField(
        child=serializers.CharField(max_length=150),
        min_length=2,
        max_length=2,
        help_text="User names of the two readers.",
    )


@extend_schema_serializer(component_name="ReadingEstimate")
class EstimateSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField(allow_null=True)
    standard_error = serializers.FloatField(
        allow_null=True, help_text="Fleiss, Cohen and Everitt 1969."
    )
    standard_error_0 = serializers.FloatField(
        allow_null=True, help_text="Were the agreement one by chance."
    )
    low = serializers.FloatField(allow_null=True, help_text="95 % interval.")
    high = serializers.FloatField(allow_null=True)
    observed = serializers.FloatField(help_text="Share of cells named alike.")
    expected = serializers.FloatField(help_text="Share expected by chance.")


class ChiSquareSerializer(serializers.Serializer[Any]):
    statistic = serializers.FloatField()
    degrees = serializers.IntegerField()
    p = serializers.FloatField()


class SharesSerializer(serializers.Serializer[Any]):
    first = serializers.FloatField(allow_null=True, help_text="Share of 1 of the leukocytes.")
    second = serializers.FloatField(allow_null=True)
    difference = serializers.FloatField(allow_null=True, help_text="Second minus first.")
    allowed = serializers.FloatField(
        allow_null=True, help_text="95 % limit of the difference of two independent counts."
    )
    is_allowed = serializers.BooleanField(allow_null=True)
    p_fisher = serializers.FloatField(allow_null=True, help_text="Fisher's exact probability.")


class ClassComparisonSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(source="cell_class.code")
    name = serializers.CharField(source="cell_class.name")
    first = serializers.IntegerField()
    second = serializers.IntegerField()
    both = serializers.IntegerField()
    shares = SharesSerializer(
        allow_null=True, help_text="Null for classes that are not in the differential."
    )
    mean_percent = serializers.FloatField(
        allow_null=True, help_text="Null where the difference is larger than allowed."
    )
    p = serializers.FloatField(help_text="McNemar's exact probability.")
    p_adjusted = serializers.FloatField(help_text="By Holm, for all classes together.")
    differs = serializers.BooleanField()


@extend_schema_serializer(component_name="ReadingComparison")
class ComparisonSerializer(serializers.Serializer[Any]):
    cells = serializers.IntegerField()
    agreed = serializers.IntegerField()
    leukocytes = serializers.ListField(child=serializers.IntegerField())
    limited = serializers.BooleanField(help_text="Fewer than 200 leukocytes in a reading.")
    within_limits = serializers.BooleanField()
    differ = serializers.BooleanField(help_text="Stuart and Maxwell's p below 0.05.")
    kappa = EstimateSerializer()
    stuart_maxwell = ChiSquareSerializer()
    bowker = ChiSquareSerializer()
    classes = ClassComparisonSerializer(many=True)
    table = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="Rows the first reader's classes, columns the second's, in the order above.",
    )


class ComparedCellSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="Names the cell in a decision.")
    cell = serializers.IntegerField(source="cell_id")
    first = serializers.CharField(help_text="Class code by the first reader.")
    second = serializers.CharField()
    decided = serializers.CharField(allow_null=True)


class DecisionInputSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=40, help_text="Code of a cell class."
    )
    version = serializers.IntegerField(
        required=False, min_value=0, max_value=VERSION_MAX, help_text="The cell's, as you saw it."
    )


class DecisionSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="reading_cell_id")
    label = serializers.CharField(  # type: ignore[assignment]
        source="label.code"
    )
    correction = serializers.IntegerField(source="correction_id")


class ReadingSerializer(serializers.ModelSerializer[Reading]):
    """One of my own readings."""

    case = serializers.IntegerField(source="double_reading.case_id")
    accession_number = serializers.CharField(source="double_reading.case.accession_number")
    state = serializers.CharField(source="double_reading.state")
    total = serializers.IntegerField()
    labelled = serializers.IntegerField()

    class Meta:
        model = Reading
        fields = (
            "id", "double_reading", "case", "accession_number", "number", "state", "total",
            "labelled", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class ReadingCellSerializer(serializers.Serializer[Any]):
    """A cell of my reading: its place, my name for it and its photo; nothing else is told."""

    position = serializers.SerializerMethodField()
    label = serializers.CharField(  # type: ignore[assignment]
        source="own_label", allow_null=True
    )
    photo = serializers.SerializerMethodField(help_text="Where its picture is.")

    def get_position(self, row: Any) -> int:
        position: int = getattr(row, POSITIONS[self.context["reading"].number])
        return position

    def get_photo(self, row: Any) -> str:
        where = {"pk": self.context["reading"].pk, "position": self.get_position(row)}
        return reverse("api-reading-photo", kwargs=where, request=self.context.get("request"))


class ReadingLabelInputSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=40, help_text="Code of a cell class."
    )


class ReadingLabelSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    label = serializers.CharField(  # type: ignore[assignment]
        source="label.code"
    )
    made_at = serializers.DateTimeField()
