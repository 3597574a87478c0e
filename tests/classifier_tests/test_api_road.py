"""The whole road through the API, with web, broker and worker in processes of their own.

On the embedded defaults that is SQLite and the bundled broker; continuous integration walks it
again on PostgreSQL and Redis.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from PIL import Image

from cases.models import Role
from classifier.models import Prediction
from tests.classifier_tests.live import WORKER, Processes
from tests.factories import PASSWORD, LaboratoryFactory, member

pytestmark = [
    pytest.mark.processes,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.django_db(transaction=True),
]

PER_CLASS = 3
IMAGES = 8 * PER_CLASS
PATIENCE_SECONDS = 240


class Client:
    """A program that talks to the API and nothing else."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False

    def __call__(self, method: str, path: str, expected: int = 200, **options: Any) -> Any:
        answer = self.session.request(method, f"{self.base}/{path}", timeout=60, **options)
        assert answer.status_code == expected, answer.text
        return answer.json()


@pytest.fixture
def api(processes: Processes) -> Iterator[Client]:
    """A client of a web process that serves this test's database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.environment.update(DEBUG="1")
    processes.start_module(
        "web", "gunicorn", "pbcsite.wsgi", "--bind", f"127.0.0.1:{port}", "--threads", "2"
    )
    client = Client(f"http://127.0.0.1:{port}/api/v1")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if client.session.get(f"http://127.0.0.1:{port}/healthz", timeout=60).ok:
                break
        except requests.ConnectionError:  # it does not listen yet
            pass
        if time.monotonic() > deadline:
            pytest.fail(f"the web process does not answer\n{processes.log()}")
        time.sleep(0.2)
    yield client
    client.session.close()


def counts_of(case: dict[str, Any]) -> dict[str, int]:
    return {each["code"]: each["count"] for each in case["classes"]}


def test_a_case_from_token_to_correction(
    api: Client, processes: Processes, pbc_images: dict[str, list[Path]]
) -> None:
    robot = member(LaboratoryFactory(), Role.REVIEWER, username="robot")
    # The suite hashes passwords cheaply; the web process does not know that hash.
    robot.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt-of-the-test")
    robot.save()
    login = {"username": "robot", "password": PASSWORD}
    token = api("POST", "auth/token/", json=login)
    assert set(token) == {"token", "expiry"}
    api.session.headers["Authorization"] = f"Token {token['token']}"

    patient = api("POST", "patients/", 201, json={"identifier": "HC-7"})
    case = api(
        "POST", "cases/", 201, json={"patient": patient["id"], "accession_number": "26-000007"}
    )
    address = f"cases/{case['id']}"
    assert api("GET", f"{address}/counts/")["status"] == "open"

    # 24 images and a text file that calls itself one, in a single request, each answered.
    chosen = [path for paths in pbc_images.values() for path in paths[:PER_CLASS]]
    files = [("files", (path.name, path.read_bytes())) for path in chosen]
    files.append(("files", ("notes.jpg", b"These are only words.\n" * 10)))
    answers = api("POST", f"{address}/images/", 201, files=files)["files"]
    assert [each["outcome"] for each in answers] == ["accepted"] * IMAGES + ["rejected"]
    assert answers[-1]["message"]

    # Nobody works yet: everything waits. Then the worker comes.
    waiting = api("GET", f"{address}/counts/")
    assert (waiting["status"], waiting["pending"], waiting["total"]) == (
        "processing",
        IMAGES,
        IMAGES,
    )
    processes.start("worker", *WORKER)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (counts := api("GET", f"{address}/counts/"))["pending"]:
        if time.monotonic() > deadline:
            pytest.fail(f"cells are still pending: {counts}\n{processes.log()}")
        time.sleep(0.5)
    assert (counts["status"], counts["failed"]) == ("in_review", 0)
    assert sum(counts_of(counts).values()) == IMAGES == Prediction.objects.count()
    leukocytes = [each for each in counts["classes"] if each["percent"] is not None]
    assert sum(each["count"] for each in leukocytes) == counts["leukocytes"]
    assert sum(each["percent"] for each in leukocytes) == pytest.approx(100, abs=0.5)
    for each in leukocytes:
        assert each["ci_low"] <= each["percent"] <= each["ci_high"]

    # Every cell has its prediction with eight probabilities, and a heatmap of any class.
    cell = api("GET", f"cells/?case={case['id']}&ordering=confidence")["results"][0]
    (prediction,) = api("GET", f"predictions/?cell={cell['id']}")["results"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    heatmap = api.session.get(
        f"{api.base}/cells/{cell['id']}/heatmap/?class=platelet&size=224", timeout=60
    )
    assert heatmap.headers["content-type"] == "image/png"
    assert max(Image.open(io.BytesIO(heatmap.content)).size) == 224

    # A correction changes the counts; one made on what was there before is refused.
    correction = {"to": "blast", "comment": "nucleoli", "version": cell["version"]}
    api("POST", f"cells/{cell['id']}/corrections/", 201, json=correction)
    stale = api("POST", f"cells/{cell['id']}/corrections/", 409, json=correction)
    assert stale["status"] == 409
    after = counts_of(api("GET", f"{address}/counts/"))
    assert after["blast"] == 1
    assert after[prediction["predicted_class"]] == (
        counts_of(counts)[prediction["predicted_class"]] - 1
    )
    assert sum(after.values()) == IMAGES

    # The same in Spanish.
    api.session.headers["Accept-Language"] = "es"
    names = {each["name"] for each in api("GET", f"{address}/counts/")["classes"]}
    assert {"Neutrófilo", "Blasto"} <= names
