"""The API: log-in, tokens, problem answers, strange input, the description."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from rest_framework.test import APIClient

from cases.models import ApiToken, Patient, SmearCase
from tests.cases_tests.api_client import API, JSON, assert_problem, client_of
from tests.factories import (
    PASSWORD,
    UserFactory,
    named_cell,
    upload,
)

pytestmark = pytest.mark.django_db


def test_a_token_opens_the_api_and_is_hashed_at_rest(reviewer: Any) -> None:
    client = APIClient()
    response = client.post(f"{API}/auth/token/", {"username": "rita", "password": PASSWORD})
    assert response.status_code == 200
    assert set(response.data) == {"token", "expiry"}
    token = response.data["token"]
    kept = ApiToken.objects.get()
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
    assert not ApiToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_who_reads_is_not_refused_while_another_holds_the_database(reviewer: Any) -> None:
    """SQLite has one writer; the note of a token's use waits for it in vain."""
    client = APIClient()
    token = client.post(f"{API}/auth/token/", {"username": "rita", "password": PASSWORD}).json()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token['token']}")

    def locked(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE") and ApiToken._meta.db_table in sql:
            raise OperationalError("database is locked")
        return execute(sql, *rest)

    with connection.execute_wrapper(locked):
        assert client.get(f"{API}/me/").status_code == 200
    assert ApiToken.objects.get().last_used_at is None


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


def test_the_schema_is_valid_and_the_viewer_is_offline(client: APIClient) -> None:
    from io import StringIO

    from django.core.management import call_command

    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())
    schema = APIClient().get(f"{API}/schema/?format=json")
    paths = json.loads(schema.content)["paths"]
    assert f"{API}/cases/{{id}}/counts/" in paths
    assert f"{API}/cells/{{cell}}/corrections/" in paths
    for path, operations in paths.items():
        for operation in operations.values():
            assert {"429"} <= set(operation["responses"]), path
            if operation.get("security"):
                assert "401" in operation["responses"], path
            if "{" in path:
                assert "404" in operation["responses"], path
    cells = paths[f"{API}/cells/"]["get"]["responses"]
    assert set(cells) == {"200", "400", "401", "404", "429"}
    assert list(cells["404"]["content"]) == ["application/problem+json"]
    page = APIClient().get(f"{API}/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page
