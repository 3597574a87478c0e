"""Pages of people and access in a real browser, and a security key from adding to logging in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from cases.accounts.models import Invitation
from cases.accounts.services.invitations import digest_of
from cases.audit.models import AuditHead
from cases.audit.services import record
from cases.models import Laboratory, User
from tests.accounts_tests.conftest import add_app, add_recovery_codes
from tests.browser.conftest import log_in, serious_findings
from tests.factories import PASSWORD, SmearCaseFactory, member

pytestmark = [pytest.mark.browser, pytest.mark.slow]
KEY = {
    "protocol": "ctap2",
    "transport": "usb",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
BEFORE = ("/login/", "/account/password/reset/", "/account/password/reset/sent/",
          "/account/password/reset/1-abc/", "/login/closed/", "/invitations/open/")  # fmt: skip
AFTER = ("/account/password/", "/account/email/", "/account/second-factor/",
         "/account/second-factor/keys/", "/account/sessions/", "/account/tokens/", "/members/",
         "/audit/", "/audit/?who=nobody", "/account/second-factor/app/")  # fmt: skip


@pytest.fixture
def administrator(laboratory: Laboratory) -> User:
    """With something on every page: people of each kind, invitations, entries."""
    adela: User = member(
        laboratory, "administrator", username="adela", email="adela@example.org", language=""
    )
    rita = member(laboratory, "reviewer", username="rita")
    add_app(rita)
    add_recovery_codes(rita)
    member(laboratory, "technician", username="tomas", is_active=False)
    for number, secret in enumerate(("open", "other")):
        Invitation.objects.create(
            laboratory=laboratory,
            email=f"somebody.with.a.long.name{number}@hospital.example.org",
            role="reviewer",
            digest=digest_of(secret),
            expires_at=timezone.now() + timedelta(days=5),
        )
    AuditHead.objects.get_or_create(pk=1)
    case = SmearCaseFactory(laboratory=laboratory)
    for action in ("viewed", "changed", "exported", "signed"):
        record(
            action=action,
            subject="GET case_detail",
            user=rita,
            laboratory_id=laboratory.pk,
            case_id=case.pk,
            details={"path": f"/cases/{case.pk}/"},
            address="10.0.0.7",
        )
    return adela


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1440), ("es", "dark", 390)]
)
def test_pages_are_accessible_and_fit(
    open_page: Callable[..., Page],
    administrator: User,
    language: str,
    scheme: str,
    width: int,
) -> None:
    page = open_page(width=width, height=844, color_scheme=scheme, locale=language)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    faults: dict[str, Any] = {}

    def look(address: str) -> None:
        page.goto(address)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.lang") == language
        if found := serious_findings(page):
            faults[address] = found
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults[address] = "wider than the screen"

    for address in BEFORE:
        look(address)
    log_in(page, "adela")
    for address in AFTER:
        look(address)
    confirm(page)
    look("/account/second-factor/app/")
    assert faults == {}
    assert [text for text in refused if "Policy" in text] == []


def confirm(page: Page) -> None:
    """Give the password again where the page asks for it."""
    page.fill("[name=password]", PASSWORD)
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url("**/second-factor/**")


def test_a_security_key_is_added_and_logs_in(
    open_page: Callable[..., Page], administrator: User
) -> None:
    page = open_page()
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    log_in(page, "adela")
    page.goto("/account/second-factor/keys/add/")
    confirm(page)
    page.fill("[name=name]", "Blue key")
    page.get_by_role("button", name="Add").click()
    page.wait_for_url("**/recovery/**")
    expect(page.locator("#recovery_codes li")).to_have_count(10)
    page.goto("/account/second-factor/keys/")
    expect(page.get_by_text("Blue key")).to_be_visible()
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login/")
    page.fill("#id_username", "adela")
    page.fill("#id_password", PASSWORD)
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/login/second-factor/**")
    assert serious_findings(page) == []
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url("**/work/")
