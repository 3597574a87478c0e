"""What a new password ends, and what the trail says of it and of a wrong second factor."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from rest_framework.test import APIClient

from cases.audit.models import AuditEntry, AuditHead
from cases.models import ApiToken, Laboratory, User
from tests.accounts_tests.conftest import add_app
from tests.cases_tests.pages import logged_in
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
API = "/api/v1"
NEW = {"password1": "another long pass phrase", "password2": "another long pass phrase"}


def program_of(user: User) -> Client:
    _kept, token = ApiToken.objects.create(user)
    return Client(headers={"Authorization": f"Token {token}"})


def replace_by_e_mail(user: User) -> None:
    client = Client()
    client.post("/account/password/reset/", {"email": user.email})
    found = re.search(r"http://testserver(/account/password/reset/\S+/)", str(mail.outbox[0].body))
    assert found
    page = client.get(found[1], follow=True)
    client.post(page.request["PATH_INFO"], NEW)
    user.refresh_from_db()
    assert user.check_password(NEW["password1"])


@pytest.fixture
def _audited(settings: Any) -> None:
    settings.AUDIT = True
    AuditHead.objects.get_or_create(pk=1)


@pytest.mark.parametrize(("ticked", "status"), [({"end_tokens": "on"}, 401), ({}, 200)])
def test_whoever_changes_it_says_whether_tokens_end(
    reviewer: Any, ticked: dict[str, str], status: int
) -> None:
    program, client = program_of(reviewer), logged_in(reviewer)
    box = re.search(
        r"<input[^>]*end_tokens[^>]*>", client.get("/account/password/").content.decode()
    )
    assert box
    assert "checked" in box[0]
    client.post("/account/password/", {"oldpassword": PASSWORD, **NEW, **ticked})
    reviewer.refresh_from_db()
    assert reviewer.check_password(NEW["password1"])
    assert program.get(f"{API}/me/").status_code == status


def test_a_refused_change_ends_nothing(reviewer: Any) -> None:
    program = program_of(reviewer)
    form = {"oldpassword": "wrong", **NEW, "end_tokens": "on"}
    logged_in(reviewer).post("/account/password/", form)
    assert program.get(f"{API}/me/").status_code == 200


def test_one_replaced_by_e_mail_ends_everything(reviewer: Any) -> None:
    program, browser = program_of(reviewer), logged_in(reviewer)
    replace_by_e_mail(reviewer)
    assert program.get(f"{API}/me/").status_code == 401
    assert browser.get("/cases/").status_code == 302


def test_one_given_in_djangos_admin_ends_everything(reviewer: Any, administrator: Any) -> None:
    administrator.is_staff = administrator.is_superuser = True
    administrator.save()
    program, browser = program_of(reviewer), logged_in(reviewer)
    address = f"/admin/cases/user/{reviewer.pk}/password/"
    answer = logged_in(administrator).post(address, {**NEW, "usable_password": "true"})
    assert answer.status_code == 302
    assert program.get(f"{API}/me/").status_code == 401
    assert browser.get("/cases/").status_code == 302


@pytest.mark.usefixtures("_audited")
def test_one_replaced_by_e_mail_is_in_the_trail(reviewer: Any, laboratory: Laboratory) -> None:
    replace_by_e_mail(reviewer)
    entry = AuditEntry.objects.get(action="changed")
    assert (entry.user_id, entry.laboratory_id) == (reviewer.pk, laboratory.pk)
    assert (entry.subject, entry.address) == ("password by e-mail", "127.0.0.1")


@pytest.mark.usefixtures("_audited")
def test_a_wrong_second_factor_is_in_the_trail(reviewer: Any, laboratory: Laboratory) -> None:
    add_app(reviewer)
    who = {"username": "rita", "password": PASSWORD}
    client = Client()
    client.post("/login/", who)
    client.post("/login/second-factor/", {"code": "000000"})
    APIClient().post(f"{API}/auth/token/", {**who, "code": "000000"})
    entries = AuditEntry.objects.filter(action="log_in_failed", laboratory_id=laboratory.pk)
    assert [each.user_id for each in entries] == [reviewer.pk] * 2
