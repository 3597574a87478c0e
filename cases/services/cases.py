"""Patients, smear cases and the status a case takes from its cells."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Case as Choose
from django.db.models import Exists, OuterRef, Value, When
from django.utils.translation import gettext_lazy as _

from cases.models import CaseImage, Cell, LaboratorySettings, Patient, PatientName, SmearCase
from cases.policies import Action, require
from cases.services.errors import Conflict, ServiceError

if TYPE_CHECKING:
    from datetime import date, datetime

    from cases.models import Laboratory, User

Status = SmearCase.Status
# Micrometres per pixel of a field, as the model's validators have them.
SCALE_MIN, SCALE_MAX = Decimal("0.01"), Decimal(5)


def case_signed_off() -> Conflict:
    """The refusal of every change to a signed-off case."""
    return Conflict(
        "case_signed_off", _("This case is signed off and cannot change; amend it first.")
    )


def create_patient(
    *,
    user: User,
    laboratory: Laboratory,
    identifier: str,
    name: str = "",
    sex: str = Patient.Sex.UNKNOWN,
    birth_date: date | None = None,
    language: str = "",
) -> Patient:
    """Register a patient.

    Raises:
        NotAllowed: when the user may not add patients to the laboratory.
        Conflict: ``identifier_taken``.
        ServiceError: ``invalid`` with ``extra["errors"]``, messages by field.
    """
    require(user, Action.UPLOAD, laboratory.pk)
    patient = Patient(
        laboratory=laboratory,
        identifier=identifier.strip(),
        sex=sex,
        birth_date=birth_date,
        language=language,
    )
    with transaction.atomic():
        _insert(patient, unique="identifier", code="identifier_taken")
        name_patient(patient=patient, name=name)
    return patient


def name_patient(*, patient: Patient, name: str) -> None:
    """Write a patient's name beside the record, or take it away when it is empty.

    Raises:
        ServiceError: ``invalid`` with ``extra["errors"]``, messages by field.
    """
    name = name.strip()
    if not name:
        PatientName.objects.filter(patient=patient).delete()
        patient._state.fields_cache.pop("name_record", None)
        return
    record = PatientName(patient=patient, name=name)  # and the patient knows it by that
    try:
        record.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise ServiceError(
            "invalid",
            _("Some fields cannot be accepted."),
            extra={"errors": error.message_dict},
        ) from error
    PatientName.objects.update_or_create(patient_id=patient.pk, defaults={"name": name})


def create_case(
    *,
    user: User,
    laboratory: Laboratory,
    patient: Patient,
    accession_number: str,
    collected_at: datetime | None = None,
    received_at: datetime | None = None,
    stain: str = "",
    clinical_note: str = "",
    micrometres_per_pixel: Decimal | None = None,
    magnification: Decimal | None = None,
) -> SmearCase:
    """Open a case for a patient of the same laboratory.

    The scale of its fields is given as micrometres per pixel, or follows from the magnification
    with the camera the laboratory has now (:func:`pixel_scale`), or is left to be measured.

    Raises:
        NotAllowed: when the user may not add cases to the laboratory.
        Conflict: ``accession_number_taken``.
        ServiceError: ``invalid`` with ``extra["errors"]``, messages by field.
    """
    require(user, Action.UPLOAD, laboratory.pk)
    if magnification is not None:
        micrometres_per_pixel = pixel_scale(
            laboratory_id=laboratory.pk,
            magnification=magnification,
            micrometres_per_pixel=micrometres_per_pixel,
        )
    case = SmearCase(
        laboratory=laboratory,
        patient=patient,
        accession_number=accession_number.strip(),
        collected_at=collected_at,
        received_at=received_at,
        stain=stain.strip(),
        clinical_note=clinical_note.strip(),
        micrometres_per_pixel=micrometres_per_pixel,
        magnification=magnification,
        created_by=user,
    )
    return _insert(case, unique="accession_number", code="accession_number_taken")


def pixel_scale(
    *, laboratory_id: int, magnification: Decimal, micrometres_per_pixel: Decimal | None = None
) -> Decimal:
    """Micrometres of the slide on one pixel: the camera's pixel divided by the magnification.

    The magnification is the one between slide and camera; an eyepiece plays no part in it.

    Raises:
        ServiceError: ``invalid``, at ``magnification``: when the scale is given as well, the
            laboratory's camera is not known, or what follows cannot be a microscope's scale.
    """
    camera = (
        LaboratorySettings.objects.filter(laboratory_id=laboratory_id)
        .values_list("camera_pixel_size", flat=True)
        .first()
    )
    problem: Any = None
    scale = Decimal(0)
    if micrometres_per_pixel is not None:
        problem = _("Give either micrometres per pixel or the magnification, not both.")
    elif camera is None:
        problem = _(
            "How large the pixels of the laboratory's camera are is not known. Give micrometres "
            "per pixel, or have an administrator enter the camera in the laboratory's rules."
        )
    elif magnification > 0:
        scale = (camera / magnification).quantize(Decimal("0.0001"))
    if problem is None and not SCALE_MIN <= scale <= SCALE_MAX:
        problem = _("With the laboratory's camera this gives no scale that a field can have.")
    if problem is not None:
        raise ServiceError(
            "invalid",
            _("Some fields cannot be accepted."),
            extra={"errors": {"magnification": [problem]}},
        )
    return scale


def _insert(row: Any, *, unique: str, code: str) -> Any:
    """Validate and insert, and answer a taken identifier the same with and without a race."""
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise ServiceError(
            "invalid",
            _("Some fields cannot be accepted."),
            extra={"errors": error.message_dict},
        ) from error
    try:
        row.validate_constraints()
        with transaction.atomic():
            row.save(force_insert=True)
    except (ValidationError, IntegrityError) as error:
        message = _taken_message(row)
        raise Conflict(code, message, extra={"errors": {unique: [message]}}) from error
    return row


def _taken_message(row: Any) -> Any:
    """The sentence of the row's only unique constraint."""
    (constraint,) = (
        each for each in row._meta.constraints if isinstance(each, models.UniqueConstraint)
    )
    return constraint.violation_error_message


def refresh_case_status(*, case_id: int) -> None:
    """Bring a case's status, and its place in the work list, in line with its cells.

    ``processing`` while a cell waits for the model or a field is searched for cells, ``in_review``
    once none does, ``open`` without cells. A signed-off case stays signed off and an amended one
    amended until somebody signs. Call it after cells changed state, outside or at the end of the
    transaction that changed them.
    """
    pending = Cell.objects.filter(case_id=OuterRef("pk")).counted().pending()
    searching = CaseImage.objects.filter(case_id=OuterRef("pk")).unsearched().pending()
    all_cells = Cell.objects.filter(case_id=OuterRef("pk"))
    searched = CaseImage.objects.filter(case_id=OuterRef("pk")).searched()
    with transaction.atomic():
        # The lock makes the next statement see every upload that was committed before it; SQLite
        # needs none, its transactions are IMMEDIATE.
        SmearCase.objects.select_for_update().filter(pk=case_id).values_list("pk").first()
        cases = SmearCase.objects.filter(pk=case_id).not_frozen()
        cases.update(
            status=Choose(
                When(status=Status.AMENDED, then=Value(Status.AMENDED)),
                When(Exists(pending) | Exists(searching), then=Value(Status.PROCESSING)),
                When(Exists(all_cells) | Exists(searched), then=Value(Status.IN_REVIEW)),
                default=Value(Status.OPEN),
            ),
            **cases.counted_anew(),
        )
