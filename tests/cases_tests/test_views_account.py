"""Log-in, language, and what every page has in common."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.template.loader import render_to_string
from django.test import Client
from django.utils import translation

from cases.models import SmearCase, User
from tests.cases_tests.pages import logged_in, text_of
from tests.factories import (
    PASSWORD,
    named_cell,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    """A browser in which nobody has logged in."""
    return Client()


# --- log-in and language -------------------------------------------------------------------------
def test_the_log_in_page_leads_on_to_where_one_wanted_to_go(client: Client, reviewer: User) -> None:
    wanted = client.get("/cases/new/")
    assert wanted.status_code == 302
    assert wanted["Location"] == "/login/?next=/cases/new/"
    wrong = client.post(wanted["Location"], {"username": "rita", "password": "no"})
    assert wrong.status_code == 200
    assert "specified are not correct" in text_of(wrong)
    right = client.post(
        "/login/", {"username": "rita", "password": PASSWORD, "next": "/cases/new/"}
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
    answer = elsewhere.post("/login/", {"username": "rita", "password": PASSWORD}, follow=True)
    assert "Lista de trabajo" in text_of(answer)


def test_an_unknown_language_changes_nothing(reviewer: User) -> None:
    client = logged_in(reviewer)
    client.post("/language/", {"language": "xx", "next": "/cases/"})
    reviewer.refresh_from_db()
    assert reviewer.language == ""
    assert client.get("/language/").status_code == 405


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


def test_static_files_stand_the_manifest_storage(settings: Any, tmp_path: Any) -> None:
    """A dangling source map or address in a vendored file would stop collectstatic.

    The site's own storage compresses besides, which takes long; test_run.py collects with it.
    """
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    named = json.loads(tmp_path.joinpath("staticfiles.json").read_text())["paths"]
    assert {
        "vendor/tabler/tabler.min.css",
        "js/workspace/store.js",
        "icons/sprite.svg",
    } <= named.keys()
