"""Reports to Sentry hold the place of an error and nothing anybody typed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from django.test import Client
from sentry_sdk.transport import Transport

from pbcsite import reports_of_errors
from tests.conftest import PROJECT

DSN = "https://public@sentry.example.org/1"
sent: list[Any] = []


class Kept(Transport):
    """Keeps what would be sent."""

    def capture_envelope(self, envelope: Any) -> None:
        sent.extend(item.payload.json for item in envelope.items if item.payload.json)


@pytest.fixture
def reporting() -> Iterator[list[Any]]:
    sent.clear()
    reports_of_errors.start(dsn=DSN, release="1", environment="test")
    client = sentry_sdk.get_client()
    client.transport = Kept()
    yield sent
    sentry_sdk.init(dsn=None)


@pytest.mark.django_db
def test_an_error_of_a_page_names_nobody(
    reporting: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given: Any, **named: Any) -> Any:
        patient = "zebra-local"
        raise RuntimeError(f"Key (identifier)=(zebra-value) of {patient}")

    monkeypatch.setattr("pbcsite.health._is_migrated", failing)
    client = Client(raise_request_exception=False)
    answer = client.get(
        "/healthz?q=zebra-query", headers={"Cookie": "sessionid=zebra-cookie", "X-A": "zebra-head"}
    )
    assert answer.status_code == 500
    events = [each for each in reporting if "exception" in each]
    assert events
    text = json.dumps(reporting)
    assert "zebra" not in text
    assert "127.0.0.1" not in text
    (event,) = events
    assert event["exception"]["values"][-1]["type"] == "RuntimeError"
    assert event["exception"]["values"][-1]["value"] == reports_of_errors.REMOVED
    assert "request" not in event
    assert "user" not in event
    assert len(event["tags"]["request_id"]) == 32


def test_a_line_of_the_log_goes_without_its_arguments(reporting: list[Any]) -> None:
    logging.getLogger("somewhere").error("It failed for %s.", "zebra")
    (event,) = reporting
    assert event["logentry"] == {"message": "It failed for %s."}
    assert "zebra" not in json.dumps(event)


@pytest.mark.parametrize(("dsn", "loaded"), [("", "False True"), (DSN, "True False")])
def test_without_an_address_the_library_is_not_even_loaded(dsn: str, loaded: str) -> None:
    program = (
        "import sys, django; django.setup()\n"
        "there = 'sentry_sdk' in sys.modules\n"
        "print(there, not there)\n"
        "if there:\n"
        "    import sentry_sdk\n"
        "    given = sentry_sdk.get_client().options\n"
        "    assert given['send_default_pii'] is False\n"
        "    assert given['include_local_variables'] is False\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "pbcsite.settings", "SENTRY_DSN": dsn},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == loaded
