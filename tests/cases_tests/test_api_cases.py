"""The API: patients, cases and images."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from cases.models import CaseImage, Correction, Laboratory, Role, SmearCase
from tests.cases_tests.api_client import API, assert_problem, client_of, send
from tests.factories import (
    CaseImageFactory,
    CorrectionFactory,
    LaboratoryFactory,
    MembershipFactory,
    SmearCaseFactory,
    UserFactory,
    named_cell,
    picture_bytes,
    upload,
)

pytestmark = pytest.mark.django_db


def test_patients_and_cases_are_made(client: APIClient, laboratory: Laboratory) -> None:
    answer = client.post(
        f"{API}/patients/",
        {"identifier": "P1", "sex": "female", "birth_date": "1990-02-03", "language": "es"},
    )
    assert answer.status_code == 201
    patient = answer.data
    assert (patient["laboratory"], patient["birth_date"]) == ("here", "1990-02-03")
    assert patient["language"] == "es"
    unknown = client.post(f"{API}/patients/", {"identifier": "P2", "language": "xx"})
    assert set(assert_problem(unknown, 400, "invalid")["errors"]) == {"language"}
    answer = client.post(
        f"{API}/cases/",
        {"patient": patient["id"], "accession_number": "A1", "collected_at": "2026-01-02T03:04Z"},
    )
    assert answer.status_code == 201
    assert answer.data["status"] == "open"
    assert answer.data["patient_identifier"] == "P1"
    assert set(answer.data["cells"].values()) == {0}
    again = client.post(f"{API}/cases/", {"patient": patient["id"], "accession_number": "A1"})
    body = assert_problem(again, 409, "accession_number_taken")
    assert set(body["errors"]) == {"accession_number"}
    taken = client.post(f"{API}/patients/", {"identifier": "P1"})
    assert_problem(taken, 409, "identifier_taken")
    assert [each["id"] for each in client.get(f"{API}/cases/?search=p1").data["results"]]
    assert not client.get(f"{API}/cases/?search=zzz").data["results"]


def test_who_works_in_two_laboratories_says_which(
    client: APIClient, reviewer: Any, laboratory: Laboratory
) -> None:
    second = MembershipFactory(user=reviewer, role=Role.TECHNICIAN).laboratory
    body = assert_problem(client.post(f"{API}/patients/", {"identifier": "P1"}), 400)
    assert set(body["errors"]) == {"laboratory"}
    for named in (laboratory.slug, str(second.pk)):
        answer = client.post(f"{API}/patients/", {"identifier": "P1", "laboratory": named})
        assert answer.status_code == 201
    stranger = LaboratoryFactory()
    answer = client.post(f"{API}/patients/", {"identifier": "P2", "laboratory": stranger.slug})
    assert_problem(answer, 400)


def test_another_laboratorys_rows_do_not_exist(client: APIClient) -> None:
    theirs = SmearCaseFactory()
    cell = named_cell(theirs, "neutrophil")
    correction = CorrectionFactory(cell=cell)
    for path in (
        f"patients/{theirs.patient_id}/", f"cases/{theirs.pk}/", f"cases/{theirs.pk}/counts/",
        f"cases/{theirs.pk}/images/", f"images/{cell.image_id}/", f"images/{cell.image_id}/file/",
        f"cells/{cell.pk}/", f"cells/{cell.pk}/corrections/", f"corrections/{correction.pk}/",
        f"laboratories/{theirs.laboratory_id}/",
    ):  # fmt: skip
        assert_problem(client.get(f"{API}/{path}"), 404)
    for path in ("patients", "cases", "cells", "corrections"):
        assert client.get(f"{API}/{path}/").data["results"] == []
    answer = client.post(f"{API}/cells/{cell.pk}/corrections/", {"to": "monocyte"})
    assert_problem(answer, 404)
    answer = client.post(
        f"{API}/cases/{theirs.pk}/images/", {"files": [upload()]}, format="multipart"
    )
    assert_problem(answer, 404)
    answer = client.post(f"{API}/cases/", {"patient": theirs.patient_id, "accession_number": "A"})
    assert set(assert_problem(answer, 400)["errors"]) == {"patient"}
    assert Correction.objects.count() == 1


def test_nobody_of_any_laboratory_sees_and_makes_nothing() -> None:
    client = client_of(UserFactory())
    assert client.get(f"{API}/cases/").data["results"] == []
    assert client.get(f"{API}/me/").data["laboratories"] == []
    assert_problem(client.post(f"{API}/patients/", {"identifier": "P1"}), 403, "not_allowed")


def test_images_are_answered_one_by_one(client: APIClient, case: SmearCase) -> None:
    answer = send(
        client, case, upload("a.png", seed=1), upload("b.jpg", b"text"), upload("c.png", seed=1)
    )
    assert answer.status_code == 201
    assert [answer.data[each] for each in ("accepted", "duplicates", "rejected")] == [1, 1, 1]
    first, second, third = answer.data["files"]
    assert (first["name"], first["outcome"], first["image"]["number"]) == ("a.png", "accepted", 1)
    assert (second["outcome"], second["code"], second["image"]) == (
        "rejected", "not_an_image", None,
    )  # fmt: skip
    assert (third["outcome"], third["duplicate_of"]) == ("duplicate", 1)
    assert send(client, case, upload("a.png", seed=1)).status_code == 200
    body = assert_problem(send(client, case, upload("b.jpg", b"text")), 422, "no_file_accepted")
    assert body["files"][0]["code"] == "not_an_image"

    (listed,) = client.get(f"{API}/cases/{case.pk}/images/").data["results"]
    assert listed["name"] == f"image-{case.pk}-1.png"
    picture = client.get(listed["url"])
    assert picture["Content-Type"] == "image/png"
    assert picture["X-Content-Type-Options"] == "nosniff"
    assert "private" in picture["Cache-Control"]
    assert b"".join(picture.streaming_content).startswith(b"\x89PNG")


def test_refusals_of_a_zip_and_messages_are_translated(client: APIClient, case: SmearCase) -> None:
    answer = send(client, case, upload("a.zip", b"PK\x03\x04broken"), HTTP_ACCEPT_LANGUAGE="es")
    assert_problem(answer, 422)
    assert answer["Content-Language"] == "es"


def test_uploads_without_files_or_of_unknown_kind_are_refused(
    client: APIClient, case: SmearCase
) -> None:
    path = f"{API}/cases/{case.pk}/images/"
    for body in ({}, {"files": "text"}, {"kind": "field"}):
        answer = client.post(path, body, format="multipart")
        assert set(assert_problem(answer, 400)["errors"]) == {"files"}
    answer = client.post(path, {"files": [upload()], "kind": "movie"}, format="multipart")
    assert set(assert_problem(answer, 400)["errors"]) == {"kind"}
    answer = client.post(path, {"files": [upload()], "kind": "field"}, format="multipart")
    assert answer.data["files"][0]["image"]["kind"] == "field"


@pytest.mark.parametrize("name", ["x" * 400 + ".png", "細胞.png", "..", "a/b.png", '"\\.png', ""])
def test_strange_file_names_are_taken(client: APIClient, case: SmearCase, name: str) -> None:
    file = SimpleUploadedFile("a.png", picture_bytes())
    file._name = name  # type: ignore[attr-defined]
    answer = send(client, case, file)
    assert answer.status_code in (201, 400)
    for image in CaseImage.objects.all():
        assert len(image.original_name) <= 255


def test_a_signed_off_case_is_a_conflict(client: APIClient, case: SmearCase) -> None:
    cell = named_cell(case, "neutrophil")
    SmearCase.objects.filter(pk=case.pk).update(status="signed_off")
    assert_problem(send(client, case, upload()), 409, "case_signed_off")
    answer = client.post(f"{API}/cells/{cell.pk}/corrections/", {"to": "monocyte"})
    assert_problem(answer, 409, "case_signed_off")


def test_a_file_lost_from_the_storage_is_told(client: APIClient, case: SmearCase) -> None:
    image = CaseImageFactory(case=case)
    image.file.storage.delete(image.file.name)
    assert_problem(client.get(f"{API}/images/{image.pk}/file/"), 404, "file_missing")
