"""A real Chromium against a live server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import connections
from django.dispatch import Signal
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cases.models import Laboratory, User
from tests.conftest import PROJECT, missing
from tests.factories import PASSWORD, LaboratoryFactory, member

# Playwright's synchronous interface runs an event loop in this thread, and Django then takes every
# query for one made in asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # the suite may run as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
]
# On a machine that may be busy; what is there is found at once.
PATIENCE_SECONDS = 60
expect.set_options(timeout=PATIENCE_SECONDS * 1000)
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest.fixture(scope="package")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """One browser for all tests here; CHROMIUM names another one than Debian's."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        missing("Chromium is not installed (apt-get install chromium, or set CHROMIUM).")
    opened = {alias: connections[alias] for alias in connections}
    with sync_playwright() as playwright:
        # Under its event loop Django would keep connections of its own in this thread, and those
        # lack the rows that tests which empty the tables bring back.
        for alias, connection in opened.items():
            connections[alias] = connection
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def _requests_end(live_server: Any) -> Iterator[None]:
    """Let the server end what a closed window had asked for, before the tables are emptied.

    PostgreSQL takes a lock on each of them for that, in another order than a request takes its own.
    """
    seen: list[Signal] = []  # by the server's threads

    def note(signal: Signal, **kwargs: Any) -> None:
        seen.append(signal)

    for signal in (request_started, request_finished):
        signal.connect(note)
    yield
    deadline = time.monotonic() + PATIENCE_SECONDS
    while seen.count(request_started) > seen.count(request_finished):
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    for signal in (request_started, request_finished):
        signal.disconnect(note)


@pytest.fixture
def open_page(
    chromium: Browser, live_server: Any, _requests_end: None
) -> Iterator[Callable[..., Page]]:
    """Open a fresh window; what goes wrong in its scripts fails the test."""
    contexts = []
    problems: list[str] = []

    def opened(*, width: int = 1440, height: int = 900, **options: Any) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, base_url=live_server.url, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def laboratory(live_server: Any) -> Laboratory:
    return LaboratoryFactory(name="Hospital San Marcos")


@pytest.fixture
def reviewer(laboratory: Laboratory) -> User:
    return member(laboratory, "reviewer", username="reviewer", first_name="Rafael")


@pytest.fixture
def start_worker(
    process_environment: dict[str, str], bundle_path: Path, tmp_path: Path
) -> Iterator[Callable[[], None]]:
    """Start a Celery worker on this test's database; it looks for waiting cells as it starts."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        with tmp_path.joinpath("worker.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "celery", "-A", "pbcsite", "worker", "--pool=solo"],
                    cwd=PROJECT,
                    env={**process_environment, "CLASSIFY_BATCH_SIZE": "4"},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def log_in(page: Page, username: str) -> None:
    page.goto("/login/")
    page.fill("#id_username", username)
    page.fill("#id_password", PASSWORD)
    page.locator("main button[type=submit]").click()
    page.wait_for_url(re.compile("/(work|cases)/$"))


def serious_findings(page: Page) -> list[str]:
    """What axe-core finds on the page that is serious or critical, with the offending markup."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {node['html'][:160]} ({node['failureSummary'][:200]})"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
