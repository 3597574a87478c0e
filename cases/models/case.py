"""Patients and their smear cases."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.models.people import Laboratory
from cases.querysets import PatientQuerySet, SmearCaseQuerySet

# Cases that wait for a reader, see `SmearCaseQuerySet.waiting`.
WAITING = models.Q(status__in=("processing", "in_review", "amended"))
# More than any case has cells: what comes before them in the order of the work list.
RANK = 10**10


class Patient(models.Model):
    """A patient under the laboratory's own identifier; name, sex and birth date are optional.

    The name lies in a table of its own, see :class:`PatientName`.
    """

    class Sex(models.TextChoices):
        """Administrative sex, as in FHIR R4's value set."""

        UNKNOWN = "unknown", pgettext_lazy("sex", "unknown")
        FEMALE = "female", pgettext_lazy("sex", "female")
        MALE = "male", pgettext_lazy("sex", "male")
        OTHER = "other", pgettext_lazy("sex", "other")

    laboratory = models.ForeignKey(
        Laboratory,
        on_delete=models.PROTECT,
        related_name="patients",
        verbose_name=_("laboratory"),
    )
    identifier = models.CharField(_("identifier"), max_length=64)
    sex = models.CharField(_("sex"), max_length=10, choices=Sex.choices, default=Sex.UNKNOWN)
    birth_date = models.DateField(_("birth date"), null=True, blank=True)
    language = models.CharField(
        _("language"),
        max_length=5,
        blank=True,
        choices=settings.LANGUAGES,
        help_text=_("The language the patient reads reports in."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = PatientQuerySet.as_manager()

    class Meta:
        verbose_name = _("patient")
        verbose_name_plural = _("patients")
        ordering = ("identifier",)
        constraints = [
            models.UniqueConstraint(
                fields=("laboratory", "identifier"),
                name="patient_identifier_unique_in_laboratory",
                violation_error_message=_(
                    "This laboratory already has a patient with this identifier."
                ),
            )
        ]

    def __str__(self) -> str:
        return self.identifier

    def clean(self) -> None:
        """Check what one field alone cannot tell.

        Raises:
            ValidationError: for a birth date in the future.
        """
        if self.birth_date and self.birth_date > timezone.localdate():
            raise ValidationError({"birth_date": _("The birth date lies in the future.")})

    @property
    def name(self) -> str:
        """The name, or nothing; bring ``name_record`` along where many are shown."""
        record: PatientName | None = getattr(self, "name_record", None)
        return record.name if record else ""


class PatientName(models.Model):
    """The only row of the working tables that holds a patient's name, and only where there is one.

    Apart from all that works with cases, so that names can be taken out, kept in another schema of
    the database or granted to fewer roles: docs/privacy.md.
    """

    patient = models.OneToOneField(
        Patient,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="name_record",
        verbose_name=_("patient"),
    )
    name = models.CharField(_("name"), max_length=200)

    class Meta:
        verbose_name = _("patient's name")
        verbose_name_plural = _("patients' names")

    def __str__(self) -> str:
        return str(self.patient)


class SmearCase(models.Model):
    """One smear of one patient, from upload to signature.

    ``revision`` grows with every step that changes cells of the case; the cells keep the one they
    changed in. ``range_flags``, ``cells_to_review`` and ``flag_waits`` are for the order of the
    work list alone: the first is worked out anew while ``range_flags_due``, the others in the
    transaction that changes cells (:mod:`cases.services.work_order`).
    """

    class Status(models.TextChoices):
        """Where the case stands."""

        OPEN = "open", pgettext_lazy("case", "open")
        PROCESSING = "processing", pgettext_lazy("case", "processing")
        IN_REVIEW = "in_review", pgettext_lazy("case", "in review")
        SIGNED_OFF = "signed_off", pgettext_lazy("case", "signed off")
        AMENDED = "amended", pgettext_lazy("case", "amended")

    class Priority(models.TextChoices):
        """How soon the case is wanted; the codes are those of FHIR R4's request-priority."""

        ROUTINE = "routine", pgettext_lazy("priority", "routine")
        URGENT = "urgent", pgettext_lazy("priority", "urgent")

    # A signed-off case is frozen; an amended one is open to review again.
    FROZEN = (Status.SIGNED_OFF,)

    laboratory = models.ForeignKey(
        Laboratory, on_delete=models.PROTECT, related_name="cases", verbose_name=_("laboratory")
    )
    patient = models.ForeignKey(
        Patient, on_delete=models.PROTECT, related_name="cases", verbose_name=_("patient")
    )
    accession_number = models.CharField(_("accession number"), max_length=64)
    collected_at = models.DateTimeField(_("collected"), null=True, blank=True)
    received_at = models.DateTimeField(_("received"), null=True, blank=True)
    stain = models.CharField(_("stain"), max_length=80, blank=True)
    clinical_note = models.TextField(_("clinical note"), blank=True)
    status = models.CharField(
        _("status"), max_length=20, choices=Status.choices, default=Status.OPEN
    )
    priority = models.CharField(
        _("priority"), max_length=10, choices=Priority.choices, default=Priority.ROUTINE
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="assigned_cases",
        verbose_name=_("assigned to"),
    )
    analyser_wbc = models.DecimalField(
        _("WBC count of the analyser"),
        max_digits=7,
        decimal_places=3,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.001"))],
        help_text=_("In 10^9 per litre."),
    )
    analyser_wbc_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("WBC count entered by"),
    )
    analyser_wbc_at = models.DateTimeField(_("WBC count entered"), null=True, editable=False)
    micrometres_per_pixel = models.DecimalField(
        _("micrometres per pixel"),
        max_digits=6,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(Decimal(5))],
        help_text=_("Of its field images, from 0.01 to 5; measured on the cells when empty."),
    )
    magnification = models.DecimalField(
        _("magnification"),
        max_digits=4,
        decimal_places=1,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(1)), MaxValueValidator(Decimal(250))],
        help_text=_(
            "From slide to camera: of the objective times that of the camera's adapter. "
            "Micrometres per pixel follow from it and from the laboratory's camera."
        ),
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="created_cases",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    last_cell_number = models.PositiveIntegerField(default=0, editable=False)
    last_image_number = models.PositiveIntegerField(default=0, editable=False)
    revision = models.PositiveIntegerField(default=0, editable=False)
    range_flags = models.PositiveSmallIntegerField(
        _("classes outside their range"), default=0, editable=False
    )
    range_flags_due = models.BooleanField(default=True, editable=False)
    # With defaults of the database's: a former version that still serves knows nothing of them.
    cells_to_review = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    flag_waits = models.BooleanField(default=False, db_default=False, editable=False)
    # The database works it out of the columns above. The lowest first: cases with a class outside
    # its range or a flagged cell, urgent ones, those with most cells to review; then the oldest.
    work_order = models.GeneratedField(
        expression=models.Case(
            models.When(
                models.Q(range_flags__gt=0) | models.Q(flag_waits=True), then=models.Value(0)
            ),
            default=models.Value(2 * RANK),
            output_field=models.BigIntegerField(),
        )
        + models.Case(
            models.When(priority="urgent", then=models.Value(0)),
            default=models.Value(RANK),
            output_field=models.BigIntegerField(),
        )
        - models.F("cells_to_review"),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )

    objects = SmearCaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("smear case")
        verbose_name_plural = _("smear cases")
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("laboratory", "accession_number"),
                name="accession_number_unique_in_laboratory",
                violation_error_message=_(
                    "This laboratory already has a case with this accession number."
                ),
            )
        ]
        indexes = [
            models.Index(fields=("laboratory", "-created_at", "-id"), name="case_by_lab_and_time"),
            models.Index(fields=("laboratory", "status"), name="case_by_lab_and_status"),
            models.Index(fields=("assignee", "status"), name="case_by_assignee_and_status"),
            models.Index(
                fields=("laboratory", "status", "-created_at", "-id"),
                name="case_by_lab_status_and_time",
            ),
            models.Index(
                fields=("laboratory", "work_order", "id"), name="case_work_order", condition=WAITING
            ),
            models.Index(
                fields=("laboratory", "assignee", "work_order", "id"),
                name="case_work_order_of_reader",
                condition=WAITING,
            ),
            models.Index(
                fields=("laboratory", "priority", "work_order", "id"),
                name="case_work_order_by_priority",
                condition=WAITING,
            ),
            models.Index(
                fields=("id",),
                name="case_range_flags_due",
                condition=models.Q(range_flags_due=True) & WAITING,
            ),
        ]

    def __str__(self) -> str:
        return self.accession_number

    def clean(self) -> None:
        """Check what one field alone cannot tell.

        Raises:
            ValidationError: for a patient of another laboratory, or a smear received too early.
        """
        problems = {}
        if self.patient_id and self.patient.laboratory_id != self.laboratory_id:
            problems["patient"] = _("Choose a patient of this laboratory.")
        if self.collected_at and self.received_at and self.received_at < self.collected_at:
            problems["received_at"] = _("The smear was received before it was collected.")
        if problems:
            raise ValidationError(problems)

    @property
    def is_frozen(self) -> bool:
        """Whether nothing of the case may change."""
        return self.status in self.FROZEN
