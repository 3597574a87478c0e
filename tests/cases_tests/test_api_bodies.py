"""The API: bodies no client should send, and how they are refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from cases.models import Patient, SmearCase
from tests.cases_tests.api_client import API, JSON, assert_problem

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
ONE_FIELD = b'--x\r\nContent-Disposition: form-data; name="kind"\r\n\r\na\r\n--x--\r\n'
UNREADABLE = "La petición no se puede leer; compruebe cómo está formada."


@pytest.mark.parametrize("opening", ["[", '{"identifier":', '{"more":['])
@pytest.mark.parametrize("depth", [60, 500, 100_000])
def test_deep_json_is_refused(client: APIClient, opening: str, depth: int) -> None:
    closing = {"[": "]", '{"identifier":': "}", '{"more":[': "]}"}[opening]
    for body in (opening * depth, opening * depth + "1" + closing * depth):
        answer = client.post(f"{API}/patients/", body, content_type=JSON)
        assert_problem(answer, 400, "parse_error")


def test_json_of_a_few_levels_is_read(client: APIClient) -> None:
    body = '{"identifier": "P1", "more": [[{"unknown": []}]]}'
    assert client.post(f"{API}/patients/", body, content_type=JSON).status_code == 201


def test_broken_json_is_told_where_it_breaks_in_the_readers_language(client: APIClient) -> None:
    answer = client.post(
        f"{API}/patients/", '{"a": 1,\n oops}', content_type=JSON, HTTP_ACCEPT_LANGUAGE="es"
    )
    detail = assert_problem(answer, 400, "parse_error")["detail"]
    assert detail == "El cuerpo no es JSON válido: mire la línea 2, columna 2."
    answer = client.post(
        f"{API}/patients/", b'{"a": "\xff"}', content_type=JSON, HTTP_ACCEPT_LANGUAGE="es"
    )
    assert assert_problem(answer, 400, "parse_error")["detail"] == UNREADABLE


@pytest.mark.parametrize("charset", ["idna", "punycode", "rot13", "zlib", "undefined", "utf-16"])
def test_strange_character_sets_are_never_an_error(
    client: APIClient, case: SmearCase, charset: str
) -> None:
    for path, body, kind in (
        (f"{API}/patients/", b"identifier=", FORM),
        (f"{API}/patients/", b'{"identifier": ""}', JSON),
        (f"{API}/cases/{case.pk}/images/", ONE_FIELD, "multipart/form-data; boundary=x"),
    ):
        answer = client.generic("POST", path, body, content_type=f"{kind}; charset={charset}")
        assert_problem(answer, 400)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=\xff"])
def test_a_form_without_its_boundary_is_refused(
    client: APIClient, case: SmearCase, kind: str
) -> None:
    path = f"{API}/cases/{case.pk}/images/"
    answer = client.generic("POST", path, b"x", content_type=kind, HTTP_ACCEPT_LANGUAGE="es")
    assert assert_problem(answer, 400, "parse_error")["detail"] == UNREADABLE


def test_a_missing_csrf_token_is_told_in_the_readers_language(reviewer: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(reviewer)
    answer = strict.post(
        f"{API}/patients/", {"identifier": "P1"}, content_type=JSON, HTTP_ACCEPT_LANGUAGE="es"
    )
    detail = assert_problem(answer, 403, "csrf_failed")["detail"]
    assert detail == "Envíe la cabecera X-CSRFToken con el valor de la cookie csrftoken."
    assert not Patient.objects.exists()


@pytest.mark.parametrize("path", ["docs", "schema", "me", "auth/token", "cases"])
def test_asking_for_the_options_is_never_an_error(client: APIClient, path: str) -> None:
    answer = client.options(f"{API}/{path}/")
    if answer.status_code != 200:
        assert_problem(answer, 405)
