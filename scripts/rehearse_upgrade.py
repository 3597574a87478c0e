"""Rehearse an upgrade with real processes: two versions of the web process, requests all along.

``DATABASE_URL=postgres://… python -m scripts.rehearse_upgrade --old REF --new REF``

The database must be empty. The old version is migrated, filled and serves; while people read,
correct and open cases without a pause, the new version migrates, starts beside it, is asked
``/healthz`` until it is well, and takes over; the old one is told to stop. Requests go the way
a proxy sends them: to whoever is in the pool, and to the next one when a connection is refused.
Prints one JSON object; the status is 1 when a request failed. Versions are git references, taken
out into a temporary folder; ``.`` is the working tree.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from scripts.measuring import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).resolve().parent.parent
PASSWORD = "a-password-of-the-rehearsal"  # noqa: S105 # nosec B105
SECONDS_TO_START = 60
PEOPLE = 4
WEB = ("-m", "gunicorn", "pbcsite.wsgi", "--config", "python:pbcsite.serving")
# Left out of a version's folder: the worker's models, which no web process opens.
NOT_NEEDED = ":!ml/bundles"


class Pool:
    """The web processes that get requests, as a proxy knows them."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.turn = 0

    def order(self) -> list[str]:
        """Whom to ask first, and whom when that one cannot be reached."""
        self.turn += 1
        now = list(self.addresses)
        first = self.turn % len(now)
        return now[first:] + now[:first]


class Person(threading.Thread):
    """Reads, corrects and opens cases until told to stop, and counts the answers."""

    def __init__(self, number: int, pool: Pool, token: str) -> None:
        super().__init__(daemon=True)
        self.number, self.pool = number, pool
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Token {token}"
        self.over = threading.Event()
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self.slowest = 0.0
        self.opened = 0

    def run(self) -> None:
        while not self.over.is_set():
            for path in ("cases/", "work-list/", "cases/1/counts/", "cases/1/result/"):
                self.ask("GET", path)
            cells = self.ask("GET", f"cells/?case={self.number + 1}&ordering=confidence")
            for cell in (cells.json()["results"] if cells is not None and cells.ok else [])[:1]:
                wanted = {"to": "monocyte", "version": cell["version"]}
                self.ask("POST", f"cells/{cell['id']}/corrections/", wanted, (201, 409))
            self.open_a_case()

    def open_a_case(self) -> None:
        """A new row of each table that a former version writes without knowing new columns."""
        name = f"R-{self.number}-{self.opened}"
        patient = self.ask("POST", "patients/", {"identifier": name, "name": "Eva"}, (201,))
        if patient is not None and patient.status_code == 201:
            given = {"patient": patient.json()["id"], "accession_number": name}
            self.ask("POST", "cases/", given, (201,))
        self.opened += 1

    def ask(
        self, method: str, path: str, data: Any = None, wanted: tuple[int, ...] = (200,)
    ) -> requests.Response | None:
        began = time.monotonic()
        for address in self.pool.order():
            try:
                answer = self.session.request(
                    method, f"{address}/api/v1/{path}", json=data, timeout=60
                )
            except requests.ConnectionError as error:
                if "refused" in str(error):
                    continue  # nobody took the request: the next may have it
                self.failures.append(f"{method} {path}: {type(error).__name__}")
                return None
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.answers[answer.status_code] += 1
            if answer.status_code not in wanted:
                self.failures.append(f"{method} {path}: {answer.status_code}")
            return answer
        self.failures.append(f"{method} {path}: nobody there")
        return None


