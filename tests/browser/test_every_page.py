"""Every address that answers with a page, taken from the access matrix so that none is forgotten.

Fails on a serious finding of axe-core, on anything wider than the screen, refused by the content
policy or fetched from another host, on a page that moves under the reader's hand and on a heavy
one.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from playwright.sync_api import BrowserContext, Page

from cases.models import User
from tests.access_world import MARK, WHO, World
from tests.accounts_tests.conftest import add_app, add_recovery_codes
from tests.browser.conftest import serious_findings
from tests.factories import PASSWORD, UserFactory
from tests.test_access_matrix import ACCOUNTS, API_ROUTES, PAGES

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(900),  # some seventy pages, a second or two each
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="only for the embedded database: pages look the same"
    ),
]
TABLE = PAGES | ACCOUNTS | {"api-docs": API_ROUTES["api-docs"]}
# Whoever may see most first; one change of session costs more than a page.
ORDER = ("administrator", "reviewer", "technician", "nobody")
# Files to download, pictures, probes, and parts of pages: nothing of these is shown by itself.
NO_PAGES = {
    "audit_export", "case_cells", "case_cells_file", "case_counts_file", "case_failures",
    "case_fhir_file", "case_progress", "case_report_file", "case_result_panel", "case_training",
    "cell_correct", "cell_inspector", "cell_look_alikes", "cell_photo", "healthz", "home",
    "image_file", "image_thumbnail", "image_tile", "invitation_accept", "laboratory_training",
    "metrics", "mfa_download_recovery_codes",
    "mfa_reauthenticate_webauthn", "model_atlas", "model_picture", "model_run",
    "patient_suggestions", "projection_atlas", "projection_picture", "projection_points",
    "projection_progress", "quick_look_heatmap", "quick_look_photo", "quick_look_progress",
    "reading_photo", "readyz",
}  # fmt: skip
# Pages for which a person needs something that the matrix's people do not have.
MORE = {
    "mfa_activate_totp": "reviewer",
    "mfa_add_webauthn": "reviewer",
    "mfa_authenticate": "on the way in",
    "mfa_deactivate_totp": "administrator",
    "mfa_edit_webauthn": "technician",
    "mfa_generate_recovery_codes": "administrator",
    "mfa_reauthenticate": "administrator",
    "mfa_remove_webauthn": "technician",
    "mfa_view_recovery_codes": "administrator",
    "account_set_password": "without password",
}
PATIENCE_SECONDS = 60
BYTES_WITHOUT_IMAGES = 1_000_000
# Browsers call a tenth good and a quarter poor; a loaded machine paints in more steps.
SHIFT = 0.15
WATCH_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => list.getEntries().forEach((each) => {
  window.shifted += each.value;
})).observe({ type: 'layout-shift', buffered: true });
"""


class Scales:
    """Weighs what a page fetches besides images, each time as for the first visit.

    Static files count as they are sent outside of development, compressed once and for all; what
    the site computes counts as it is sent here.
    """

    def __init__(self, page: Page) -> None:
        self.sent: dict[str, tuple[str, str]] = {}
        self.bytes: dict[str, float] = {}
        self.awaited: set[str] = set()
        self.page = page
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        network.on("Network.requestWillBeSent", self._asked)
        network.on("Network.responseReceived", self._answered)
        network.on("Network.loadingFinished", self._finished)
        network.on("Network.loadingFailed", self._failed)

    def _asked(self, event: Any) -> None:
        self.awaited.add(event["requestId"])

    def _answered(self, event: Any) -> None:
        self.sent[event["requestId"]] = (event["type"], event["response"]["url"])

    def _finished(self, event: Any) -> None:
        self.bytes[event["requestId"]] = event["encodedDataLength"]
        self.awaited.discard(event["requestId"])

    def _failed(self, event: Any) -> None:
        self.awaited.discard(event["requestId"])

    def clear(self) -> None:
        self.sent.clear()
        self.bytes.clear()
        self.awaited.clear()

    def wait_until_all_is_there(self) -> None:
        """Until a moment has passed in which nothing was awaited.

        Playwright's own ``networkidle`` takes half a second of silence, at each of all the pages.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        silent = 0
        while silent < 3:
            self.page.wait_for_timeout(50)
            silent = 0 if self.awaited else silent + 1
            assert time.monotonic() < deadline, self.awaited

    def weight(self) -> float:
        kept = [
            (url, self.bytes.get(key, 0))
            for key, (kind, url) in self.sent.items()
            if kind != "Image"
        ]
        return sum(min(size, compressed(url) or size) for url, size in kept)


@cache
def compressed(url: str) -> int:
    """Bytes of a static file when it is compressed; 0 for what is none."""
    _before, found, name = url.partition(settings.STATIC_URL)
    path = finders.find(name) if found else None
    return len(gzip.compress(Path(path).read_bytes())) if path else 0


@pytest.fixture
def world(live_server: Any) -> World:
    """The matrix's people, with what some pages ask for besides."""
    world = World()
    administrator = world.people["administrator"]
    assert administrator is not None
    add_app(administrator)
    add_recovery_codes(administrator)
    key = Authenticator.objects.create(
        user=world.people["technician"],
        type="webauthn",
        data={"name": "Blue key", "credential": {}},
    )
    world.pk["key"] = key.pk
    world.people["on the way in"] = None
    without = UserFactory(username="without")
    without.set_unusable_password()
    without.save()
    world.people["without password"] = without
    return world


