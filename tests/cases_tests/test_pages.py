"""Pages of text: in both languages, for everybody, and no HTML from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cases.markdown import render_markdown
from cases.models import Page
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("language", "slug", "words"),
    [
        ("en", "project", ["About the project", "never a diagnosis", "no class for blasts"]),
        (
            "es",
            "project",
            ["Sobre el proyecto", "nunca un diagnóstico", "No tiene clase para blast"],
        ),
        ("en", "us", ["About us", "administrator of your laboratory"]),
        ("es", "us", ["Quiénes somos", "administrador de su laboratorio"]),
    ],
)
def test_anybody_reads_them_in_their_language(
    client: Client, language: str, slug: str, words: list[str]
) -> None:
    page = client.get(f"/about/{slug}/", headers={"Accept-Language": language})
    text = page.content.decode()
    for each in words:
        assert each in text
    assert "<h2>" in text
    assert page.templates[0].name == "cases/about.html"


def test_who_is_logged_in_keeps_the_menu(client: Client) -> None:
    client.force_login(UserFactory())
    assert 'id="menu"' in client.get("/about/project/").content.decode()


def test_a_page_nobody_wrote_is_not_there(client: Client) -> None:
    assert client.get("/about/nothing/").status_code == 404


def test_what_an_administrator_writes_is_shown(client: Client) -> None:
    Page.objects.filter(slug="us").update(
        body_en="## The **team**\n\n- [Write](https://example.org/)\n\n<script>alert(1)</script>"
    )
    text = client.get("/about/us/").content.decode()
    assert "<h2>The <strong>team</strong></h2>" in text
    assert '<a href="https://example.org/">Write</a>' in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize(
    "written",
    [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
        '[x](https://a.example "\\" onclick=\\"alert(1)")',
        "![x](https://elsewhere.example/pixel.png)",
        '<img src=x onerror="alert(1)">',
        "<div style='position:fixed'>x</div>",
    ],
)
def test_nothing_written_runs_or_loads(written: str) -> None:
    made = render_markdown(written)
    assert "<img" not in made
    assert "<script" not in made
    assert "<div" not in made
    assert 'href="javascript' not in made.lower()
    assert 'href="data' not in made
    assert 'href="vbscript' not in made
    assert '" onclick="' not in made
