"""Measure the resident memory of web and worker, as ``make run`` starts them.

The web process answers pages and the API first; the worker classifies the demonstration's 40 cells.
Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode

from scripts.measuring import PASSWORD, free_port, running, scratch_site, wait_until_ready
from scripts.run import commands

ROUNDS = 20


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process in MB (10^6 bytes); Linux only."""
    with open(f"/proc/{pid}/status") as status:
        kilobytes = next(line.split()[1] for line in status if line.startswith("VmRSS"))
    return round(int(kilobytes) * 1024 / 1e6, 1)


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(each) for each in file.read().split()]


def loaded(pid: int, name: str) -> bool:
    """Whether a process has mapped a file of this name, as a loaded library is."""
    with open(f"/proc/{pid}/maps") as maps:
        return any(name in line for line in maps)


def read_pages(port: int) -> None:
    """Log in and read what a reviewer reads, over and over."""
    site = f"http://127.0.0.1:{port}"
    cookies = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    credentials = urlencode({"username": "reviewer", "password": PASSWORD}).encode()
    token = json.load(browser.open(f"{site}/api/v1/auth/token/", credentials))["token"]
    browser.addheaders = [("Authorization", f"Token {token}")]
    case = json.load(browser.open(f"{site}/api/v1/cases/"))["results"][0]["id"]
    cells: Any = json.load(browser.open(f"{site}/api/v1/cells/?case={case}"))["results"]
    paths = [f"/api/v1/cases/{case}/counts/", "/api/v1/schema/"]
    paths += [f"/api/v1/cells/{each['id']}/heatmap/" for each in cells]
    browser.open(f"{site}/login/").read()
    secret = next(cookie.value for cookie in cookies if cookie.name == "csrftoken")
    form = {"username": "reviewer", "password": PASSWORD, "csrfmiddlewaretoken": secret}
    browser.open(f"{site}/login/", urlencode(form).encode()).read()
    paths += ["/cases/", f"/cases/{case}/"]
    paths += [f"/cells/{each['id']}/{kind}" for each in cells for kind in ("", "photo/")]
    for _ in range(ROUNDS):
        for path in paths:
            browser.open(site + path).read()


def main() -> int:
    with scratch_site():
        port = free_port()
        run = commands(port)
        with running(run["broker"]), running(run["worker"]) as worker, running(run["web"]) as web:
            wait_until_ready(port)
            wait_until_classified()
            figures = {"worker_mb": resident_megabytes(worker.pid)}
            read_pages(port)
            processes = [web.pid, *children(web.pid)]
            figures["web_mb"] = round(sum(map(resident_megabytes, processes)), 1)
            figures["web_serving_process_mb"] = max(map(resident_megabytes, processes))
            with_tensorflow = any(loaded(each, "tensorflow") for each in processes)
    print(json.dumps({**figures, "tensorflow_in_web": with_tensorflow}))
    return int(with_tensorflow)


def wait_until_classified(seconds: float = 180) -> None:
    """Wait until no cell of the scratch database waits for the model.

    Raises:
        TimeoutError: when some still do.
    """
    import django

    django.setup()
    from cases.models import Cell

    deadline = time.monotonic() + seconds
    while Cell.objects.pending().exists():
        if time.monotonic() > deadline:
            raise TimeoutError("The demonstration was not classified in time.")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
