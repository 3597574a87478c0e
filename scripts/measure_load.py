"""Measure a day's readers at once, with all processes of the site on this machine.

``DATABASE_URL=postgres://… REDIS_URL=redis://… python -m scripts.measure_load``

The database must be empty. It measures the bare forward pass of the model (``ml benchmark``) while
nothing else runs, starts web, worker and scheduler as docker-compose.yml does, with a scratch data
folder, has the demonstration and some cases of real size classified, and lets Locust run
``scripts/load.py``: 50 readers and 2 who send ZIPs of 500 images, for 10 minutes. The last thing
printed is Locust's verdict; the status is 1 when an aim was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.measuring import PASSWORD, free_port, wait_until_ready
from scripts.run import HOST, PROJECT, surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS_TO_CLASSIFY = 600
# Everybody comes from one address and with one account here.
LIMITS = {"RATE_LOGIN": "100000/m/ip", "THROTTLE_USER": "1000000/min", "THROTTLE_TOKEN": "1000/min"}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="measure_load", description=__doc__)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--uploaders", type=int, default=2)
    parser.add_argument("--images", type=int, default=500, help="of each ZIP")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--cases", type=int, default=10, help="to be read, of 40 cells each")
    parser.add_argument("--rounds", type=int, default=9, help="of the bare model")
    given = parser.parse_args(arguments)
    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        print("This wants an empty database in DATABASE_URL and REDIS_URL.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="pbcsite-load-") as folder, ExitStack() as stack:
        os.environ.update(surroundings(Path(folder)), DEMO_PASSWORD=PASSWORD, **LIMITS)
        os.environ.update(LOG_LEVEL="WARNING", MEDIA_ROOT=f"{folder}/media")
        print("Measuring the bare model.", flush=True)
        bare = bare_rate(given.rounds)
        print(f"{bare:.2f} cells a second. Starting the site.", flush=True)
        subprocess.run([sys.executable, "-m", "scripts.prepare"], cwd=PROJECT, check=True)
        port = free_port()
        start(stack, port)
        print("Classifying the cases that will be read.", flush=True)
        fill(f"http://{HOST}:{port}", given.cases)
        return locust(port, given, bare)


def bare_rate(rounds: int) -> float:
    """Cells a second of the model's forward pass alone."""
    command = [sys.executable, "-m", "ml", "benchmark", "--json"]
    options = ["--rounds", str(rounds), "--article-images", "1"]
    done = subprocess.run(
        [*command, *options], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return float(found["forward_images_per_second"])


def start(stack: ExitStack, port: int) -> None:
    """Start the site's processes; they are told to stop when the stack is left."""
    celery = [sys.executable, "-m", "celery", "-A", "pbcsite", "--quiet"]
    pool = ["--pool", "threads", "--concurrency", "1", "--without-gossip", "--without-mingle"]
    web = [sys.executable, "-m", "gunicorn", "pbcsite.wsgi", "--config", "python:pbcsite.serving"]
    for command in (
        web,
        [*celery, "worker", *pool, "--loglevel", "WARNING"],
        [*celery, "beat", "--pidfile=", "--loglevel", "WARNING"],
    ):
        environment = {**os.environ, "WEB_BIND": f"{HOST}:{port}"}
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, start_new_session=True)
        stack.callback(stop, process)
    wait_until_ready(port)


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def fill(address: str, cases: int) -> None:
    """Through the API, as any program would: cases of the demonstration's cells, until named."""
    import django
    import requests

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbcsite.settings")
    django.setup()
    from cases.management.commands.demo import IMAGES

    session = requests.Session()
    session.trust_env = False
    given = {"username": "reviewer", "password": PASSWORD}
    answer = session.post(f"{address}/api/v1/auth/token/", json=given, timeout=60)
    answer.raise_for_status()
    session.headers["Authorization"] = f"Token {answer.json()['token']}"
    pictures = sorted(IMAGES.glob("*/*.jpg"))

    def post(path: str, **data: Any) -> Any:
        answer = session.post(f"{address}/api/v1/{path}", timeout=300, **data)
        answer.raise_for_status()
        return answer.json()

    for number in range(cases):
        name = f"READ-{number}"
        patient = post("patients/", json={"identifier": name})
        case = post("cases/", json={"patient": patient["id"], "accession_number": name})
        files = [("files", (each.name, each.read_bytes())) for each in pictures]
        post(f"cases/{case['id']}/images/", files=files)
    deadline = time.monotonic() + SECONDS_TO_CLASSIFY
    while session.get(f"{address}/api/v1/cases/?status=processing", timeout=60).json()["results"]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The cases were not classified in {SECONDS_TO_CLASSIFY} s.")
        time.sleep(2)


def locust(port: int, given: argparse.Namespace, bare: float) -> int:
    environment = {
        **os.environ,
        "LOAD_USERNAME": "reviewer",
        "LOAD_PASSWORD": PASSWORD,
        "LOAD_UPLOADERS": str(given.uploaders),
        "LOAD_IMAGES": str(given.images),
        "LOAD_BARE_RATE": str(bare),
    }
    users = given.readers + given.uploaders
    command = [
        *[sys.executable, "-m", "locust", "-f", "scripts/load.py", "--headless", "--only-summary"],
        *["--users", str(users), "--spawn-rate", "5", "--run-time", f"{given.seconds}s"],
        *["--host", f"http://{HOST}:{port}", "--stop-timeout", "60"],
    ]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
