"""What every answer carries, and what the site never does."""

from __future__ import annotations

import ast
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.test import Client
from django.urls import reverse

from cases.models import Cell, SmearCase, User
from pbcsite import checks
from tests.conftest import PROJECT
from tests.factories import (
    PASSWORD,
    CellFactory,
    LaboratoryFactory,
    SmearCaseFactory,
    UserFactory,
    member,
    picture_bytes,
    upload,
)

API = "/api/v1"
SCRIPTS_WITHOUT_CODE = {"application/json", "importmap"}


@pytest.fixture
def case(db: None) -> SmearCase:
    return SmearCaseFactory(laboratory=LaboratoryFactory())


@pytest.fixture
def cell(case: SmearCase) -> Cell:
    return CellFactory(case=case)


@pytest.fixture
def administrator(case: SmearCase) -> User:
    return member(case.laboratory, "administrator", is_staff=True, is_superuser=True)


@pytest.fixture
def client(administrator: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(administrator)
    return client


def policy_of(answer: Any) -> dict[str, list[str]]:
    """The directives of the answer's content security policy."""
    header = answer["Content-Security-Policy"]
    parts = (each.split() for each in header.split(";"))
    return {name: sources for name, *sources in parts}


# --- content security policy ---------------------------------------------------------------------
def test_scripts_of_pages_run_by_nonce_alone(client: Client, cell: Cell) -> None:
    seen = set()
    for address in (
        "/cases/",
        f"/cases/{cell.case_id}/",
        f"/cells/{cell.pk}/",
        "/cases/987654/",  # not found
        f"{API}/docs/",
    ):
        answer = client.get(address)
        policy = policy_of(answer)
        (source,) = policy["script-src"]
        nonce = re.fullmatch(r"'nonce-([A-Za-z0-9+/=]{22,})'", source)
        assert nonce, (address, source)
        scripts = re.findall(r"<script([^>]*)>", answer.content.decode())
        code = [each for each in scripts if "application/json" not in each]
        assert code, address
        assert all(f'nonce="{nonce[1]}"' in each for each in code), address
        seen.add(nonce[1])
    assert len(seen) == 5


@pytest.mark.parametrize(
    "address", ["/cases/", "/login/", "/healthz", "/admin/", f"{API}/me/", f"{API}/docs/", "/no/"]
)
def test_nothing_inline_and_nothing_from_elsewhere(client: Client, address: str) -> None:
    policy = policy_of(client.get(address))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    sources = {source for each in policy.values() for source in each}
    allowed = {"'none'", "'self'", "data:"}
    assert {each for each in sources if not each.startswith("'nonce-")} <= allowed
    assert "data:" not in policy["script-src"] + policy["style-src"]


def test_only_djangos_admin_takes_scripts_by_origin(client: Client) -> None:
    assert policy_of(client.get("/admin/"))["script-src"] == ["'self'"]
    assert policy_of(client.get("/admin/cases/patient/"))["script-src"] == ["'self'"]
    assert policy_of(client.get("/cases/"))["script-src"] != ["'self'"]


def test_a_failing_page_has_its_scripts_too(
    client: Client, case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("cases.views.case_detail.case_counts", broken)
    answer = client.get(f"/cases/{case.pk}/")
    assert answer.status_code == 500
    (source,) = policy_of(answer)["script-src"]
    assert f'nonce="{source[7:-1]}"' in answer.content.decode()


def test_templates_have_no_inline_script_style_or_handler() -> None:
    """Read in the source, so that a page nobody tests in a browser cannot break the policy."""
    faults = []
    for path in sorted(PROJECT.joinpath("templates").rglob("*.html")):
        text = path.read_text()
        for attributes, content in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL):
            kind = re.search(r'type="([^"]+)"', attributes)
            if kind and kind[1] in SCRIPTS_WITHOUT_CODE:
                continue
            if content.strip():
                faults.append(f"{path}: inline script")
            elif 'nonce="{{ request.csp_nonce }}"' not in attributes:
                faults.append(f"{path}: a script without its nonce")
        if "<style" in text or re.search(r"<[a-z][^>]*\s(style|on[a-z]+)=", text):
            faults.append(f"{path}: inline style or handler")
    assert faults == []


# --- other headers -------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["/cases/", "/login/", "/no/", f"{API}/me/", "/admin/"])
def test_headers_of_every_answer(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    closed = answer["Permissions-Policy"].split(", ")
    assert {"camera=()", "microphone=()", "geolocation=()"} <= set(closed)
    assert "publickey-credentials-get=(self)" in closed


def test_what_somebody_read_stays_out_of_the_browsers_disk(client: Client, cell: Cell) -> None:
    for address in ("/cases/", f"/cases/{cell.case_id}/", f"{API}/patients/"):
        assert "no-store" in client.get(address)["Cache-Control"], address
    assert Client().get("/login/").headers.get("Cache-Control", "").startswith("max-age=0")
    photo = client.get(reverse("cell_photo", args=[cell.pk]))
    assert "private" in photo["Cache-Control"]


def test_static_files_are_kept_as_whitenoise_says(client: Client) -> None:
    answer = client.get("/static/css/site.css")
    assert answer.status_code == 200
    assert "no-store" not in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(administrator: User) -> None:
    client = Client()
    answer = client.post(
        "/login/", {"username": administrator.username, "password": PASSWORD}, follow=False
    )
    assert answer.status_code == 302
    cookie = client.cookies[site.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert client.cookies["csrftoken"]["samesite"] == "Lax"


# --- uploads -------------------------------------------------------------------------------------
HTML = b"<!DOCTYPE html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.php", "a.jpg.html", "a.jpg"])
@pytest.mark.parametrize("data", [HTML, SVG])
def test_pages_and_scripts_are_no_images(
    client: Client, case: SmearCase, name: str, data: bytes
) -> None:
    answer = client.post(f"{API}/cases/{case.pk}/images/", {"files": upload(name, data)})
    assert answer.status_code == 422
    assert not case.images.exists()


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_picture_that_is_a_page_too_is_served_as_a_picture(
    client: Client, case: SmearCase, format: str
) -> None:
    polyglot = picture_bytes(format) + HTML
    answer = client.post(f"{API}/cases/{case.pk}/images/", {"files": upload("a.html", polyglot)})
    assert answer.status_code == 201
    image = case.images.get()
    assert image.file.name.endswith((".png", ".jpg"))
    for address in (f"/images/{image.pk}/file/", f"{API}/images/{image.pk}/file/"):
        got = client.get(address)
        content = b"".join(got.streaming_content)
        assert b"<script" not in content
        assert got["Content-Type"] in ("image/png", "image/jpeg")
        assert got["X-Content-Type-Options"] == "nosniff"
        assert policy_of(got) == {"default-src": ["'none'"], "sandbox": []}


def test_a_file_that_is_no_picture_is_handed_out_never_shown(client: Client, cell: Cell) -> None:
    """However it came into the storage."""
    image = cell.image
    image.file.name = image.file.storage.save("strange.html", upload("strange.html", HTML))
    image.save()
    answer = client.get(f"/images/{image.pk}/file/")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")


def test_uploads_lie_apart_from_what_is_served_to_anybody(settings: Any, tmp_path: Path) -> None:
    assert checks.uploads_are_apart(None) == []
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "media")},
        },
    }
    (problem,) = checks.uploads_are_apart(None)
    assert problem.id == "pbcsite.E002"


