"""What django-allauth says, in mails and above fields, is in the reader's language, and formal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from tests.factories import PASSWORD

if TYPE_CHECKING:
    from django.test import Client

    from cases.models import User

pytestmark = pytest.mark.django_db
# Words that give a language away, and the familiar "tú" that the site does not use.
ENGLISH = r"\b(the|your?|was|has|been|please|enter|password|email address|this)\b"
SPANISH = r"\b(el|la|los|su|usted|contraseña|ha sido|este|correo)\b"
FAMILIAR = r"\b(tu|tus|tú|te|ti|has|puedes|introdúcelo|estás)\b"


def assert_language(text: str, language: str) -> None:
    own = ENGLISH if language == "en" else SPANISH
    foreign = SPANISH if language == "en" else f"{ENGLISH}|{FAMILIAR}"
    text = re.sub(r"https?://\S+", "", text)  # addresses are in no language
    assert re.search(own, text, re.I), text
    found = re.search(foreign, text, re.I)
    assert found is None, (found, text)


@pytest.fixture(params=["en", "es"])
def language(request: pytest.FixtureRequest, reviewer: User, client: Client) -> str:
    reviewer.language = request.param
    reviewer.save(update_fields=["language"])
    client.cookies["django_language"] = request.param
    return str(request.param)


def field_errors(answer: Any) -> str:
    page = answer.content.decode()
    found = re.findall(
        r'class="(?:field-error|alert-danger|alert alert-danger)[^>]*>(.*?)</div>\s*(?:</div>|<)',
        page,
        re.S,
    )
    assert found, page
    return " ".join(re.sub(r"<[^>]+>", " ", " ".join(found)).split())


def test_the_way_back_to_a_forgotten_password(
    client: Client, reviewer: User, language: str, mailoutbox: list[Any]
) -> None:
    client.post(reverse("account_reset_password"), {"email": reviewer.email})
    (mail,) = mailoutbox
    assert_language(mail.body, language)
    assert re.search(r"/account/password/reset/\S+-\S+/", mail.body)
    subject = {"en": "Password Reset Email", "es": "restablecer contraseña"}[language]
    assert subject.casefold() in mail.subject.casefold()
    refused = client.post(reverse("account_reset_password"), {"email": "nonsense"})
    words = {"en": "valid email", "es": "correo electrónico válid"}[language]
    assert words in refused.content.decode()


def test_a_changed_password_is_told_and_a_wrong_one_refused(
    client: Client, reviewer: User, language: str, mailoutbox: list[Any]
) -> None:
    client.post(reverse("login"), {"username": reviewer.username, "password": PASSWORD})
    fields = {"password1": "another long one 7", "password2": "another long one 7"}
    address = reverse("account_change_password")
    refused = client.post(address, {"oldpassword": "wrong", **fields})
    assert_language(field_errors(refused), language)
    short = client.post(address, {"oldpassword": PASSWORD, "password1": "a", "password2": "b"})
    assert_language(field_errors(short), language)
    client.post(address, {"oldpassword": PASSWORD, **fields})
    (mail,) = mailoutbox
    assert_language(mail.body, language)


def test_an_address_added_made_the_main_one_and_removed(
    client: Client, reviewer: User, language: str, mailoutbox: list[Any]
) -> None:
    client.post(reverse("login"), {"username": reviewer.username, "password": PASSWORD})
    address = reverse("account_email")
    client.post(address, {"action_add": "", "email": "second@example.org"})
    mail = mailoutbox[-1]
    assert mail.to == ["second@example.org"]
    assert_language(mail.body, language)
    link = re.search(r"https?://\S+?(/\S+)", mail.body)
    assert link is not None
    client.post(link[1].rstrip("."))
    client.post(address, {"action_primary": "", "email": "second@example.org"})
    client.post(address, {"action_remove": "", "email": "rita@example.org"})
    assert len(mailoutbox) >= 3
    for each in mailoutbox[1:]:
        assert_language(each.body, language)
