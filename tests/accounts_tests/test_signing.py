"""A signature takes the second factor in place of the password."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cases.models import ApiToken, Laboratory, SignOff, SmearCase
from tests.accounts_tests.conftest import add_app, add_recovery_codes, code_now
from tests.cases_tests.pages import logged_in
from tests.factories import PASSWORD, SmearCaseFactory, named_cell

pytestmark = pytest.mark.django_db
API = "/api/v1"


@pytest.fixture
def case(laboratory: Laboratory) -> SmearCase:
    case = SmearCaseFactory(laboratory=laboratory)
    named_cell(case, "neutrophil", confidence=0.99, review_state="confirmed")
    return case


def sign(client: Client, case: SmearCase, password: str) -> Any:
    address = f"{API}/cases/{case.pk}/sign-offs/"
    return client.post(address, {"password": password}, content_type="application/json")


def test_a_code_signs_and_is_kept_as_the_means(reviewer: Any, case: SmearCase) -> None:
    add_app(reviewer)
    assert sign(logged_in(reviewer), case, code_now()).status_code == 201
    assert SignOff.objects.get().means == "second_factor"


def test_a_code_may_be_typed_as_the_app_shows_it(reviewer: Any, case: SmearCase) -> None:
    add_app(reviewer)
    code = code_now()
    assert sign(logged_in(reviewer), case, f"{code[:3]} {code[3:]}").status_code == 201
    assert SignOff.objects.get().means == "second_factor"


def test_a_recovery_code_signs(reviewer: Any, case: SmearCase) -> None:
    add_app(reviewer)
    code = add_recovery_codes(reviewer)[0]
    assert sign(logged_in(reviewer), case, code).status_code == 201


def test_the_password_signs_as_before(reviewer: Any, case: SmearCase) -> None:
    add_app(reviewer)
    assert sign(logged_in(reviewer), case, PASSWORD).status_code == 201
    assert SignOff.objects.get().means == "password"


@pytest.mark.parametrize("wrong", ["000000", "00000000", "wrong"])
def test_wrong_codes_sign_nothing(reviewer: Any, case: SmearCase, wrong: str) -> None:
    add_app(reviewer)
    answer = sign(logged_in(reviewer), case, wrong)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
    assert not SignOff.objects.exists()


def test_without_a_second_factor_a_code_is_nothing(reviewer: Any, case: SmearCase) -> None:
    assert sign(logged_in(reviewer), case, code_now()).status_code == 403


def test_passwords_cannot_be_guessed_by_signing(reviewer: Any, case: SmearCase) -> None:
    client = logged_in(reviewer)
    for _ in range(5):
        assert sign(client, case, "wrong").status_code == 403
    answer = sign(client, case, PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert not SignOff.objects.exists()


def test_a_token_needs_the_scope_to_sign(reviewer: Any, case: SmearCase) -> None:
    for scopes, status in ((["read", "write"], 403), (["sign"], 201)):
        _kept, token = ApiToken.objects.create(reviewer, scopes=scopes)
        client = Client(headers={"Authorization": f"Token {token}"})
        assert sign(client, case, PASSWORD).status_code == status
