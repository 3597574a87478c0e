"""``Idempotency-Key``: the same request twice is carried out once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from cases.api import cell_views
from cases.models import Cell, Correction, IdempotentAnswer, Role, SmearCase
from tests.factories import SmearCaseFactory, member, named_cell, upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def case() -> SmearCase:
    return SmearCaseFactory()


@pytest.fixture
def client(case: SmearCase) -> APIClient:
    return client_in(case)


def client_in(case: SmearCase) -> APIClient:
    client = APIClient()
    client.force_login(member(case.laboratory, Role.REVIEWER))
    return client


def send(client: APIClient, case: SmearCase, key: str, *seeds: int) -> Any:
    files = [upload(f"{seed}.png", seed=seed) for seed in seeds]
    return client.post(
        f"/api/v1/cases/{case.pk}/images/",
        {"files": files},
        format="multipart",
        HTTP_IDEMPOTENCY_KEY=key,
    )


def correct(client: APIClient, cell: Cell, key: str, to: str = "monocyte") -> Any:
    return client.post(
        f"/api/v1/cells/{cell.pk}/corrections/", {"to": to}, HTTP_IDEMPOTENCY_KEY=key
    )


def test_a_repeated_upload_is_answered_with_the_first_answer(
    client: APIClient, case: SmearCase
) -> None:
    first = send(client, case, "one", 1, 2)
    again = send(client, case, "one", 1, 2)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert first.json() == again.json()
    assert Cell.objects.count() == 2
    # Without the key the same files are duplicates.
    assert send(client, case, "two", 1, 2).status_code == 200


def test_a_key_stands_for_one_request_of_one_person(client: APIClient, case: SmearCase) -> None:
    send(client, case, "one", 1)
    refused = send(client, case, "one", 2)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert Cell.objects.count() == 1
    other_path = SmearCaseFactory(laboratory=case.laboratory)
    assert send(client, other_path, "one", 1).status_code == 201
    assert send(client_in(case), case, "one", 3).status_code == 201


def test_a_repeated_correction_is_made_once(client: APIClient, case: SmearCase) -> None:
    cell = named_cell(case, "neutrophil")
    first, again = correct(client, cell, "k"), correct(client, cell, "k")
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert Correction.objects.count() == 1
    refused = correct(client, cell, "k", "blast")
    assert refused.json()["code"] == "idempotency_key_reused"


def test_a_failed_request_leaves_its_key_free(client: APIClient, case: SmearCase) -> None:
    cell = named_cell(case, "neutrophil")
    assert correct(client, cell, "k", "dragon").status_code == 400
    assert not IdempotentAnswer.objects.exists()
    assert correct(client, cell, "k", "monocyte").status_code == 201


def test_a_key_in_use_is_a_conflict_until_it_is_abandoned(
    client: APIClient, case: SmearCase
) -> None:
    cell = named_cell(case, "neutrophil")
    assert correct(client, cell, "k").status_code == 201
    # As a process leaves it that died before it answered.
    IdempotentAnswer.objects.update(status=None, body=None)
    refused = correct(client, cell, "k")
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_in_use")
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert correct(client, cell, "k").status_code == 201
    assert IdempotentAnswer.objects.get().status == 201


def test_a_correction_and_its_answer_are_kept_together(
    client: APIClient, case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = named_cell(case, "neutrophil")

    def crash(*args: Any, **kwargs: Any) -> Any:
        cell_views_correct(*args, **kwargs)
        raise RuntimeError("between the correction and its answer")

    cell_views_correct = cell_views.correct_cell
    with monkeypatch.context() as broken:
        broken.setattr(cell_views, "correct_cell", crash)
        with pytest.raises(RuntimeError):
            correct(client, cell, "k")
    assert not Correction.objects.exists()
    assert correct(client, cell, "k").status_code == 201


def test_a_refusal_of_every_file_is_repeated_as_the_problem_it_was(
    client: APIClient, case: SmearCase
) -> None:
    first, again = (
        client.post(
            f"/api/v1/cases/{case.pk}/images/",
            {"files": [upload("a.jpg", b"text")]},
            format="multipart",
            HTTP_IDEMPOTENCY_KEY="k",
        )
        for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (422, 422)
    assert again["Idempotent-Replayed"] == "true"
    assert again["Content-Type"] == first["Content-Type"] == "application/problem+json"
    assert again.json() == first.json()


def test_old_answers_are_forgotten(client: APIClient, case: SmearCase) -> None:
    send(client, case, "one", 1)
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert "Idempotent-Replayed" not in send(client, case, "one", 1)
    assert IdempotentAnswer.objects.count() == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "ü"])
def test_strange_keys_are_refused(client: APIClient, case: SmearCase, key: str) -> None:
    refused = send(client, case, key, 1)
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_invalid")


@pytest.mark.django_db(transaction=True)
def test_the_same_request_twice_at_once_is_carried_out_once(
    case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_in(case)
    cell = named_cell(case, "neutrophil")
    together = threading.Barrier(3, timeout=20)

    def repeat(_: int) -> int:
        try:
            mine = APIClient()
            mine.cookies = client.cookies
            together.wait()
            return int(correct(mine, cell, "k").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        statuses = list(pool.map(repeat, range(3)))
    assert 201 in statuses
    assert set(statuses) <= {201, 409}
    assert Correction.objects.count() == 1
