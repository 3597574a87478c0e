"""Patients, cases and the status a case takes from its cells."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from cases.models import Cell, Patient, Role, SmearCase
from cases.services import cases as service
from cases.services.cases import create_case, create_patient, refresh_case_status
from cases.services.errors import Conflict, NotAllowed, ServiceError
from tests.factories import (
    CellFactory,
    LaboratoryFactory,
    PatientFactory,
    SmearCaseFactory,
    member,
)

pytestmark = pytest.mark.django_db


def errors_of(caught: Any) -> set[str]:
    return set(caught.value.extra["errors"])


def test_a_patient_and_a_case_are_made() -> None:
    laboratory = LaboratoryFactory()
    technician = member(laboratory)
    patient = create_patient(
        user=technician, laboratory=laboratory, identifier=" P1 ", name="Jane", sex="female"
    )
    assert (patient.identifier, patient.sex, patient.laboratory) == ("P1", "female", laboratory)
    case = create_case(
        user=technician, laboratory=laboratory, patient=patient, accession_number="A1"
    )
    assert (case.status, case.created_by, case.patient) == ("open", technician, patient)


def test_identifiers_are_unique_in_the_laboratory_only(monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory, other = LaboratoryFactory(), LaboratoryFactory()
    here, there = member(laboratory), member(other)
    for user, place in ((here, laboratory), (there, other)):
        patient = create_patient(user=user, laboratory=place, identifier="P1")
        create_case(user=user, laboratory=place, patient=patient, accession_number="A1")
    mine = Patient.objects.get(laboratory=laboratory)

    def take_again() -> None:
        with pytest.raises(Conflict) as caught:
            create_patient(user=here, laboratory=laboratory, identifier="P1")
        assert (caught.value.code, errors_of(caught)) == ("identifier_taken", {"identifier"})
        with pytest.raises(Conflict) as caught:
            create_case(user=here, laboratory=laboratory, patient=mine, accession_number="A1")
        assert caught.value.code == "accession_number_taken"
        assert errors_of(caught) == {"accession_number"}

    take_again()
    # The other one committed after this one looked: the database's constraint answers the same.
    monkeypatch.setattr(Patient, "validate_constraints", lambda self: None)
    monkeypatch.setattr(SmearCase, "validate_constraints", lambda self: None)
    take_again()


def test_what_cannot_be_made() -> None:
    laboratory, other = LaboratoryFactory(), LaboratoryFactory()
    user = member(laboratory)
    with pytest.raises(NotAllowed):
        create_patient(user=user, laboratory=other, identifier="P1")
    for wrong, field in (
        ({"identifier": "  "}, "identifier"),
        ({"identifier": "x" * 65}, "identifier"),
        ({"sex": "wrong"}, "sex"),
        ({"birth_date": timezone.localdate() + timedelta(days=1)}, "birth_date"),
    ):
        with pytest.raises(ServiceError) as caught:
            create_patient(user=user, laboratory=laboratory, **{"identifier": "P1", **wrong})
        assert errors_of(caught) == {field}
    now = timezone.now()
    patient = PatientFactory(laboratory=laboratory)
    for wrong_case, field in (
        ({"accession_number": ""}, "accession_number"),
        ({"patient": PatientFactory(laboratory=other)}, "patient"),
        ({"collected_at": now, "received_at": now - timedelta(hours=1)}, "received_at"),
    ):
        arguments = {"patient": patient, "accession_number": "A1", **wrong_case}
        with pytest.raises(ServiceError) as caught:
            create_case(user=user, laboratory=laboratory, **arguments)
        assert errors_of(caught) == {field}


@pytest.mark.parametrize(
    ("before", "states", "after"),
    [
        ("open", [], "open"),
        ("processing", [], "open"),
        ("open", ["queued"], "processing"),
        ("in_review", ["done", "processing"], "processing"),
        ("processing", ["done", "failed"], "in_review"),
        ("open", ["failed"], "in_review"),
        ("signed_off", ["queued"], "signed_off"),
        ("amended", ["done"], "amended"),
    ],
)
def test_a_cases_status_follows_its_cells(before: str, states: list[str], after: str) -> None:
    case = SmearCaseFactory(status=before)
    untouched = SmearCaseFactory(status="processing")
    for state in states:
        CellFactory(case=case, state=state)
    refresh_case_status(case_id=case.pk)
    case.refresh_from_db()
    untouched.refresh_from_db()
    assert case.status == after
    assert untouched.status == "processing"


def test_a_missing_case_is_no_error() -> None:
    refresh_case_status(case_id=2**40)
    assert not Cell.objects.exists()
    assert service.case_signed_off().status == 409


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_add_cases_and_a_role_elsewhere_may_not(role: str) -> None:
    laboratory = LaboratoryFactory()
    patient = PatientFactory(laboratory=laboratory)
    arguments = {"laboratory": laboratory, "patient": patient, "accession_number": "A1"}
    with pytest.raises(NotAllowed):
        create_case(user=member(LaboratoryFactory(), role), **arguments)
    assert create_case(user=member(laboratory, role), **arguments).pk