def sign_in(context: BrowserContext, user: User | None, site: str) -> None:
    """Be this person, who gave a password a moment ago; nobody for ``None``."""
    context.clear_cookies()
    if user is None:
        return
    client = Client()
    client.force_login(user)
    session = client.session
    request = HttpRequest()
    request.session = session
    record_authentication(request, user, "password", reauthenticated=True)
    session.save()
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": site}])


def walk() -> list[tuple[str, str]]:
    """Who looks at which address, people in a row."""
    found = []
    for key, row in TABLE.items():
        if key in NO_PAGES or "GET" not in row.answers:
            continue
        can = {who for who, status in zip(WHO, row.answers["GET"], strict=True) if status == 200}
        found.append((MORE.get(key) or next(who for who in ORDER if who in can), key))
    return sorted(found, key=lambda each: each[0])


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1440), ("es", "dark", 390)]
)
def test_every_page_keeps_its_promises(
    open_page: Callable[..., Page],
    world: World,
    live_server: Any,
    language: str,
    scheme: str,
    width: int,
) -> None:
    page = open_page(width=width, height=844, color_scheme=scheme, locale=language)
    page.add_init_script(WATCH_SHIFTS)
    scales = Scales(page)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    faults: dict[str, list[Any]] = {}
    present = ""
    for who, key in walk():
        if who != present:
            sign_in(page.context, world.people[who], live_server.url)
            present = who
        if who == "on the way in":
            begin_log_in(page)
        path = TABLE[key].path.format(**world.pk)
        if key in ("mfa_edit_webauthn", "mfa_remove_webauthn"):
            path = path.replace("/1/", f"/{world.pk['key']}/")
        scales.clear()
        answer = page.goto(path)
        assert answer is not None
        scales.wait_until_all_is_there()
        assert answer.status == 200, key
        assert page.url == live_server.url + path, key
        if not answer.text().lstrip().lower().startswith("<!doctype html>"):
            continue  # part of a page, or data
        found: list[Any] = serious_findings(page)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("wider than the screen")
        if (shifted := page.evaluate("window.shifted")) > SHIFT:
            found.append(f"moves by {shifted:.3f}")
        if (weight := scales.weight()) > BYTES_WITHOUT_IMAGES:
            found.append(f"weighs {weight:.0f} bytes")
        if key != "api-docs":  # English alone, and light: the library has no other
            assert page.evaluate("document.documentElement.lang") == language
            assert page.evaluate("document.documentElement.dataset.bsTheme") == scheme
        if found:
            faults[key] = found
    assert not faults, "\n".join(f"{key}: {found}" for key, found in faults.items())
    assert [url for url in elsewhere if not url.startswith((live_server.url, "data:"))] == []
    assert [text for text in refused if "Content Security Policy" in text] == []


def begin_log_in(page: Page) -> None:
    """As far as the second factor."""
    page.goto("/login/")
    page.fill("#id_username", f"{MARK}-a")
    page.fill("#id_password", PASSWORD)
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/login/second-factor/")
