"""The API of the laboratory's side, through HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from knox.models import AuthToken
from rest_framework.test import APIClient

from cases.models import CaseImage, Correction, Laboratory, Patient, Role, SmearCase
from tests.factories import (
    PASSWORD,
    CaseImageFactory,
    CellFactory,
    CorrectionFactory,
    LaboratoryFactory,
    MembershipFactory,
    PatientFactory,
    SmearCaseFactory,
    UserFactory,
    member,
    named_cell,
    picture_bytes,
    upload,
)

pytestmark = pytest.mark.django_db
API = "/api/v1"
JSON = "application/json"


def client_of(user: Any) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def laboratory() -> Laboratory:
    return LaboratoryFactory(slug="here")


@pytest.fixture
def reviewer(laboratory: Laboratory) -> Any:
    return member(laboratory, Role.REVIEWER, username="rita")


@pytest.fixture
def client(reviewer: Any) -> APIClient:
    return client_of(reviewer)


@pytest.fixture
def case(laboratory: Laboratory) -> SmearCase:
    return SmearCaseFactory(laboratory=laboratory)


def assert_problem(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.content)
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["instance"].startswith(API)
    assert body["type"] == f"urn:pbcsite:problem:{body['code']}"
    if code:
        assert body["code"] == code
    return body


# --- log-in -------------------------------------------------------------------------------------
def test_a_token_opens_the_api_and_is_hashed_at_rest(reviewer: Any) -> None:
    client = APIClient()
    response = client.post(f"{API}/auth/token/", {"username": "rita", "password": PASSWORD})
    assert response.status_code == 200
    assert set(response.data) == {"token", "expiry"}
    token = response.data["token"]
    kept = AuthToken.objects.get()
    assert token not in (kept.digest, kept.token_key)
    assert len(kept.digest) == 128
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    me = client.get(f"{API}/me/")
    assert me.data["username"] == "rita"
    (mine,) = me.data["laboratories"]
    assert mine["role"] == "reviewer"
    assert client.post(f"{API}/auth/logout/").status_code == 204
    answer = client.get(f"{API}/me/")
    assert_problem(answer, 401, "authentication_failed")
    assert answer["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        ({"username": "rita", "password": "wrong"}, 401),
        ({"username": "nobody", "password": PASSWORD}, 401),
        ({"username": "closed", "password": PASSWORD}, 401),
        ({"username": "rita"}, 400),
        ({"username": "ri\x00ta", "password": "x"}, 400),
        ({"username": ["rita"], "password": {"a": 1}}, 400),
        ([], 400),
        ("text", 400),
    ],
)
def test_wrong_credentials_do_not_tell_what_is_wrong(
    reviewer: Any, credentials: Any, status: int
) -> None:
    UserFactory(username="closed", is_active=False)
    body = assert_problem(APIClient().post(f"{API}/auth/token/", credentials), status)
    if status == 401:
        assert body["detail"] == "The username or the password is not right."
    assert not AuthToken.objects.exists()


@pytest.mark.parametrize("header", ["Token", "Token a b", "Token nope", "Token \xff\xfe"])
def test_strange_tokens_are_refused(header: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    assert_problem(client.get(f"{API}/cases/"), 401)


def test_log_ins_are_throttled_by_the_real_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from rest_framework.throttling import ScopedRateThrottle

    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"token": "3/min"})
    client = APIClient()
    wrong = {"username": "rita", "password": "wrong"}
    for number in range(3):
        answer = client.post(f"{API}/auth/token/", wrong, HTTP_X_FORWARDED_FOR=f"10.0.0.{number}")
        assert_problem(answer, 401)
    answer = client.post(f"{API}/auth/token/", wrong, HTTP_X_FORWARDED_FOR="10.0.0.9")
    assert_problem(answer, 429, "throttled")
    assert 0 < int(answer["Retry-After"]) <= 60


def test_a_session_needs_its_csrf_token(reviewer: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(reviewer)
    assert strict.get(f"{API}/cases/").status_code == 200
    answer = strict.post(f"{API}/patients/", {"identifier": "P1"}, content_type=JSON)
    assert_problem(answer, 403)
    assert not Patient.objects.exists()


# --- problems -----------------------------------------------------------------------------------
def test_every_refusal_is_a_problem(client: APIClient, case: SmearCase) -> None:
    assert_problem(APIClient().get(f"{API}/cases/"), 401, "not_authenticated")
    assert_problem(client.get(f"{API}/nothing/here"), 404, "not_found")
    assert_problem(client.post(f"{API}/nothing/here", {}), 404)
    assert_problem(client.get(f"{API}/cases/0/"), 404, "not_found")
    answer = client.delete(f"{API}/cases/{case.pk}/")
    assert_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer["Allow"]
    broken = client.post(f"{API}/patients/", "{broken", content_type=JSON)
    assert_problem(broken, 400, "parse_error")
    answer = client.post(f"{API}/patients/", "<a/>", content_type="application/xml")
    assert_problem(answer, 415, "unsupported_media_type")
    answer = client.post(f"{API}/cases/{case.pk}/images/", {"files": []}, format="json")
    assert_problem(answer, 415)
    body = assert_problem(client.post(f"{API}/patients/", {}), 400, "invalid")
    assert set(body["errors"]) == {"identifier"}


def test_problems_can_be_read_whatever_the_client_accepts(client: APIClient) -> None:
    for accept in ("application/problem+json", "image/png", "text/html", "nonsense"):
        assert_problem(client.get(f"{API}/cases/0/", HTTP_ACCEPT=accept), 404)


def test_problems_speak_the_readers_language(client: APIClient) -> None:
    answer = client.get(f"{API}/cases/0/", HTTP_ACCEPT_LANGUAGE="es")
    assert answer["Content-Language"] == "es"
    assert_problem(answer, 404)
    classes = client.get(f"{API}/cell-classes/", HTTP_ACCEPT_LANGUAGE="es").data["results"]
    assert "Neutrófilo" in [each["name"] for each in classes]


def test_an_unforeseen_error_is_a_problem_and_reported(
    reviewer: Any, case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cases.api import case_views

    def fail(**arguments: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(case_views, "case_counts", fail)
    with pytest.raises(RuntimeError):  # Django's test client is told by the signal
        client_of(reviewer).get(f"{API}/cases/{case.pk}/counts/")
    client = APIClient(raise_request_exception=False)
    client.force_login(reviewer)
    body = assert_problem(client.get(f"{API}/cases/{case.pk}/counts/"), 500, "internal_error")
    assert "secret" not in json.dumps(body)


def test_too_many_files_and_too_large_bodies_are_problems(
    client: APIClient, case: SmearCase, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    files = [upload(f"{seed}.png", seed=seed) for seed in range(3)]
    answer = client.post(f"{API}/cases/{case.pk}/images/", {"files": files}, format="multipart")
    assert_problem(answer, 413, "too_many_files")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = client.post(f"{API}/patients/", {"identifier": "x" * 200})
    assert_problem(answer, 413, "request_too_large")


HUGE = "9" * 5000


@pytest.mark.parametrize("value", ["-1", "0", "99999999999999999999", HUGE, "abc", "%00", "٣"])
def test_strange_keys_are_never_an_error(client: APIClient, value: str) -> None:
    for path in (
        "cases/{}/", "cases/{}/images/", "cases/{}/counts/", "cells/{}/", "images/{}/file/",
        "cells/{}/corrections/", "patients/{}/", "corrections/{}/", "laboratories/{}/",
        "cell-classes/{}/",
    ):  # fmt: skip
        assert_problem(client.get(f"{API}/{path.format(value)}"), 404)


@pytest.mark.parametrize(
    "query",
    [
        "case={}", "cell={}", "patient={}", "label={}", "state={}", "confidence_min={}",
        "confidence_max={}", "cursor={}", "ordering={}", "page_size={}", "search={}",
        "needs_review={}", "status={}", "accession_number={}", "identifier={}", "laboratory={}",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "value", ["", "-1", HUGE, "1e999", "NaN", "Infinity", "%00", "a%00b", "%FF", "\u0663", "x"]
)
def test_strange_filters_are_never_an_error(client: APIClient, query: str, value: str) -> None:
    for path in ("cases", "cells", "patients", "corrections"):
        answer = client.get(f"{API}/{path}/?{query.format(value)}")
        assert answer.status_code in (200, 400, 404), (path, query, value)


@pytest.mark.parametrize(
    "value",
    [None, "", "\x00", "\ud800", 10**400, -1, 1.5, True, [], {}, "x" * 100_000, "9" * 5000],
)
def test_strange_bodies_are_never_an_error(client: APIClient, case: SmearCase, value: Any) -> None:
    cell = named_cell(case, "neutrophil")
    fields = {
        f"{API}/patients/": ("identifier", "name", "sex", "birth_date", "laboratory"),
        f"{API}/cases/": (
            "patient", "accession_number", "collected_at", "received_at", "clinical_note",
        ),
        f"{API}/cells/{cell.pk}/corrections/": ("to", "comment", "version"),
    }  # fmt: skip
    sound: dict[str, Any] = {
        "identifier": "P9", "patient": case.patient_id, "accession_number": "A9", "to": "monocyte",
    }  # fmt: skip
    for path, names in fields.items():
        for name in names:
            answer = client.post(path, json.dumps({**sound, name: value}), content_type=JSON)
            assert answer.status_code in (201, 400, 409), (path, name, answer.content)


def test_infinite_numbers_are_never_an_error(client: APIClient) -> None:
    for body in ('{"patient": 1e999, "accession_number": "A"}', '{"patient": NaN}', "[1]", "null"):
        assert_problem(client.post(f"{API}/cases/", body, content_type=JSON), 400)


# --- patients and cases -------------------------------------------------------------------------
def test_patients_and_cases_are_made(client: APIClient, laboratory: Laboratory) -> None:
    answer = client.post(
        f"{API}/patients/", {"identifier": "P1", "sex": "female", "birth_date": "1990-02-03"}
    )
    assert answer.status_code == 201
    patient = answer.data
    assert (patient["laboratory"], patient["birth_date"]) == ("here", "1990-02-03")
    answer = client.post(
        f"{API}/cases/",
        {"patient": patient["id"], "accession_number": "A1", "collected_at": "2026-01-02T03:04Z"},
    )
    assert answer.status_code == 201
    assert answer.data["status"] == "open"
    assert answer.data["patient_identifier"] == "P1"
    assert answer.data["cells"] == {"total": 0, "pending": 0, "failed": 0, "needs_review": 0}
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
    assert_problem(client.post(f"{API}/patients/", {"identifier": "P1"}), 400)


# --- images -------------------------------------------------------------------------------------
def send(client: APIClient, case: SmearCase, *files: Any, **options: Any) -> Any:
    return client.post(
        f"{API}/cases/{case.pk}/images/", {"files": list(files)}, format="multipart", **options
    )


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
    assert listed["name"] == "a.png"
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


# --- cells, corrections, counts -----------------------------------------------------------------
def test_cells_are_filtered(client: APIClient, case: SmearCase) -> None:
    sure = named_cell(case, "neutrophil", confidence=0.99)
    unsure = named_cell(case, "monocyte", confidence=0.4, review_state="needs_review")
    waiting = CellFactory(case=case)
    elsewhere = named_cell(SmearCaseFactory(laboratory=case.laboratory), "neutrophil")

    def found(query: str) -> set[int]:
        answer = client.get(f"{API}/cells/?{query}")
        assert answer.status_code == 200, answer.content
        return {each["id"] for each in answer.data["results"]}

    assert found("") == {sure.pk, unsure.pk, waiting.pk, elsewhere.pk}
    assert found(f"case={case.pk}") == {sure.pk, unsure.pk, waiting.pk}
    assert found(f"case={case.pk}&label=neutrophil") == {sure.pk}
    assert found("label=none") == {waiting.pk}
    assert found("source=model") == {sure.pk, unsure.pk, elsewhere.pk}
    assert found("source=reviewer") == set()
    assert found("needs_review=true") == {unsure.pk}
    assert found("needs_review=false") == {sure.pk, waiting.pk, elsewhere.pk}
    assert found("state=queued") == {waiting.pk}
    assert found("confidence_min=0.4&confidence_max=0.9") == {unsure.pk, elsewhere.pk}
    for wrong in ("label=dragon", "state=x", "confidence_min=2", "case=x", "ordering=label"):
        assert_problem(client.get(f"{API}/cells/?{wrong}"), 400, "invalid")


@pytest.mark.parametrize("ordering", ["id", "-id", "confidence", "-confidence"])
def test_every_page_of_every_order_shows_each_cell_once(
    client: APIClient, case: SmearCase, ordering: str
) -> None:
    # Many equal confidences, and many cells without any.
    for number in range(24):
        if number % 3:
            named_cell(case, "neutrophil", confidence=(0.1 + 0.2, 0.9)[number % 2])
        else:
            CellFactory(case=case)
    url = f"{API}/cells/?case={case.pk}&ordering={ordering}&page_size=5"
    seen: list[dict[str, Any]] = []
    pages = 0
    previous = None
    while url:
        answer = client.get(url).data
        seen += answer["results"]
        previous, url = answer["previous"], answer["next"]
        pages += 1
    assert pages == 5
    assert len({each["id"] for each in seen}) == len(seen) == 24
    turned = ordering.startswith("-")
    if "confidence" in ordering:
        keys = [(2.0 if e["confidence"] is None else e["confidence"], e["id"]) for e in seen]
    else:
        keys = [(0.0, each["id"]) for each in seen]
    assert keys == sorted(keys, reverse=turned)

    backwards: list[int] = []
    while previous:
        answer = client.get(previous).data
        backwards = [each["id"] for each in answer["results"]] + backwards
        previous = answer["previous"]
    assert backwards == [each["id"] for each in seen][: len(backwards)]
    assert len(backwards) == 20


def test_a_page_stays_put_while_cells_change(client: APIClient, case: SmearCase) -> None:
    cells = [named_cell(case, "neutrophil", confidence=0.5) for _ in range(6)]
    first = client.get(f"{API}/cells/?ordering=confidence&page_size=3").data
    # Two of those already shown move to the end; an offset would skip two others.
    for cell in cells[:2]:
        cell.confidence = 0.9
        cell.save()
    second = client.get(first["next"]).data
    assert [each["id"] for each in second["results"]] == [each.pk for each in cells[3:6]]


def test_forged_cursors_are_refused(client: APIClient, case: SmearCase) -> None:
    for _ in range(3):
        CellFactory(case=case)
    link = client.get(f"{API}/cells/?page_size=1").data["next"]
    forged = link.replace("cursor=", "cursor=x")
    assert_problem(client.get(forged), 404, "not_found")
    assert_problem(client.get(link + "&ordering=confidence"), 404)


def test_a_cell_is_corrected(client: APIClient, case: SmearCase) -> None:
    cell = named_cell(case, "neutrophil", review_state="needs_review")
    path = f"{API}/cells/{cell.pk}/corrections/"
    answer = client.post(path, {"to": "monocyte", "comment": "folded", "version": 0})
    assert answer.status_code == 201
    assert {name: answer.data[name] for name in ("from", "to", "made_by", "version")} == {
        "from": "neutrophil", "to": "monocyte", "made_by": "rita", "version": 1,
    }  # fmt: skip
    shown = client.get(f"{API}/cells/{cell.pk}/").data
    assert (shown["label"], shown["label_source"], shown["version"]) == ("monocyte", "reviewer", 1)
    body = assert_problem(client.post(path, {"to": "blast", "version": 0}), 409, "stale_cell")
    assert body["current"]["label"] == "monocyte"
    assert body["current"]["version"] == 1
    assert body["current"]["corrected_by"] == "rita"
    assert client.post(path, {"to": "blast"}).status_code == 201
    assert [each["to"] for each in client.get(path).data["results"]] == ["blast", "monocyte"]
    listed = client.get(f"{API}/corrections/?case={case.pk}").data["results"]
    assert len(listed) == 2
    body = assert_problem(client.post(path, {"to": "dragon"}), 400, "unknown_class")
    assert set(body["errors"]) == {"to"}


def test_technicians_upload_and_do_not_correct(laboratory: Laboratory, case: SmearCase) -> None:
    client = client_of(member(laboratory, Role.TECHNICIAN))
    cell = named_cell(case, "neutrophil")
    for body in ({"to": "monocyte"}, {}):
        answer = client.post(f"{API}/cells/{cell.pk}/corrections/", body)
        assert_problem(answer, 403, "not_allowed")
    assert not Correction.objects.exists()
    assert send(client, case, upload()).status_code == 201


def test_counts_of_a_case(client: APIClient, case: SmearCase) -> None:
    for code in ("neutrophil", "neutrophil", "lymphocyte", "erythroblast", "platelet"):
        named_cell(case, code)
    CellFactory(case=case, state="queued")
    CellFactory(case=case, state="failed")
    counts = client.get(f"{API}/cases/{case.pk}/counts/").data
    assert {
        name: counts[name] for name in ("status", "total", "pending", "failed", "leukocytes")
    } == {"status": "open", "total": 7, "pending": 1, "failed": 1, "leukocytes": 3}
    neutrophil = next(each for each in counts["classes"] if each["code"] == "neutrophil")
    assert (neutrophil["name"], neutrophil["count"]) == ("Neutrophil", 2)
    assert neutrophil["percent"] == pytest.approx(66.67, abs=0.01)
    assert neutrophil["ci_low"] == pytest.approx(9.43, abs=0.01)
    assert neutrophil["ci_high"] == pytest.approx(99.16, abs=0.01)
    assert (neutrophil["by_model"], neutrophil["by_reviewer"]) == (2, 0)
    assert counts["nrbc_per_100_wbc"] == pytest.approx(33.33, abs=0.01)


# --- queries ------------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize(
    ("path", "queries"),
    # Session, user, memberships and the rows; then the case of a path, or the progress of cases.
    [
        ("patients/", 4), ("cases/", 5), ("cells/", 4), ("corrections/", 4),
        ("cell-classes/", 3), ("cases/{case}/images/", 5), ("cells/{cell}/corrections/", 5),
    ],
)  # fmt: skip
def test_lists_need_the_same_few_queries_at_any_length(
    client: APIClient,
    laboratory: Laboratory,
    django_assert_num_queries: Any,
    path: str,
    queries: int,
    rows: int,
) -> None:
    case = SmearCaseFactory(laboratory=laboratory)
    cell = named_cell(case, "neutrophil")
    for number in range(rows):
        PatientFactory(laboratory=laboratory)
        CorrectionFactory(cell=cell, cell_version=number + 1)
        CorrectionFactory(cell=named_cell(SmearCaseFactory(laboratory=laboratory), "ig"))
        CaseImageFactory(case=case)
    url = f"{API}/{path.format(case=case.pk, cell=cell.pk)}"
    with django_assert_num_queries(queries):
        answer = client.get(url)
    assert len(answer.data["results"]) >= min(rows, 13)


# --- the description ----------------------------------------------------------------------------
def test_the_schema_is_valid_and_the_viewer_is_offline(client: APIClient) -> None:
    from io import StringIO

    from django.core.management import call_command

    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())
    schema = APIClient().get(f"{API}/schema/?format=json")
    paths = json.loads(schema.content)["paths"]
    assert f"{API}/cases/{{id}}/counts/" in paths
    assert f"{API}/cells/{{cell}}/corrections/" in paths
    page = APIClient().get(f"{API}/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page
