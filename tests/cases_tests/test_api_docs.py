"""The examples of docs/api.md, run exactly as they stand against a live server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from cases.models import Cell, Correction, Role, SmearCase
from classifier.services.work import run_pending
from tests.classifier_tests.fakes import FakePredictor, make_version
from tests.conftest import missing
from tests.factories import PASSWORD, LaboratoryFactory, member

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def examples(language: str) -> str:
    """All blocks of this language, one below the other."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    return "\n".join(blocks)


@pytest.fixture
def worker(transactional_db: None) -> Iterator[None]:
    """What a worker does, in a thread: classify whatever waits."""
    make_version()
    leave = threading.Event()

    def work() -> None:
        try:
            while not leave.wait(0.1):
                run_pending(predictor=FakePredictor())
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    leave.set()
    thread.join()


@pytest.fixture
def environment(live_server: Any, pbc_images: Any, worker: None) -> dict[str, str]:
    member(LaboratoryFactory(), Role.REVIEWER, username="guide")
    return {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "BASE_URL": f"{live_server.url}/api/v1",
        "USERNAME": "guide",
        "PASSWORD": PASSWORD,
        "FIRST_IMAGE": str(pbc_images["neutrophil"][0]),
        "SECOND_IMAGE": str(pbc_images["lymphocyte"][0]),
    }


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        command,
        check=False,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_road_was_gone(accession_number: str, to: str) -> None:
    case = SmearCase.objects.get(accession_number=accession_number)
    assert case.status == "in_review"
    assert Cell.objects.filter(case=case, state="done").count() == 2
    correction = Correction.objects.get(cell__case=case)
    assert (correction.to_class.code, correction.made_by.username) == (to, "guide")


@pytest.mark.processes
def test_the_curl_examples(environment: dict[str, str], tmp_path: Path) -> None:
    for tool in ("bash", "curl", "python3"):
        if shutil.which(tool) is None:
            missing(f"{tool} is not installed")
    script = "set -euo pipefail\n" + examples("bash")
    printed = run(["bash", "-c", script], environment, tmp_path)
    assert '"outcome":"accepted"' in printed
    assert tmp_path.joinpath("heatmap.png").read_bytes().startswith(b"\x89PNG")
    assert_road_was_gone("2026-0001", "blast")


@pytest.mark.processes
def test_the_python_client(environment: dict[str, str], tmp_path: Path) -> None:
    client = examples("python")
    assert len([line for line in client.splitlines() if line.strip()]) <= 35
    printed = run([sys.executable, "-c", client], environment, tmp_path)
    assert "accepted" in printed
    assert "Monocyte 2" in printed
    assert_road_was_gone("2026-0002", "monocyte")
