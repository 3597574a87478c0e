"""Invitations: from the administrator's page through the e-mail to a member."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone

from cases.accounts.models import Invitation
from cases.models import Laboratory, Membership, User
from tests.cases_tests.pages import logged_in, text_of
from tests.factories import LaboratoryFactory, UserFactory, member

pytestmark = pytest.mark.django_db
ACCOUNT = {
    "username": "nueva",
    "first_name": "Nuria",
    "password1": "una clave larga y rara",
    "password2": "una clave larga y rara",
}


def invite(administrator: User, laboratory: Laboratory, **given: Any) -> Any:
    form = {"laboratory": laboratory.pk, "email": "Nueva@Example.org", "role": "reviewer", **given}
    return logged_in(administrator).post("/members/", form, follow=True)


def link() -> str:
    """The address in the last e-mail."""
    found = re.search(r"http://testserver(/invitations/\S+/)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def test_an_invited_person_becomes_a_member(laboratory: Laboratory, administrator: Any) -> None:
    answer = invite(administrator, laboratory)
    assert "An invitation was sent to nueva@example.org" in text_of(answer)
    assert mail.outbox[0].to == ["nueva@example.org"]
    address = link()
    assert address.split("/")[2] not in str(Invitation.objects.values_list())  # only its hash
    client = Client()
    assert "Hospital San Marcos invites you as reviewer" in text_of(client.get(address))
    assert client.post(address, ACCOUNT)["Location"] == "/cases/"
    assert client.get("/cases/").status_code == 200
    user = User.objects.get(username="nueva")
    assert (user.email, user.first_name) == ("nueva@example.org", "Nuria")
    assert EmailAddress.objects.get(user=user).verified
    assert Membership.objects.get(user=user).role == "reviewer"
    again = Client().post(address, {**ACCOUNT, "username": "other"})
    assert again.status_code == 404
    assert not User.objects.filter(username="other").exists()


def test_somebody_with_an_account_adds_the_laboratory(
    laboratory: Laboratory, administrator: Any
) -> None:
    invite(administrator, laboratory)
    user = UserFactory()
    assert logged_in(user).post(link())["Location"] == "/cases/"
    assert Membership.objects.get(user=user, laboratory=laboratory).role == "reviewer"


@pytest.mark.parametrize("how", ["expired", "withdrawn", "unknown"])
def test_a_link_that_is_no_longer_good(
    laboratory: Laboratory, administrator: Any, how: str
) -> None:
    invite(administrator, laboratory)
    address = link()
    if how == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "withdrawn":
        client = logged_in(administrator)
        client.post(f"/members/invitations/{Invitation.objects.get().pk}/withdraw/")
    else:
        address = "/invitations/" + "x" * 43 + "/"
    for answer in (Client().get(address), Client().post(address, ACCOUNT)):
        assert answer.status_code == 404
        assert "no longer valid" in text_of(answer)
    assert not User.objects.filter(username="nueva").exists()


def test_a_second_invitation_replaces_the_first(laboratory: Laboratory, administrator: Any) -> None:
    invite(administrator, laboratory)
    first = link()
    invite(administrator, laboratory, role="technician")
    assert Client().get(first).status_code == 404
    assert "as technician" in text_of(Client().get(link()))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"email": "no address"}, "valid email address"),
        ({"email": "rita@example.org"}, "is a member already"),
        ({"role": "king"}, "Select a valid choice"),
        ({"email": "a@b.org\nBcc: x@y.org"}, "valid email address"),
    ],
)
def test_wrong_invitations_are_explained_and_send_nothing(
    laboratory: Laboratory, administrator: Any, reviewer: Any, given: dict[str, str], said: str
) -> None:
    answer = invite(administrator, laboratory, **given)
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert not mail.outbox
    assert not Invitation.objects.exists()


def test_nobody_is_invited_when_the_mail_fails(
    laboratory: Laboratory, administrator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("cases.accounts.services.invitations.send_mail", refuse)
    assert "could not be sent" in text_of(invite(administrator, laboratory))
    assert not Invitation.objects.exists()


def test_only_ones_own_laboratory(laboratory: Laboratory, administrator: Any) -> None:
    elsewhere = LaboratoryFactory()
    assert invite(administrator, elsewhere).status_code == 404
    assert logged_in(administrator).get(f"/members/?laboratory={elsewhere.pk}").status_code == 404
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"password1": "short", "password2": "short"}, "too short"),
        ({"password1": "password1234", "password2": "password1234"}, "too common"),
        ({"password1": "nueva@example.org", "password2": "nueva@example.org"}, "too similar"),
        ({"password2": "something else"}, "not the same"),
        ({"username": "ADELA"}, "username is taken"),
        ({"username": "a b"}, "valid username"),
    ],
)
def test_password_and_name_rules(
    laboratory: Laboratory, administrator: Any, given: dict[str, str], said: str
) -> None:
    invite(administrator, laboratory)
    answer = Client().post(link(), {**ACCOUNT, **given})
    assert said in text_of(answer)
    assert User.objects.count() == 1
    assert Invitation.objects.usable().count() == 1


def test_the_e_mail_speaks_spanish(laboratory: Laboratory, administrator: Any) -> None:
    client = logged_in(administrator)
    form = {"laboratory": laboratory.pk, "email": "a@example.org", "role": "reviewer"}
    client.post("/members/", form, headers={"Accept-Language": "es"})
    assert "le invita a pbcsite" in str(mail.outbox[0].body)


def test_the_page_needs_the_same_queries_at_any_length(
    laboratory: Laboratory, administrator: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        member(laboratory)
    client = logged_in(administrator)
    with django_assert_max_num_queries(12):
        answer = client.get("/members/")
    assert len(answer.context["members"]) == 25