# --- requests the server makes -------------------------------------------------------------------
# What opens a connection by an address somebody may have written.
FETCHING = {
    "aiohttp", "boto3", "ftplib", "http.client", "httpx", "requests", "socket", "telnetlib",
    "urllib.request", "urllib3",
}  # fmt: skip


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{each.name}" for each in node.names}
    return names


def test_no_code_of_the_site_can_fetch_an_address() -> None:
    """Web and worker talk to the database, the broker and the storage, which settings name."""
    found = {
        f"{path.relative_to(PROJECT)}: {name}"
        for app in ("pbcsite", "accounts", "audit", "reports", "cases", "classifier", "ml")
        for path in PROJECT.joinpath(app).rglob("*.py")
        for name in imported(path) & FETCHING
    }
    assert found == set()


def test_addresses_people_send_are_never_opened(
    client: Client, case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every field of the API and an upload filled with an address: no name looked up, no socket."""
    asked: list[Any] = []

    def noted(*arguments: Any, **options: Any) -> Any:
        asked.append(arguments)
        raise OSError("the test allows no connection")

    url = "http://127.0.0.1:9/secret"
    monkeypatch.setattr(socket, "getaddrinfo", noted)
    monkeypatch.setattr(socket, "create_connection", noted)
    json = {"content_type": "application/json"}
    fields = ("identifier", "name", "accession_number", "clinical_note", "url", "file", "image")
    client.post(f"{API}/patients/", dict.fromkeys(fields, url), **json)
    client.post(f"{API}/cases/", {**dict.fromkeys(fields, url), "patient": case.patient_id}, **json)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'.encode()
    for name, data in (("a.svg", svg), ("http://127.0.0.1:9/a.png", picture_bytes())):
        client.post(f"{API}/cases/{case.pk}/images/", {"files": upload(name, data)})
        client.post(f"{API}/cases/{case.pk}/images/", {"files": url, "url": url})
    assert case.images.count() == 1
    assert asked == []


# --- secrets -------------------------------------------------------------------------------------
def test_no_secret_lies_in_the_code() -> None:
    """Settings that hold secrets are read from the environment, by name."""
    text = PROJECT.joinpath("pbcsite", "settings.py").read_text()
    for name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "REDIS_URL"):
        values = re.findall(rf"^\s*{name} = (.*)$", text, re.MULTILINE)
        assert values, name
        assert all(each.startswith("env.read_") for each in values), name


@pytest.mark.django_db
def test_old_keys_still_read_what_they_signed(settings: Any) -> None:
    user = UserFactory()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    client = Client()
    client.force_login(user)
    settings.SECRET_KEY = "another-" + "y" * 60
    assert client.get("/cases/").status_code == 200
