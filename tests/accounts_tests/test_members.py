"""Roles, closing accounts, sessions, tokens and log-in limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.utils import timezone

from cases.models import ApiToken, Laboratory, Membership, User
from tests.accounts_tests.conftest import add_app
from tests.cases_tests.pages import logged_in, text_of
from tests.factories import PASSWORD, LaboratoryFactory, MembershipFactory, SmearCaseFactory, member

pytestmark = pytest.mark.django_db
API = "/api/v1"


def act(administrator: User, user: User, action: str, **given: Any) -> Any:
    membership = Membership.objects.filter(user=user).first()
    assert membership is not None
    address = f"/members/{membership.pk}/"
    return logged_in(administrator).post(address, {"action": action, **given}, follow=True)


def browser_of(user: User) -> Client:
    client = Client()
    client.post("/login/", {"username": user.username, "password": PASSWORD})
    return client


def program_of(user: User, **given: Any) -> Client:
    _kept, token = ApiToken.objects.create(user, **given)
    return Client(headers={"Authorization": f"Token {token}"})


# --- closing accounts ----------------------------------------------------------------------------
def test_a_closed_account_is_out_at_once(administrator: Any, reviewer: Any) -> None:
    browser, program = browser_of(reviewer), program_of(reviewer)
    assert browser.get("/cases/").status_code == program.get(f"{API}/me/").status_code == 200
    act(administrator, reviewer, "deactivate")
    assert browser.get("/cases/")["Location"].startswith("/login/")
    assert program.get(f"{API}/me/").status_code == 401
    assert not UserSession.objects.filter(user=reviewer).exists()
    assert not ApiToken.objects.filter(user=reviewer).exists()
    again = Client().post("/login/", {"username": "rita", "password": PASSWORD})
    assert again["Location"] == "/login/closed/"
    # Opened again, what was open before stays shut.
    act(administrator, reviewer, "reactivate")
    assert browser.get("/cases/").status_code == 302
    assert program.get(f"{API}/me/").status_code == 401
    assert browser_of(reviewer).get("/cases/").status_code == 200


def test_djangos_admin_ends_them_too(administrator: Any, reviewer: Any) -> None:
    administrator.is_staff = administrator.is_superuser = True
    administrator.save()
    browser, program = browser_of(reviewer), program_of(reviewer)
    form = {
        "username": "rita", "date_joined_0": "2026-01-01", "date_joined_1": "00:00",
        "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0", "language": "",
    }  # fmt: skip
    answer = logged_in(administrator).post(f"/admin/cases/user/{reviewer.pk}/change/", form)
    assert answer.status_code == 302
    assert browser.get("/cases/").status_code == 302
    assert program.get(f"{API}/me/").status_code == 401
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("action", ["deactivate", "reset_second_factor"])
def test_who_belongs_elsewhere_too_is_not_ours_to_close(
    administrator: Any, reviewer: Any, action: str
) -> None:
    MembershipFactory(user=reviewer, laboratory=LaboratoryFactory())
    add_app(reviewer)
    assert "belongs to another laboratory too" in text_of(act(administrator, reviewer, action))
    reviewer.refresh_from_db()
    assert reviewer.is_active
    assert Authenticator.objects.exists()


@pytest.mark.parametrize("action", ["deactivate", "remove", "role"])
def test_a_laboratory_keeps_an_administrator(administrator: Any, action: str) -> None:
    answer = act(administrator, administrator, action, role="reviewer")
    assert "at least one administrator" in text_of(answer) or "another administrator" in text_of(
        answer
    )
    administrator.refresh_from_db()
    assert administrator.is_active
    assert Membership.objects.get().role == "administrator"


def test_a_role_counts_with_the_next_request(
    laboratory: Laboratory, administrator: Any, reviewer: Any
) -> None:
    browser = browser_of(reviewer)
    assert browser.get("/members/").status_code == 403
    act(administrator, reviewer, "role", role="administrator")
    assert browser.get("/members/").status_code == 200
    act(administrator, reviewer, "remove")
    case = SmearCaseFactory(laboratory=laboratory)
    assert browser.get(f"/cases/{case.pk}/").status_code == 404


def test_a_lost_second_factor_is_removed_by_an_administrator(
    administrator: Any, reviewer: Any
) -> None:
    add_app(reviewer)
    browser = logged_in(reviewer)
    act(administrator, reviewer, "reset_second_factor")
    assert not Authenticator.objects.exists()
    assert browser.get("/cases/").status_code == 302


# --- sessions ------------------------------------------------------------------------------------
def test_one_sees_and_ends_ones_own_sessions(reviewer: Any, administrator: Any) -> None:
    here, there, third = (browser_of(reviewer) for _ in range(3))
    others = browser_of(administrator)
    page = here.get("/account/sessions/")
    assert len(page.context["sessions"]) == 3
    theirs = UserSession.objects.get(user=administrator)
    assert here.post("/account/sessions/", {"session": theirs.pk}).status_code == 404
    remote = UserSession.objects.get(session_key=there.session.session_key)
    here.post("/account/sessions/", {"session": remote.pk})
    assert there.get("/cases/").status_code == 302
    assert third.get("/cases/").status_code == 200
    here.post("/account/sessions/", {"others": "1"})
    assert third.get("/cases/").status_code == 302
    assert here.get("/cases/").status_code == others.get("/cases/").status_code == 200
    assert Session.objects.count() == 2


def test_a_new_password_ends_other_sessions(reviewer: Any) -> None:
    here, there = browser_of(reviewer), browser_of(reviewer)
    new = "another long pass phrase"
    given = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert here.post("/account/password/", given).status_code == 302
    assert here.get("/cases/").status_code == 200
    assert there.get("/cases/").status_code == 302


# --- password reset ------------------------------------------------------------------------------
def test_a_forgotten_password_is_replaced_by_e_mail(reviewer: Any) -> None:
    import re

    client = Client()
    known = client.post("/account/password/reset/", {"email": "rita@example.org"})
    unknown = Client().post("/account/password/reset/", {"email": "nobody@example.org"})
    assert known["Location"] == unknown["Location"]
    (message,) = mail.outbox
    found = re.search(r"http://testserver(/account/password/reset/\S+/)", str(message.body))
    assert found
    page = client.get(found[1], follow=True)
    new = "another long pass phrase"
    client.post(page.request["PATH_INFO"], {"password1": new, "password2": new})
    reviewer.refresh_from_db()
    assert reviewer.check_password(new)
    used = Client().get(found[1], follow=True)
    assert "no longer valid" in text_of(used)


# --- tokens --------------------------------------------------------------------------------------
def test_tokens_do_what_their_scopes_say(laboratory: Laboratory, reviewer: Any) -> None:
    case = SmearCaseFactory(laboratory=laboratory)
    reading, writing = program_of(reviewer, scopes=["read"]), program_of(reviewer, scopes=["write"])
    address, body = f"{API}/patients/", {"identifier": "P-1"}
    json = {"content_type": "application/json"}
    assert reading.get(f"{API}/cases/{case.pk}/").status_code == 200
    refused = reading.post(address, body, **json)
    assert (refused.status_code, refused.json()["code"]) == (403, "token_scope")
    assert writing.post(address, body, **json).status_code == 201
    assert writing.get(f"{API}/cases/{case.pk}/").status_code == 403
    assert reading.post(f"{API}/auth/logout/").status_code == 204


def test_a_token_is_made_shown_once_used_and_revoked(reviewer: Any) -> None:
    client = browser_of(reviewer)
    form = {"name": "Analyser", "scopes": ["read", "sign"], "days": "7"}
    led = client.post("/account/tokens/", form)
    assert led["Location"].startswith("/account/confirm/")
    page = client.post(led["Location"], {"password": PASSWORD})
    token = page.context["token"]
    kept = ApiToken.objects.get()
    assert (kept.name, kept.scopes) == ("Analyser", ["read", "sign"])
    assert timedelta(days=6) < kept.expiry - timezone.now() < timedelta(days=7)
    assert kept.last_used_at is None
    assert token not in client.get("/account/tokens/").content.decode()
    program = Client(headers={"Authorization": f"Token {token}"})
    assert program.get(f"{API}/me/").status_code == 200
    kept.refresh_from_db()
    assert kept.last_used_at is not None
    client.post(f"/account/tokens/{kept.token_key}/revoke/")
    assert program.get(f"{API}/me/").status_code == 401


def test_an_expired_token_is_none(reviewer: Any) -> None:
    program = program_of(reviewer)
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert program.get(f"{API}/me/").status_code == 401


def test_nobody_revokes_somebody_elses_token(reviewer: Any, administrator: Any) -> None:
    program = program_of(reviewer)
    key = ApiToken.objects.get().token_key
    assert browser_of(administrator).post(f"/account/tokens/{key}/revoke/").status_code == 404
    assert program.get(f"{API}/me/").status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"scopes": []}, {"days": "9999"}, {"scopes": ["root"]}]
)
def test_wrong_tokens_are_explained(reviewer: Any, wrong: dict[str, Any]) -> None:
    client = browser_of(reviewer)
    client.post("/account/confirm/", {"password": PASSWORD})
    form = {"name": "A", "scopes": ["read"], "days": "7", **wrong}
    answer = client.post("/account/tokens/", form)
    assert answer.status_code == 422
    assert "field-error" in answer.content.decode()
    assert not ApiToken.objects.exists()


# --- rate limits ---------------------------------------------------------------------------------
def test_passwords_cannot_be_guessed_at_either_door(reviewer: Any) -> None:
    wrong, right = ({"username": "rita", "password": each} for each in ("no", PASSWORD))
    for _ in range(3):
        assert Client().post("/login/", wrong).status_code == 200
    for _ in range(2):
        Client().post(f"{API}/auth/token/", wrong, content_type="application/json")
    page = Client().post("/login/", right)
    assert "Too many failed login attempts" in text_of(page)
    answer = Client().post(f"{API}/auth/token/", right, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    # Somebody else at the same address is not shut out.
    other = member(LaboratoryFactory(), username="other")
    assert browser_of(other).get("/cases/").status_code == 200
