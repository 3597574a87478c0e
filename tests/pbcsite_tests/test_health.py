"""/healthz answers whether pages can be served, /readyz whether all of the site works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from classifier.operations import readiness
from pbcsite.errors import server_error
from tests.classifier_tests.fakes import make_version


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes its time to start the threads that ask."""
    monkeypatch.setattr(readiness, "SECONDS", 60)
    monkeypatch.setattr(readiness, "GOOD_FOR", 600)


@pytest.mark.django_db
def test_answers_ok_to_anybody(client: Any) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.content == b"ok\n"
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_is_not_redirected_to_tls(client: Any, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200


def test_answers_503_without_a_database(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable() -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(connection, "cursor", unavailable)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert b"away" not in answer.content


@pytest.mark.django_db
def test_answers_503_until_migrated(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbcsite.health._migrated", False)
    recorder = MigrationRecorder(connection)
    last = recorder.migration_qs.filter(app="cases").order_by("-id").first()
    recorder.record_unapplied("cases", last.name)
    assert client.get("/healthz").status_code == 503
    recorder.record_applied("cases", last.name)
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_takes_no_post(client: Any) -> None:
    assert client.post("/healthz").status_code == 405


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], str]]:
    """The questions of /readyz, all answered well."""
    questions = dict.fromkeys(("database", "broker", "storage", "model"), lambda: readiness.OK)
    monkeypatch.setattr(readiness, "QUESTIONS", questions)
    readiness.examination.forget()
    return questions


def test_readyz_says_what_answers(client: Any, asked: dict[str, Callable[[], str]]) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert {name: part["detail"] for name, part in answer.json()["parts"].items()} == dict.fromkeys(
        ("database", "broker", "storage", "model"), "ok"
    )
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("part", ["database", "broker", "storage", "model"])
def test_readyz_is_503_when_one_part_fails_and_tells_no_secret(
    client: Any, asked: dict[str, Callable[[], str]], part: str
) -> None:
    def failing() -> str:
        raise OSError("postgres://pbcsite:secret@host/name refused")

    asked[part] = failing
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert [name for name, each in answer.json()["parts"].items() if not each["ok"]] == [part]
    assert b"secret" not in answer.content


def test_readyz_waits_no_longer_than_it_says_and_gathers_no_threads(
    client: Any, asked: dict[str, Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    times = []

    def hanging() -> str:
        times.append(1)
        released.wait(120)
        return readiness.OK

    asked["storage"] = hanging
    monkeypatch.setattr(readiness, "SECONDS", 0.3)
    monkeypatch.setattr(readiness, "GOOD_FOR", 0.0)
    begun = time.monotonic()
    for _ in range(3):
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["parts"]["storage"]["detail"] == "no answer in time"
    assert time.monotonic() - begun < 60
    assert len(times) == 1
    released.set()


def test_readyz_asks_once_in_a_while_only(client: Any, asked: dict[str, Callable[[], str]]) -> None:
    times = []
    asked["broker"] = lambda: times.append(1) or readiness.OK
    for _ in range(5):
        client.get("/readyz")
    assert len(times) == 1


@pytest.mark.django_db(transaction=True)
def test_readyz_asks_the_real_parts(client: Any, settings: Any, tmp_path: Path) -> None:
    """A model without its bundle is the one thing that is missing here."""
    make_version()
    readiness.examination.forget()
    parts = client.get("/readyz").json()["parts"]
    assert {name for name, each in parts.items() if each["ok"]} == {"database", "broker", "storage"}
    assert "bundle is missing" in parts["model"]["detail"]

    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": str(tmp_path / "f")}},
    }
    tmp_path.joinpath("f").write_text("a file where the folder should be")
    readiness.examination.forget()
    assert client.get("/readyz").json()["parts"]["storage"]["detail"] == "cannot be written to"


def test_a_page_without_a_database_says_so_and_offers_to_load_it_again(rf: Any) -> None:
    def page(request: Any) -> str:
        try:
            raise OperationalError("away")
        except OperationalError:
            answer = server_error(request)
        assert (answer.status_code, "Retry-After" in answer) == (503, True)
        return answer.content.decode()

    asked = rf.get("/cases/", {"q": '"><script>'})
    asked.csp_nonce = "n"
    said = page(asked)
    assert 'href="/cases/?q=%22%3E%3Cscript%3E"' in said
    assert "Load the page again" in said
    posted = rf.post("/cases/new/")
    posted.csp_nonce = "n"
    assert "Load the page again" not in page(posted), "a form is not sent twice"
