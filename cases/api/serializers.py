"""What the API says and takes; rules beyond the form of a field are the services'."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.reverse import reverse

from cases.failures import failure_message
from cases.models import CaseImage, Cell, CellClass, Correction, Laboratory, Patient, SmearCase
from cases.services.corrections import COMMENT_MAX_LENGTH
from cases.services.uploads import AUTO

# The largest key a database holds; larger numbers name nothing.
KEY_MAX = 2**63 - 1
VERSION_MAX = 2**31 - 1
NOTE_MAX_LENGTH = 10_000


class CredentialsSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150, trim_whitespace=False)
    password = serializers.CharField(
        max_length=1000, trim_whitespace=False, style={"input_type": "password"}
    )
    code = serializers.CharField(
        max_length=20,
        required=False,
        allow_blank=True,
        help_text="Of the authenticator app, or a recovery code, when the account has either.",
    )


class TokenSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Sent as `Authorization: Token …`; shown only once.")
    expiry = serializers.DateTimeField()


class LaboratorySerializer(serializers.ModelSerializer[Laboratory]):
    role = serializers.SerializerMethodField(help_text="The role you have there.")

    class Meta:
        model = Laboratory
        fields = ("id", "slug", "name", "role")

    def get_role(self, laboratory: Laboratory) -> str:
        role: str = self.context["roles"][laboratory.pk]
        return role


class MeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="user.id")
    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.get_full_name")
    language = serializers.CharField(source="user.language")
    laboratories = LaboratorySerializer(many=True)


class CellClassSerializer(serializers.ModelSerializer[CellClass]):
    class Meta:
        model = CellClass
        fields = (
            "id", "code", "name", "description", "group", "color", "order", "counted", "predicted"
        )  # fmt: skip


class PatientSerializer(serializers.ModelSerializer[Patient]):
    laboratory = serializers.SlugRelatedField[Laboratory](slug_field="slug", read_only=True)
    name = serializers.CharField(read_only=True)

    class Meta:
        model = Patient
        fields = (
            "id", "laboratory", "identifier", "name", "sex", "birth_date", "language", "created_at"
        )  # fmt: skip
        read_only_fields = fields


class PatientInputSerializer(serializers.Serializer[Any]):
    laboratory = serializers.CharField(
        required=False,
        max_length=50,
        help_text="Short name or id; not needed when you work in one laboratory only.",
    )
    identifier = serializers.CharField(max_length=64)
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    sex = serializers.ChoiceField(choices=Patient.Sex.choices, required=False)
    birth_date = serializers.DateField(required=False, allow_null=True)
    language = serializers.ChoiceField(
        choices=settings.LANGUAGES,
        required=False,
        allow_blank=True,
        help_text="The language the patient reads reports in.",
    )


class ProgressSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    pending = serializers.IntegerField()
    failed = serializers.IntegerField()
    needs_review = serializers.IntegerField()
    flagged = serializers.IntegerField(help_text="Flagged by a reviewer and not settled yet.")
    unfamiliar = serializers.IntegerField(help_text="Unlike anything the model learnt from.")


class SmearCaseSerializer(serializers.ModelSerializer[SmearCase]):
    laboratory = serializers.SlugRelatedField[Laboratory](slug_field="slug", read_only=True)
    patient_identifier = serializers.CharField(source="patient.identifier", read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True)
    assignee = serializers.CharField(
        source="assignee.username", allow_null=True, default=None, help_text="Who reads it."
    )
    cells = ProgressSerializer(source="progress", read_only=True)

    class Meta:
        model = SmearCase
        fields: tuple[str, ...] = (
            "id", "laboratory", "patient", "patient_identifier", "accession_number",
            "collected_at", "received_at", "stain", "clinical_note", "status", "priority",
            "micrometres_per_pixel", "magnification", "assignee", "cells", "created_by",
            "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields: tuple[str, ...] = fields


class SmearCaseInputSerializer(serializers.Serializer[Any]):
    patient = serializers.IntegerField(
        min_value=1, max_value=KEY_MAX, help_text="The id of a patient."
    )
    accession_number = serializers.CharField(max_length=64)
    collected_at = serializers.DateTimeField(required=False, allow_null=True)
    received_at = serializers.DateTimeField(required=False, allow_null=True)
    stain = serializers.CharField(max_length=80, required=False, allow_blank=True)
    clinical_note = serializers.CharField(
        max_length=NOTE_MAX_LENGTH, required=False, allow_blank=True
    )
    micrometres_per_pixel = serializers.DecimalField(
        max_digits=6,
        decimal_places=4,
        min_value=Decimal("0.01"),
        max_value=Decimal(5),
        required=False,
        allow_null=True,
        help_text="Of the field images; measured on their cells when left out.",
    )
    magnification = serializers.DecimalField(
        max_digits=4,
        decimal_places=1,
        min_value=Decimal(1),
        max_value=Decimal(250),
        required=False,
        allow_null=True,
        help_text=(
            "From slide to camera, in place of `micrometres_per_pixel`, which then is the "
            "laboratory's `camera_pixel_size` divided by it."
        ),
    )


class FailureField(serializers.ReadOnlyField):
    """Why the model gave up, for people; empty when it did not."""

    def __init__(self) -> None:
        super().__init__(source="failure_code", help_text=str(self.__doc__))

    def to_representation(self, value: str) -> str:
        return str(failure_message(value))


class CaseImageSerializer(serializers.ModelSerializer[CaseImage]):
    name = serializers.SerializerMethodField(
        help_text="The server's; names of uploads may tell of patients and are not handed out."
    )
    uploaded_by = serializers.CharField(source="uploaded_by.username")
    failure = FailureField()
    url = serializers.SerializerMethodField(help_text="Where the picture itself is.")

    class Meta:
        model = CaseImage
        fields = (
            "id", "case", "number", "name", "sha256", "byte_size", "width", "height", "kind",
            "kind_source", "searched_at", "search_progress", "state", "failure_code", "failure",
            "uploaded_by", "uploaded_at", "url",
        )  # fmt: skip
        read_only_fields = fields

    def get_name(self, image: CaseImage) -> str:
        return image.served_name

    def get_url(self, image: CaseImage) -> str:
        return reverse("api-image-file", args=[image.pk], request=self.context.get("request"))


class UploadSerializer(serializers.Serializer[Any]):
    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True, max_length=None),
        allow_empty=False,
        min_length=1,
        help_text="One or several pictures (JPEG, PNG, BMP, TIFF, WebP) or ZIPs of them.",
    )
    kind = serializers.ChoiceField(
        choices=[(AUTO, AUTO), *CaseImage.Kind.choices],
        default=AUTO,
        help_text="What each picture shows; auto judges each by its size and its cells.",
    )


class FileAnswerSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["accepted", "duplicate", "rejected"])
    code = serializers.CharField(help_text="Why, for programs.")
    message = serializers.CharField(help_text="Why, and what to do.")
    image = CaseImageSerializer(allow_null=True)
    duplicate_of = serializers.IntegerField(
        allow_null=True, help_text="Number of the image in this case that the file repeats."
    )


class UploadAnswerSerializer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = serializers.IntegerField()
    files = FileAnswerSerializer(many=True)


class CellSerializer(serializers.ModelSerializer[Cell]):
    label = serializers.SlugRelatedField[CellClass](  # type: ignore[assignment]
        slug_field="code", read_only=True, allow_null=True
    )
    label_name = serializers.CharField(source="label.name", allow_null=True, default=None)
    needs_review = serializers.SerializerMethodField()
    failure = FailureField()
    detection = serializers.IntegerField(
        source="detection.pk", default=None, allow_null=True, help_text="Of a cell on a field."
    )

    class Meta:
        model = Cell
        fields = (
            "id", "case", "image", "number", "left", "top", "width", "height", "label",
            "label_name", "label_source", "confidence", "unfamiliar", "flagged", "review_state",
            "needs_review", "excluded", "frame_side", "detection", "state", "failure_code",
            "failure", "version", "created_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_needs_review(self, cell: Cell) -> bool:
        return cell.review_state == Cell.ReviewState.NEEDS_REVIEW


class CorrectionSerializer(serializers.ModelSerializer[Correction]):
    """``from`` is a keyword of the language, so the two classes are added by hand."""

    made_by = serializers.CharField(source="made_by.username", read_only=True)
    version = serializers.IntegerField(
        source="cell_version", read_only=True, help_text="The cell's version since then."
    )

    class Meta:
        model = Correction
        fields = ("id", "cell", "version", "made_by", "made_at", "comment")
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        fields["from"] = serializers.SlugRelatedField(
            source="from_class", slug_field="code", read_only=True, allow_null=True
        )
        fields["to"] = serializers.SlugRelatedField(
            source="to_class", slug_field="code", read_only=True, allow_null=True
        )
        return fields


class CorrectionInputSerializer(serializers.Serializer[Any]):
    to = serializers.CharField(max_length=40, help_text="Code of a cell class.")
    comment = serializers.CharField(
        max_length=COMMENT_MAX_LENGTH, required=False, allow_blank=True, default=""
    )
    version = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=VERSION_MAX,
        help_text="The cell's version you looked at; 409 when it is no longer that.",
    )


class EstimateSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField(allow_null=True)
    ci_low = serializers.FloatField(
        source="low", allow_null=True, help_text="Exact 95 % interval, in the value's unit."
    )
    ci_high = serializers.FloatField(source="high", allow_null=True)


class BeforeReviewSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    percent = serializers.FloatField(allow_null=True)
    ci_low = serializers.FloatField(allow_null=True)
    ci_high = serializers.FloatField(allow_null=True)


class ClassCountSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()
    color = serializers.CharField()
    group = serializers.ChoiceField(choices=CellClass.Group.choices)
    counted = serializers.BooleanField()
    count = serializers.IntegerField()
    percent = serializers.FloatField(
        allow_null=True, help_text="Of the leukocytes; null for classes that are none."
    )
    ci_low = serializers.FloatField(allow_null=True, help_text="Exact 95 % interval, in percent.")
    ci_high = serializers.FloatField(allow_null=True)
    by_model = serializers.IntegerField()
    by_reviewer = serializers.IntegerField()
    needs_review = serializers.IntegerField()
    before = BeforeReviewSerializer(help_text="What the model alone had, before any review.")


class CaseCountsSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=SmearCase.Status.choices)
    total = serializers.IntegerField()
    pending = serializers.IntegerField(help_text="Cells that wait for the model.")
    failed = serializers.IntegerField(help_text="Cells the model gave up and nobody has named yet.")
    needs_review = serializers.IntegerField()
    reviewed = serializers.IntegerField(help_text="Cells a reviewer confirmed or corrected.")
    unfamiliar = serializers.IntegerField(
        help_text="Cells the model does not recognise: not counted until a reviewer names them."
    )
    leukocytes = serializers.IntegerField(help_text="The denominator of every percentage.")
    limited = serializers.BooleanField(help_text="Fewer than 100 leukocytes.")
    erythroblasts = serializers.IntegerField()
    nrbc_per_100_wbc = serializers.FloatField(allow_null=True)
    nrbc_ci_low = serializers.FloatField(allow_null=True, help_text="Exact 95 % interval.")
    nrbc_ci_high = serializers.FloatField(allow_null=True)
    platelets = serializers.IntegerField()
    unnamed = serializers.IntegerField(help_text="Cells without a label.")
    unidentified = serializers.IntegerField()
    not_reviewed = serializers.IntegerField(help_text="Neither confirmed nor corrected.")
    before_leukocytes = serializers.IntegerField(help_text="As the model alone had them.")
    before_nrbc = EstimateSerializer(help_text="Per 100 WBC, as the model alone had it.")
    excluded = serializers.IntegerField(
        help_text="Cells in no other figure: cut by the border, removed or seen before."
    )
    field_images = serializers.IntegerField()
    fields_pending = serializers.IntegerField(help_text="Still searched for cells.")
    fields_failed = serializers.IntegerField(help_text="Could not be searched.")
    classes = ClassCountSerializer(many=True)


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    code = serializers.CharField(help_text="Stable, for programs.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Messages by field.",
    )


class StaleCellSerializer(serializers.Serializer[Any]):
    cell = serializers.IntegerField()
    number = serializers.IntegerField()
    version = serializers.IntegerField()
    label = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    label_source = serializers.CharField(allow_blank=True)
    review_state = serializers.CharField()
    corrected_by = serializers.CharField(allow_null=True)
    corrected_at = serializers.DateTimeField(allow_null=True)


class StaleProblemSerializer(ProblemSerializer):
    """A conflict, with the cell as it is now."""

    current = StaleCellSerializer(required=False)
