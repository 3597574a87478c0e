"""A day's readers at once, for Locust; ``scripts/measure_load.py`` starts it with all it needs.

By hand: ``locust -f scripts/load.py --headless --users 52 --run-time 10m --host http://…``

``LOAD_USERNAME`` and ``LOAD_PASSWORD`` are a reviewer's; the laboratory needs cases with named
cells. Readers log in by page as a browser does, look at the lists, a case, its cells and a picture,
and correct a cell now and then: 409, somebody was faster, is an answer. ``LOAD_UPLOADERS`` of the
users open a case of their own for each ZIP of ``LOAD_IMAGES`` pictures.

At the end the verdict against the aims is printed as one JSON object, also into
``LOAD_VERDICT``: no error, 95 % of pages and API reads under 500 ms, and, where
``LOAD_BARE_RATE`` gives the bare model's images per second, a queue that drains at 85 % of it.
The status is 1 when one is missed.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import re
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

import gevent
import numpy
import requests
from locust import HttpUser, between, events, task
from PIL import Image

USERNAME = os.environ.get("LOAD_USERNAME", "reviewer")
PASSWORD = os.environ.get("LOAD_PASSWORD", "")
UPLOADERS = int(os.environ.get("LOAD_UPLOADERS", "2"))
IMAGES = int(os.environ.get("LOAD_IMAGES", "500"))
BARE_RATE = float(os.environ.get("LOAD_BARE_RATE", "0"))
AIM_MS = 500
AIM_RATIO = 0.85
SECONDS_BETWEEN_SAMPLES = 2
CLASSES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")


class Person(HttpUser):
    """Somebody with a session on the pages; the API takes the session as well."""

    abstract = True

    def on_start(self) -> None:
        page = self.client.get("/login/").text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        if found is None:
            raise RuntimeError("The log-in page holds no form.")
        with self.client.post(
            "/login/",
            {"username": USERNAME, "password": PASSWORD, "csrfmiddlewaretoken": found[1]},
            headers={"Referer": f"{self.host}/login/"},
            catch_response=True,
        ) as answered:
            if not any(each.name.endswith("sessionid") for each in self.client.cookies):
                answered.failure("not logged in")

    def headers(self) -> dict[str, str]:
        """What a change needs besides the session."""
        return {
            "X-CSRFToken": self.client.cookies.get("csrftoken") or "",
            "Referer": str(self.host),
        }


class Reader(Person):
    """Reads cases and corrects cells."""

    weight = 1
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
        address = f"/api/v1/cases/{case}/images/"
        images = self.client.get(address, name="/api/v1/cases/[id]/images/").json()["results"]
        if images:
            image = random.choice(images)  # noqa: S311  # nosec B311
            self.client.get(image["url"], name="a picture")

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

    fixed_count = UPLOADERS
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
        with self.client.post(
            f"/api/v1/cases/{case['id']}/images/",
            files={"files": ("cells.zip", archive_of(IMAGES))},
            headers=self.headers(),
            name="/api/v1/cases/[id]/images/ (ZIP)",
            timeout=600,
            catch_response=True,
        ) as answered:
            kept = answered.json().get("accepted") if answered.ok else None
            if kept != IMAGES:
                answered.failure(f"{kept} of {IMAGES} accepted")


if not UPLOADERS:
    del Uploader


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
            gevent.sleep()  # the other users of this process go on meanwhile
    return stream.getvalue()


# --- the verdict ---------------------------------------------------------------------------------
class Queue:
    """What the site says of its queue, sample by sample: moment, cells done, cells waiting."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float, float]] = []
        self.greenlet: Any = None

    def watch(self, host: str) -> None:
        while True:
            text = requests.get(f"{host}/metrics", timeout=30).text
            done = figure(text, "pbcsite_inference_milliseconds_count")
            waiting = figure(text, 'pbcsite_queue_cells{state="queued"}')
            self.samples.append((time.monotonic(), done, waiting))
            gevent.sleep(SECONDS_BETWEEN_SAMPLES)

    def rate(self) -> float | None:
        """Cells in a second over the longest time in which some waited throughout."""
        longest: list[tuple[float, float, float]] = []
        run: list[tuple[float, float, float]] = []
        for each in self.samples:
            run = [*run, each] if each[2] else []
            if len(run) > len(longest):
                longest = run
        # Results are stored by batches: from the first change to the last, no part of one counts.
        moments = [b for a, b in itertools.pairwise(longest) if b[1] != a[1]]
        if len(moments) < 2:
            return None
        first, last = moments[0], moments[-1]
        return (last[1] - first[1]) / (last[0] - first[0])


def figure(text: str, name: str) -> float:
    """One figure of the page for Prometheus; 0 when it is not there yet."""
    found = re.search(rf"^{re.escape(name)} ([0-9.e+]+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


queue = Queue()


@events.test_start.add_listener
def begin(environment: Any, **_kwargs: Any) -> None:
    queue.greenlet = gevent.spawn(queue.watch, environment.host)


@events.quitting.add_listener
def judge(environment: Any, **_kwargs: Any) -> None:
    if queue.greenlet is not None:
        queue.greenlet.kill()
    found = verdict(environment.stats, queue.rate())
    text = json.dumps(found, indent=1)
    print(text)
    if path := os.environ.get("LOAD_VERDICT"):
        Path(path).write_text(text)
    environment.process_exit_code = 1 if found["missed"] else 0


def verdict(stats: Any, rate: float | None) -> dict[str, Any]:
    """The figures of a run, and the aims it missed."""
    requests_of: dict[str, Any] = {}
    missed = []
    for (name, method), entry in sorted(stats.entries.items()):
        p95 = entry.get_response_time_percentile(0.95)
        requests_of[f"{method} {name}"] = {
            "number": entry.num_requests,
            "failed": entry.num_failures,
            "median_ms": entry.median_response_time,
            "p95_ms": p95,
        }
        if method == "GET" and p95 >= AIM_MS:
            missed.append(f"95 % of {name} took {p95} ms, not under {AIM_MS}")
    missed.extend(
        f"{error.occurrences} x {error.method} {error.name}: {error.error}"
        for error in stats.errors.values()
    )
    if not stats.total.num_requests:
        missed.append("nothing was asked")
    found: dict[str, Any] = {
        "requests": requests_of,
        "requests_per_second": round(stats.total.total_rps, 1),
        "queue_cells_per_second": rate and round(rate, 2),
        "bare_cells_per_second": BARE_RATE or None,
    }
    if BARE_RATE and UPLOADERS:
        ratio = (rate or 0) / BARE_RATE
        found["queue_to_bare"] = round(ratio, 3)
        if ratio < AIM_RATIO:
            missed.append(f"the queue drained at {ratio:.0%} of the bare model's rate")
    return {**found, "missed": missed, "verdict": "missed" if missed else "all aims met"}
