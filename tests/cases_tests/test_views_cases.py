"""The case list, new cases and uploads, through Django's test client."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from cases.models import Cell, Laboratory, Patient, SmearCase, User
from tests.cases_tests.pages import logged_in, text_of
from tests.factories import (
    LaboratoryFactory,
    SmearCaseFactory,
    member,
    named_cell,
    upload,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    """A browser in which nobody has logged in."""
    return Client()


# --- the case list -------------------------------------------------------------------------------
def test_the_case_list_tells_progress_and_what_needs_review(
    reviewer: User, case: SmearCase
) -> None:
    named_cell(case, "monocyte", confidence=0.4, review_state="needs_review")
    named_cell(case, "neutrophil", state="queued")
    words = text_of(logged_in(reviewer).get("/cases/"))
    assert "1 of 2 cells" in words
    assert "1 cells need review" in words
    assert "Ana Gil" in words


@pytest.mark.parametrize(("query", "found"), [("26-1", True), ("gil", True), ("zzz", False)])
def test_the_case_list_is_searched(
    reviewer: User, case: SmearCase, query: str, found: bool
) -> None:
    words = text_of(logged_in(reviewer).get("/cases/", {"q": query}))
    assert ("HC-77" in words) is found
    assert ("No case matches" in words) is not found


def test_the_case_list_is_filtered_by_status(reviewer: User, case: SmearCase) -> None:
    client = logged_in(reviewer)
    assert "HC-77" not in text_of(client.get("/cases/", {"status": "signed_off"}))
    assert "HC-77" in text_of(client.get("/cases/", {"status": "open"}))
    assert client.get("/cases/", {"status": "nonsense"}).status_code == 200


def test_the_case_list_asks_as_many_queries_for_many_cases_as_for_one(
    reviewer: User, case: SmearCase, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        each = SmearCaseFactory(laboratory=case.laboratory, accession_number=f"27-{number}")
        named_cell(each, "neutrophil")
    client = logged_in(reviewer)
    with django_assert_max_num_queries(8):
        answer = client.get("/cases/", {"page": 1})
    assert "1 to 25 of 31" in text_of(answer)


def test_nothing_of_another_laboratory_is_shown(case: SmearCase) -> None:
    stranger = logged_in(member(LaboratoryFactory(), "administrator"))
    cell = named_cell(case, "monocyte")
    assert "HC-77" not in text_of(stranger.get("/cases/"))
    for name, pk in (
        ("case_detail", case.pk),
        ("case_gallery", case.pk),
        ("case_progress", case.pk),
        ("case_upload", case.pk),
        ("cell_correct", cell.pk),
        ("cell_photo", cell.pk),
        ("image_file", cell.image_id),
    ):
        assert stranger.get(reverse(name, args=[pk])).status_code == 404, name
        assert Client().get(reverse(name, args=[pk])).status_code == 302, name
    suggestions = stranger.get("/patients/suggestions/", {"identifier": "HC"})
    assert b"HC-77" not in suggestions.content


# --- new cases -----------------------------------------------------------------------------------
def new_case(client: Client, laboratory: Laboratory, **fields: str) -> Any:
    values = {
        "laboratory": str(laboratory.pk),
        "patient_mode": "known",
        "identifier": "HC-77",
        "accession_number": "26-2",
    }
    return client.post("/cases/new/", {**values, **fields})


def test_a_case_for_a_known_patient(technician: User, case: SmearCase) -> None:
    client = logged_in(technician)
    assert b"HC-77" in client.get("/patients/suggestions/", {"identifier": "hc-"}).content
    answer = new_case(client, case.laboratory, collected_at="2026-03-01T10:30", stain="Wright")
    made = SmearCase.objects.get(accession_number="26-2")
    assert answer["Location"] == f"/cases/{made.pk}/upload/"
    assert made.patient == case.patient
    assert made.created_by == technician
    assert made.collected_at is not None


def test_a_case_for_a_new_patient(technician: User, laboratory: Laboratory) -> None:
    new_case(
        logged_in(technician),
        laboratory,
        patient_mode="new",
        identifier="HC-90",
        name="Luis",
        sex="male",
        birth_date="1950-02-03",
        language="es",
    )
    patient = SmearCase.objects.get().patient
    assert (patient.identifier, patient.name, patient.sex) == ("HC-90", "Luis", "male")
    assert patient.language == "es"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"identifier": "HC-78"}, "No patient has this identifier."),
        ({"patient_mode": "new"}, "A patient with this identifier exists."),
        ({"accession_number": "26-1"}, "already has a case with this accession number"),
        ({"accession_number": ""}, "This field is required."),
        (
            {"collected_at": "2026-03-02T10:00", "received_at": "2026-03-01T10:00"},
            "received before it was collected",
        ),
        (
            {"patient_mode": "new", "identifier": "HC-9", "birth_date": "2999-01-01"},
            "lies in the future",
        ),
    ],
)
def test_what_is_wrong_with_a_new_case_stands_at_its_field(
    technician: User, case: SmearCase, fields: dict[str, str], sentence: str
) -> None:
    answer = new_case(logged_in(technician), case.laboratory, **fields)
    assert answer.status_code == 200
    assert sentence in text_of(answer)
    assert 'aria-invalid="true"' in answer.content.decode()
    assert SmearCase.objects.count() == 1


def test_a_case_that_is_refused_leaves_no_patient_behind(technician: User, case: SmearCase) -> None:
    new_case(
        logged_in(technician),
        case.laboratory,
        patient_mode="new",
        identifier="HC-91",
        accession_number="26-1",
    )
    assert not Patient.objects.filter(identifier="HC-91").exists()


def test_another_laboratory_cannot_be_chosen(technician: User, case: SmearCase) -> None:
    answer = new_case(logged_in(technician), LaboratoryFactory())
    assert answer.status_code == 200
    assert SmearCase.objects.count() == 1


def test_somebody_without_a_laboratory_opens_no_case(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("alone"))
    assert client.get("/cases/new/").status_code == 403
    assert "not a member of a laboratory" in text_of(client.get("/cases/"))


# --- uploads -------------------------------------------------------------------------------------
def test_every_file_is_answered(technician: User, case: SmearCase) -> None:
    client = logged_in(technician)
    address = reverse("case_upload", args=[case.pk])
    files = [upload("a.png", seed=1), upload("b.png", seed=1), upload("c.jpg", data=b"words")]
    answer = client.post(address, {"files": files}, headers={"Accept": "application/json"})
    results = answer.json()["results"]
    assert [each["outcome"] for each in results] == ["accepted", "duplicate", "rejected"]
    assert all(each["message"] for each in results)
    assert Cell.objects.filter(case=case).count() == 1


def test_uploads_work_without_a_script(technician: User, case: SmearCase) -> None:
    client = logged_in(technician)
    answer = client.post(
        reverse("case_upload", args=[case.pk]), {"files": [upload("a.png"), upload("b.png")]}
    )
    assert "a.png" in text_of(answer)
    assert "Accepted." in text_of(answer)
    assert "already in the case as image 1" in text_of(answer)


def test_an_upload_without_a_file_or_to_a_signed_case_is_refused(
    technician: User, case: SmearCase
) -> None:
    client = logged_in(technician)
    address = reverse("case_upload", args=[case.pk])
    empty = client.post(address, headers={"Accept": "application/json"})
    assert empty.status_code == 400
    assert empty.json()["code"] == "no_files"
    SmearCase.objects.update(status="signed_off")
    signed = client.get(address)
    assert signed.status_code == 409
    assert "signed off" in text_of(signed)
    late = client.post(address, {"files": [upload()]}, headers={"Accept": "application/json"})
    assert late.status_code == 409
