"""A day's readers at once, for Locust: 50 review, 2 send ZIPs of 500 images.

``locust -f scripts/load.py --headless --users 52 --spawn-rate 5 --run-time 10m --host http://…``

``LOAD_USERNAME`` and ``LOAD_PASSWORD`` are a reviewer's; the laboratory needs cases with named
cells. Readers log in by page as a browser does, look at the lists, a case and its cells, and
correct a cell now and then: 409, somebody was faster, is an answer. Uploaders open a case of their
own for each ZIP.
"""

from __future__ import annotations

import io
import os
import random
import re
import uuid
import zipfile
from typing import Any

import numpy
from locust import HttpUser, between, task
from PIL import Image

USERNAME = os.environ.get("LOAD_USERNAME", "reviewer")
PASSWORD = os.environ.get("LOAD_PASSWORD", "")
IMAGES = int(os.environ.get("LOAD_IMAGES", "500"))
CLASSES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")


class Person(HttpUser):
    """Somebody with a session on the pages; the API takes the session as well."""

    abstract = True

    def on_start(self) -> None:
        page = self.client.get("/login/").text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        if found is None:
            raise RuntimeError("The log-in page holds no form.")
        self.client.post(
            "/login/",
            {"username": USERNAME, "password": PASSWORD, "csrfmiddlewaretoken": found[1]},
            headers={"Referer": f"{self.host}/login/"},
        )

    def headers(self) -> dict[str, str]:
        """What a change needs besides the session."""
        return {
            "X-CSRFToken": self.client.cookies.get("csrftoken") or "",
            "Referer": str(self.host),
        }


class Reader(Person):
    """Reads cases and corrects cells."""

    weight = 25
    wait_time = between(2, 8)

    def on_start(self) -> None:
        super().on_start()
        found = self.client.get("/api/v1/cases/?status=in_review").json()["results"]
        self.cases: list[int] = [each["id"] for each in found]

    def a_case(self) -> int:
        return random.choice(self.cases)  # noqa: S311  # nosec B311

    @task(3)
    def read_lists(self) -> None:
        self.client.get("/cases/")
        self.client.get("/work/")
        self.client.get("/api/v1/work-list/")

    @task(6)
    def read_a_case(self) -> None:
        case = self.a_case()
        self.client.get(f"/cases/{case}/", name="/cases/[id]/")
        self.client.get(f"/api/v1/cases/{case}/counts/", name="/api/v1/cases/[id]/counts/")

    @task(4)
    def correct_a_cell(self) -> None:
        found = self.client.get(
            f"/api/v1/cells/?case={self.a_case()}&ordering=confidence",
            name="/api/v1/cells/?case=[id]",
        ).json()["results"]
        if not found:
            return
        cell: dict[str, Any] = random.choice(found)  # noqa: S311  # nosec B311
        with self.client.post(
            f"/api/v1/cells/{cell['id']}/corrections/",
            json={"to": random.choice(CLASSES), "version": cell["version"]},  # noqa: S311  # nosec B311
            headers=self.headers(),
            name="/api/v1/cells/[id]/corrections/",
            catch_response=True,
        ) as answered:
            if answered.status_code in (201, 409):
                answered.success()


class Uploader(Person):
    """Sends a ZIP, and then the next."""

    weight = 1
    wait_time = between(5, 10)

    @task
    def send_a_zip(self) -> None:
        given = {"identifier": f"L-{uuid.uuid4().hex[:12]}"}
        patient = self.client.post("/api/v1/patients/", json=given, headers=self.headers()).json()
        case = self.client.post(
            "/api/v1/cases/",
            json={"patient": patient["id"], "accession_number": given["identifier"]},
            headers=self.headers(),
        ).json()
        self.client.post(
            f"/api/v1/cases/{case['id']}/images/",
            files={"files": ("cells.zip", archive_of(IMAGES))},
            headers=self.headers(),
            name="/api/v1/cases/[id]/images/ (ZIP)",
            timeout=600,
        )


def archive_of(count: int) -> bytes:
    """A ZIP of pictures of noise, none like another."""
    generator = numpy.random.default_rng()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(count):
            picture = io.BytesIO()
            coarse = Image.fromarray(generator.integers(0, 256, (24, 24, 3), numpy.uint8))
            coarse.resize((360, 363), Image.Resampling.BICUBIC).save(picture, "JPEG", quality=90)
            archive.writestr(f"{number}.jpg", picture.getvalue())
    return stream.getvalue()
