"""The second factor: at the log-in, for tokens, and where a laboratory asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from rest_framework.test import APIClient

from cases.models import ApiToken, Laboratory, SmearCase
from cases.policies import AccessPolicy
from tests.accounts_tests.conftest import SECRET, add_app, add_recovery_codes, code_now
from tests.cases_tests.pages import HTMX, logged_in, text_of
from tests.factories import PASSWORD, LaboratoryFactory, MembershipFactory, SmearCaseFactory

pytestmark = pytest.mark.django_db
API = "/api/v1"
LOG_IN = {"username": "rita", "password": PASSWORD}


def test_the_password_alone_does_not_log_in(reviewer: Any) -> None:
    add_app(reviewer)
    client = Client()
    answer = client.post("/login/?next=/models/", LOG_IN)
    assert answer["Location"].startswith("/login/second-factor/")
    assert client.get("/cases/").status_code == 302
    wrong = client.post("/login/second-factor/", {"code": "000000"})
    assert wrong.status_code == 200
    assert "Incorrect code" in text_of(wrong)
    assert client.get("/cases/").status_code == 302
    right = client.post("/login/second-factor/", {"code": code_now()})
    assert right["Location"] == "/models/"
    assert client.get("/cases/").status_code == 200


def test_a_code_is_good_once(reviewer: Any) -> None:
    add_app(reviewer)
    code = code_now()
    for client, status in ((Client(), 302), (Client(), 200)):
        client.post("/login/", LOG_IN)
        assert client.post("/login/second-factor/", {"code": code}).status_code == status


def test_a_recovery_code_is_good_once(reviewer: Any) -> None:
    add_app(reviewer)
    code = add_recovery_codes(reviewer)[0]
    for status in (302, 200):
        client = Client()
        client.post("/login/", LOG_IN)
        assert client.post("/login/second-factor/", {"code": code}).status_code == status


def test_codes_cannot_be_guessed(reviewer: Any) -> None:
    add_app(reviewer)
    client = Client()
    client.post("/login/", LOG_IN)
    for number in range(6):
        client.post("/login/second-factor/", {"code": f"{number:06}"})
    answer = client.post("/login/second-factor/", {"code": code_now()})
    assert answer.status_code == 200
    assert client.get("/cases/").status_code == 302


def test_djangos_admin_asks_for_it_too(administrator: Any) -> None:
    administrator.is_staff = administrator.is_superuser = True
    administrator.save()
    add_app(administrator)
    client = Client()
    client.post("/admin/login/", {"username": "adela", "password": PASSWORD})
    assert client.get("/admin/cases/").status_code == 302


def test_it_is_set_up_on_the_pages(reviewer: Any) -> None:
    client = Client()
    client.post("/login/", LOG_IN)
    client.post("/account/confirm/?next=/account/second-factor/", {"password": PASSWORD})
    page = client.get("/account/second-factor/app/")
    assert page.status_code == 200
    assert "data:image/svg+xml" in page.content.decode()
    secret = page.context["form"].secret
    answer = client.post("/account/second-factor/app/", {"code": code_now(secret)})
    assert answer.status_code == 302
    assert Authenticator.objects.filter(user=reviewer, type="totp").count() == 1
    assert client.get("/account/second-factor/recovery/").status_code == 200


def test_changing_it_wants_the_password_again(reviewer: Any) -> None:
    client = logged_in(reviewer)
    answer = client.get("/account/second-factor/app/")
    assert answer["Location"].startswith("/account/confirm/")


def test_the_secret_lies_encrypted_and_outlives_a_change_of_key(
    reviewer: Any, settings: Any
) -> None:
    kept = add_app(reviewer)
    assert SECRET not in str(kept.data)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-" + "z" * 60
    assert kept.wrap().validate_code(code_now())


# --- tokens --------------------------------------------------------------------------------------
def test_a_token_wants_the_code_too(reviewer: Any) -> None:
    add_app(reviewer)
    client = APIClient()
    for given in ({}, {"code": "000000"}, {"code": ""}):
        answer = client.post(f"{API}/auth/token/", {**LOG_IN, **given})
        assert answer.status_code == 401
        assert answer.json()["code"] == "second_factor_required"
    assert not ApiToken.objects.exists()
    answer = client.post(f"{API}/auth/token/", {**LOG_IN, "code": code_now()})
    assert answer.status_code == 200
    wrong = {"username": "rita", "password": "wrong", "code": code_now()}
    assert client.post(f"{API}/auth/token/", wrong).json()["code"] == "wrong_credentials"


# --- a laboratory that requires it ---------------------------------------------------------------
@pytest.fixture
def strict(laboratory: Laboratory) -> Laboratory:
    laboratory.requires_second_factor = True
    laboratory.save()
    return laboratory


@pytest.fixture
def case(laboratory: Laboratory) -> SmearCase:
    return SmearCaseFactory(laboratory=laboratory, accession_number="ZEBRA-1")


def test_members_without_one_are_led_to_it_and_reach_nothing_else(
    strict: Laboratory, reviewer: Any, case: SmearCase
) -> None:
    _kept, token = ApiToken.objects.create(reviewer)
    elsewhere = SmearCaseFactory(laboratory=LaboratoryFactory(), accession_number="ZEBRA-2")
    MembershipFactory(user=reviewer, laboratory=elsewhere.laboratory, role="reviewer")
    client = logged_in(reviewer)
    for address in ("/cases/", f"/cases/{case.pk}/", "/models/", "/cases/new/", "/account/tokens/"):
        answer = client.get(address)
        assert answer["Location"] == "/account/second-factor/", address
    htmx = client.get(f"/cases/{case.pk}/gallery/", headers=HTMX)
    assert htmx["HX-Redirect"] == "/account/second-factor/"
    page = client.get("/account/second-factor/")
    assert page.status_code == 200
    assert "requires a second factor" in text_of(page)
    assert client.post("/logout/").status_code == 302
    for api in (logged_in(reviewer), Client(headers={"Authorization": f"Token {token}"})):
        for address in (f"{API}/cases/", f"{API}/cases/{case.pk}/", f"{API}/me/"):
            answer = api.get(address)
            assert answer.status_code == 403, address
            assert answer.json()["code"] == "second_factor_required"
            assert b"ZEBRA" not in answer.content
    policy = AccessPolicy(reviewer)
    assert not policy.cases().exists()
    assert not policy.may("view", strict.pk)


def test_members_with_one_reach_everything(
    strict: Laboratory, reviewer: Any, case: SmearCase
) -> None:
    add_app(reviewer)
    assert logged_in(reviewer).get(f"/cases/{case.pk}/").status_code == 200


def test_recovery_codes_alone_are_no_second_factor(strict: Laboratory, reviewer: Any) -> None:
    add_recovery_codes(reviewer)
    assert AccessPolicy(reviewer).lacks_second_factor


def test_who_requires_it_has_one(laboratory: Laboratory, administrator: Any) -> None:
    client = logged_in(administrator)
    address = "/members/second-factor/"
    given = {"laboratory": laboratory.pk, "required": "on"}
    refused = client.post(address, given, follow=True)
    assert "Set up your own second factor first" in text_of(refused)
    laboratory.refresh_from_db()
    assert not laboratory.requires_second_factor
    add_app(administrator)
    client.post(address, given)
    laboratory.refresh_from_db()
    assert laboratory.requires_second_factor
    client.post(address, {**given, "required": "off"})
    laboratory.refresh_from_db()
    assert not laboratory.requires_second_factor