class Version:
    """One version of the site in a folder, and its web process."""

    def __init__(self, reference: str, folder: Path, environment: dict[str, str]) -> None:
        self.reference, self.environment = reference, environment
        self.folder = PROJECT if reference == "." else folder
        if reference != ".":
            folder.mkdir()
            archive = subprocess.run(
                [str(shutil.which("git")), "archive", reference, "--", ".", NOT_NEEDED],
                cwd=PROJECT, check=True, capture_output=True,
            ).stdout  # fmt: skip
            subprocess.run(
                [str(shutil.which("tar")), "-x", "-C", str(folder)], input=archive, check=True
            )
        self.address = ""
        self.web: subprocess.Popen[bytes] | None = None

    def run(self, *command: str) -> None:
        subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=self.environment, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self) -> float:
        """Start the web process; returns after how many seconds it was well."""
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.web = subprocess.Popen(
            [sys.executable, *WEB],
            cwd=self.folder,
            env={**self.environment, "WEB_BIND": f"127.0.0.1:{port}", "LOG_LEVEL": "ERROR"},
            start_new_session=True,
        )
        began = time.monotonic()
        while time.monotonic() - began < SECONDS_TO_START:
            try:
                if requests.get(f"{self.address}/healthz", timeout=5).ok:
                    return time.monotonic() - began
            except requests.RequestException:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{self.reference} was not well after {SECONDS_TO_START} s")

    def stop(self) -> float:
        """Tell the web process to stop; returns after how many seconds it had gone."""
        began = time.monotonic()
        if self.web is not None and self.web.poll() is None:
            os.killpg(self.web.pid, signal.SIGTERM)
            self.web.wait(timeout=90)
        return time.monotonic() - began


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="rehearse_upgrade", description=__doc__)
    parser.add_argument("--old", required=True, help="git reference of the version that serves")
    parser.add_argument("--new", default=".", help="of the version that takes over")
    parser.add_argument("--seconds", type=float, default=5, help="between the steps")
    given = parser.parse_args(arguments)
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        print("This wants an empty PostgreSQL database in DATABASE_URL.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        environment = {
            **os.environ,
            "DEBUG": "1",
            "DATA_DIR": f"{scratch}/data",
            "READER_PASSWORD": PASSWORD,
        }
        Path(environment["DATA_DIR"]).mkdir()
        old = Version(given.old, Path(scratch) / "old", environment)
        new = Version(given.new, Path(scratch) / "new", environment)
        for each in (old, new):
            stack.callback(each.stop)
        found = rehearse(old, new, given.seconds)
    print(json.dumps({"old": given.old, "new": given.new, **found}, indent=1))
    return 1 if found["failed"] else 0


def rehearse(old: Version, new: Version, pause: float) -> dict[str, Any]:
    old.run("manage.py", "migrate", "--verbosity=0")
    old.run("-m", "scripts.fill_database", "--cases", "200", "--cells", "4000")
    old.start()
    pool = Pool()
    pool.addresses = [old.address]
    answer = requests.post(
        f"{old.address}/api/v1/auth/token/",
        json={"username": "reader", "password": PASSWORD},
        timeout=30,
    )
    answer.raise_for_status()
    people = [Person(number, pool, answer.json()["token"]) for number in range(PEOPLE)]
    for each in people:
        each.start()
    steps: dict[str, float] = {}
    failed_by: dict[str, int] = {}

    def note(name: str, seconds: float) -> None:
        time.sleep(pause)
        steps[name] = round(seconds, 1)
        failed_by[name] = sum(len(each.failures) for each in people) - sum(failed_by.values())

    note("old serves", 0)
    began = time.monotonic()
    new.run("manage.py", "migrate", "--verbosity=0")
    note("migrated, old serves", time.monotonic() - began)
    well_after = new.start()
    pool.addresses = [old.address, new.address]
    note("both serve", well_after)
    pool.addresses = [new.address]
    note("old stopped, new serves", old.stop())
    for each in people:
        each.over.set()
    for each in people:
        each.join(timeout=70)
    answers: Counter[int] = sum((each.answers for each in people), Counter())
    failures = [line for each in people for line in each.failures]
    return {
        "seconds": steps,
        "answers": {str(code): number for code, number in sorted(answers.items())},
        "slowest_seconds": round(max(each.slowest for each in people), 2),
        "failed": len(failures),
        "failed_by_step": failed_by,
        "failures": sorted(set(failures))[:20],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
