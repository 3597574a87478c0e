"""/healthz answers whether pages can be served."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder


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
