"""The pages of the laboratory's side, through Django's test client."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from cases.models import Cell, Laboratory, Patient, SmearCase, User
from cases.services.counts import case_counts
from cases.views.gallery import CELLS_PER_PAGE
from tests.factories import (
    PASSWORD,
    CaseImageFactory,
    CellFactory,
    LaboratoryFactory,
    PatientFactory,
    SmearCaseFactory,
    member,
    named_cell,
    upload,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client() -> Client:
    """A browser in which nobody has logged in."""
    return Client()


@pytest.fixture
def laboratory(db: None) -> Laboratory:
    return LaboratoryFactory(name="Hospital San Marcos")


@pytest.fixture
def reviewer(laboratory: Laboratory) -> User:
    return member(laboratory, "reviewer", username="rafael")


@pytest.fixture
def technician(laboratory: Laboratory) -> User:
    return member(laboratory, "technician", username="teresa")


@pytest.fixture
def case(laboratory: Laboratory) -> SmearCase:
    patient = PatientFactory(laboratory=laboratory, identifier="HC-77", name="Ana Gil")
    return SmearCaseFactory(laboratory=laboratory, patient=patient, accession_number="26-1")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


# --- log-in and language ------------------------------------------------------------------------
def test_the_log_in_page_leads_on_to_where_one_wanted_to_go(client: Client, reviewer: User) -> None:
    wanted = client.get("/cases/new/")
    assert wanted.status_code == 302
    assert wanted["Location"] == "/login/?next=/cases/new/"
    wrong = client.post(wanted["Location"], {"username": "rafael", "password": "no"})
    assert wrong.status_code == 200
    assert "correct username and password" in text_of(wrong)
    right = client.post(
        "/login/", {"username": "rafael", "password": PASSWORD, "next": "/cases/new/"}
    )
    assert right["Location"] == "/cases/new/"


def test_log_out_needs_a_post(reviewer: User) -> None:
    client = logged_in(reviewer)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/cases/")["Location"].startswith("/login/")


def test_the_language_is_kept_with_the_user_for_the_next_log_in(reviewer: User) -> None:
    client = logged_in(reviewer)
    client.post("/language/", {"language": "es", "next": "/cases/"})
    assert "Aún no hay casos" in text_of(client.get("/cases/"))
    reviewer.refresh_from_db()
    assert reviewer.language == "es"
    elsewhere = Client()
    answer = elsewhere.post("/login/", {"username": "rafael", "password": PASSWORD}, follow=True)
    assert "Aún no hay casos" in text_of(answer)


def test_an_unknown_language_changes_nothing(reviewer: User) -> None:
    client = logged_in(reviewer)
    client.post("/language/", {"language": "xx", "next": "/cases/"})
    reviewer.refresh_from_db()
    assert reviewer.language == ""
    assert client.get("/language/").status_code == 405


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
    )
    patient = SmearCase.objects.get().patient
    assert (patient.identifier, patient.name, patient.sex) == ("HC-90", "Luis", "male")


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


# --- the case page -------------------------------------------------------------------------------
def test_the_case_page_shows_the_differential(reviewer: User, case: SmearCase) -> None:
    for code, count in (("neutrophil", 6), ("lymphocyte", 3), ("erythroblast", 1)):
        for _ in range(count):
            named_cell(case, code)
    named_cell(case, "blast", label_source="reviewer")
    answer = logged_in(reviewer).get(reverse("case_detail", args=[case.pk]))
    words = text_of(answer)
    assert "66.7" in words  # neutrophils of nine leukocytes
    assert "limited: 9 of 100 leukocytes" in words
    assert "11.1 /100 WBC" in words
    chart = re.search(r'id="donut-data"[^>]*>(.*?)</script>', answer.content.decode(), re.S)
    assert chart is not None
    assert {each["label"]: each["count"] for each in json.loads(chart[1])} == {
        "Neutrophil": 6,
        "Lymphocyte": 3,
        "Erythroblast": 1,
        "Blast": 1,
    }


def test_the_gallery_begins_with_the_least_certain_and_is_filtered(
    reviewer: User, case: SmearCase
) -> None:
    sure = named_cell(case, "monocyte", confidence=0.99)
    unsure = named_cell(case, "neutrophil", confidence=0.5, review_state="needs_review")
    waiting = CellFactory(case=case)
    client = logged_in(reviewer)
    address = reverse("case_gallery", args=[case.pk])

    def shown(**query: str) -> list[int]:
        page = client.get(address, query, headers=HTMX).content.decode()
        return [int(each) for each in re.findall(r'id="cell-(\d+)"', page)]

    assert shown() == [unsure.pk, sure.pk, waiting.pk]
    assert shown(review="1") == [unsure.pk]
    assert shown(**{"class": "monocyte"}) == [sure.pk]
    assert shown(**{"class": "unnamed"}) == [waiting.pk]
    assert shown(**{"class": "monocyte", "review": "1"}) == []
    assert shown(**{"class": "no-such-class"}) == []
    pushed = client.get(address, {"class": "monocyte"}, headers=HTMX)["HX-Push-Url"]
    assert pushed == f"/cases/{case.pk}/?class=monocyte"


def test_the_case_page_costs_the_same_however_many_cells_there_are(
    reviewer: User, case: SmearCase, django_assert_max_num_queries: Any
) -> None:
    image = CaseImageFactory(case=case)
    first = named_cell(case, "neutrophil", image=image)
    Cell.objects.bulk_create(
        Cell(
            case=case,
            image=image,
            number=first.number + number,
            left=0,
            top=0,
            width=24,
            height=24,
            label=first.label,
            label_source="model",
            state="done",
            confidence=number / 200,
        )
        for number in range(1, 200)
    )
    client = logged_in(reviewer)
    with django_assert_max_num_queries(8):
        answer = client.get(reverse("case_detail", args=[case.pk]))
    assert answer.content.count(b'class="cell-card') == CELLS_PER_PAGE
    assert "1 to 60 of 200" in text_of(answer)


def test_progress_polls_only_while_there_is_something_to_wait_for(
    reviewer: User, case: SmearCase
) -> None:
    cell = CellFactory(case=case)
    client = logged_in(reviewer)
    address = reverse("case_progress", args=[case.pk])
    waiting = client.get(address, {"seen": "0"}, headers=HTMX)
    assert "every 2s" in waiting.content.decode()
    assert "HX-Trigger" not in waiting
    Cell.objects.filter(pk=cell.pk).update(state="done")
    done = client.get(address, {"seen": "0"}, headers=HTMX)
    assert "every 2s" not in done.content.decode()
    assert "cellsChanged" in done["HX-Trigger"]
    assert done.content.decode().count("hx-swap-oob") >= 2


# --- corrections ---------------------------------------------------------------------------------
def correct(client: Client, cell: Cell, to_class: str, version: int = 0, **headers: str) -> Any:
    return client.post(
        reverse("cell_correct", args=[cell.pk]),
        {"to_class": to_class, "expected_version": version},
        headers={**HTMX, **headers},
    )


def test_a_correction_brings_the_new_counts_with_it(reviewer: User, case: SmearCase) -> None:
    cell = named_cell(case, "monocyte")
    client = logged_in(reviewer)
    dialog = client.get(reverse("cell_correct", args=[cell.pk]), headers=HTMX)
    assert dialog.content.decode().count('name="to_class"') == 13
    address = f"http://testserver/cases/{case.pk}/?class=monocyte"
    answer = correct(client, cell, "blast", **{"HX-Current-URL": address})
    content = answer.content.decode()
    assert f'id="cell-{cell.pk}"' in content
    assert re.search(r'id="case-counts"[^>]*hx-swap-oob', content)
    assert "?class=monocyte" in content  # the card still leads on within the filter
    assert "cellCorrected" in answer["HX-Trigger"]
    counts = {each.code: each.count for each in case_counts(case=case).classes}
    assert (counts["monocyte"], counts["blast"]) == (0, 1)


def test_who_comes_late_sees_the_present_state(reviewer: User, case: SmearCase) -> None:
    cell = named_cell(case, "monocyte")
    client = logged_in(reviewer)
    correct(client, cell, "smudge")
    late = correct(client, cell, "lymphocyte")
    assert late.status_code == 409
    words = text_of(late)
    assert "Somebody was faster" in words
    assert "Smudge cell" in words
    assert "by rafael" in words
    assert 'name="expected_version" value="1"' in re.sub(r"\s+", " ", late.content.decode())
    cell.refresh_from_db()
    assert str(cell.label) == "Smudge cell"


@pytest.mark.parametrize(("to_class", "status"), [("", 400), ("no-such-class", 400)])
def test_an_unusable_correction_is_told(
    reviewer: User, case: SmearCase, to_class: str, status: int
) -> None:
    answer = correct(logged_in(reviewer), named_cell(case, "monocyte"), to_class)
    assert answer.status_code == status
    assert 'role="alert"' in answer.content.decode()


def test_a_technician_does_not_correct(technician: User, case: SmearCase) -> None:
    cell = named_cell(case, "monocyte")
    client = logged_in(technician)
    assert correct(client, cell, "blast").status_code == 403
    assert client.get(reverse("cell_correct", args=[cell.pk])).status_code == 403
    page = client.get(reverse("case_detail", args=[case.pk])).content.decode()
    assert "data-reclassify" not in page


def test_a_partial_sends_somebody_logged_out_to_the_log_in_page(case: SmearCase) -> None:
    answer = Client().get(
        reverse("case_progress", args=[case.pk]),
        headers={**HTMX, "HX-Current-URL": f"http://testserver/cases/{case.pk}/"},
    )
    assert answer["HX-Redirect"] == f"/login/?next=/cases/{case.pk}/"


# --- how pages are made --------------------------------------------------------------------------
def test_pages_hold_no_inline_script_style_or_handler(reviewer: User, case: SmearCase) -> None:
    cell = named_cell(case, "monocyte")
    client = logged_in(reviewer)
    for address in (
        "/login/",
        "/cases/",
        "/cases/new/",
        f"/cases/{case.pk}/",
        f"/cases/{case.pk}/upload/",
        f"/cells/{cell.pk}/",
        f"/cells/{cell.pk}/correct/",
        "/models/",
    ):
        content = (Client() if address == "/login/" else client).get(address).content.decode()
        assert not re.search(r"<[^>]+\s(style|on\w+)=", content), address
        scripts = re.findall(r"<script([^>]*)>", content)
        assert all("src=" in each or "application/json" in each for each in scripts), address


@pytest.mark.parametrize(
    ("language", "sentence"), [("en", "There is no such page"), ("es", "Esta página no existe")]
)
def test_error_pages_speak_the_readers_language(
    reviewer: User, language: str, sentence: str
) -> None:
    client = logged_in(reviewer)
    answer = client.get("/cases/999999/", headers={"Accept-Language": language})
    assert answer.status_code == 404
    assert sentence in text_of(answer)


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
@pytest.mark.parametrize(
    ("language", "sentence"), [("en", "To the case list"), ("es", "Ir a la lista de casos")]
)
def test_error_pages_need_nothing_but_a_language(name: str, language: str, sentence: str) -> None:
    with translation.override(language):
        page = render_to_string(name)
    assert sentence in page
    assert f'<html lang="{language}">' in page


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "This form is no longer valid"), ("es", "Este formulario ya no es válido")],
)
def test_a_form_without_its_token_is_explained(language: str, sentence: str) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/login/", headers={"Accept-Language": language})
    assert answer.status_code == 403
    assert sentence in text_of(answer)


def test_an_error_on_the_server_is_told_without_details(
    reviewer: User, case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("the secret detail")

    monkeypatch.setattr("cases.views.case_detail.case_counts", broken)
    client = logged_in(reviewer)
    client.raise_request_exception = False
    answer = client.get(f"/cases/{case.pk}/", headers={"Accept-Language": "es"})
    assert answer.status_code == 500
    assert "Algo ha fallado en el servidor" in text_of(answer)
    assert "secret" not in text_of(answer)


@pytest.mark.slow
def test_static_files_stand_the_manifest_storage(settings: Any, tmp_path: Any) -> None:
    """A dangling source map or address in a vendored file would stop collectstatic."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    named = json.loads(tmp_path.joinpath("staticfiles.json").read_text())["paths"]
    assert {"vendor/tabler/tabler.min.css", "js/case.js", "icons/sprite.svg"} <= named.keys()
