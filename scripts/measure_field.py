"""Measure the whole road of a very large field: upload, tiles, search, as ``make run`` starts them.

    python -m scripts.measure_field 500 ../shared/data/bccd/images/BloodImage_00301.jpg [tiles]

writes an OME-TIFF of so many megapixels (scripts.measure_tiles), sends it to the API of a scratch
site, waits until the worker has cut it into tiles and searched it for cells, and prints one JSON
object. The cells that were found are not waited for: they are named at the speed of any other cell.
With ``tiles`` the site has no detector, and the search is left out. Linux only.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from scripts.measure_memory import children, wait_until_classified
from scripts.measure_tiles import write_field
from scripts.measuring import PASSWORD, free_port, running, scratch_site, wait_until_ready
from scripts.run import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUNDARY = "measured"
PART_BYTES = 1024**2
LOOK_EVERY_SECONDS = 0.5


def peak_megabytes(pid: int) -> float:
    """The most memory a process was ever resident with, in MB (10^6 bytes)."""
    with open(f"/proc/{pid}/status") as status:
        kilobytes = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    return round(int(kilobytes) * 1024 / 1e6, 1)


class Peaks(threading.Thread):
    """The peaks of a process and its children; helpers that other threads start are not seen."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.of: dict[int, float] = {}

    def run(self) -> None:
        while True:
            for parent in (self._pid, *self._children(self._pid)):
                for pid in (parent, *self._children(parent)):
                    try:
                        self.of[pid] = peak_megabytes(pid)
                    except (OSError, StopIteration):
                        continue
            time.sleep(0.1)

    @staticmethod
    def _children(pid: int) -> list[int]:
        try:
            return children(pid)
        except OSError:
            return []


class Api:
    """The demonstration's reviewer."""

    def __init__(self, port: int) -> None:
        self._site = f"http://127.0.0.1:{port}/api/v1"
        form = urlencode({"username": "reviewer", "password": PASSWORD}).encode()
        with urllib.request.urlopen(f"{self._site}/auth/token/", form) as answer:  # nosec B310 # noqa: S310 - always http
            self._token = json.load(answer)["token"]

    def ask(self, path: str, data: Any = None, **headers: str) -> Any:
        headers = {"Authorization": f"Token {self._token}", **headers}
        request = urllib.request.Request(f"{self._site}/{path}", data, headers)  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # nosec B310 # noqa: S310 - always http
            return json.load(answer)

    def send(self, case: int, path: Path) -> Any:
        """Send a file in parts, as browsers do."""
        disposition = f'Content-Disposition: form-data; name="files"; filename="{path.name}"'
        head = f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: image/tiff\r\n\r\n".encode()
        foot = f"\r\n--{BOUNDARY}--\r\n".encode()

        def body() -> Iterator[bytes]:
            yield head
            with path.open("rb") as file:
                yield from iter(lambda: file.read(PART_BYTES), b"")
            yield foot

        length = len(head) + path.stat().st_size + len(foot)
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        headers = {"Content-Type": kind, "Content-Length": str(length)}
        return self.ask(f"cases/{case}/images/", body(), **headers)["files"][0]


def main(megapixels: float, picture: str, part: str = "") -> int:
    if part == "tiles":
        os.environ["DETECTOR"] = "none"
    with Image.open(picture) as image:
        pattern = np.tile(np.asarray(image.convert("RGB")), (4, 4, 1))
    side = math.isqrt(round(megapixels * 1e6))
    with tempfile.TemporaryDirectory(prefix="field-") as folder, scratch_site():
        path = Path(folder) / "field.ome.tif"
        write_field(path, side, pattern)
        port = free_port()
        run = commands(port)
        with running(run["broker"]), running(run["worker"]) as worker, running(run["web"]) as web:
            wait_until_ready(port, 600)
            wait_until_classified(600)
            figures = {
                "megapixels": round(side * side / 1e6, 1),
                "tiff_mb": round(path.stat().st_size / 1e6, 1),
                **measure(Api(port), path, web=web.pid, worker=worker.pid, parts=1 if part else 2),
            }
    print(json.dumps(figures))
    return 0


def measure(api: Api, path: Path, *, web: int, worker: int, parts: int) -> dict[str, Any]:
    """Send the field and follow it to the end of its tiles and its search, or of one of them."""
    from cases.models import CaseImage
    from classifier.models import TilePyramid

    case = api.ask("cases/?status=in_review")["results"][0]["id"]
    before = peak_megabytes(worker)
    peaks = Peaks(web)
    peaks.start()
    started = time.perf_counter()
    answer = api.send(case, path)
    if answer["outcome"] != "accepted":
        raise RuntimeError(answer)
    took = time.perf_counter() - started
    of_web = dict(peaks.of)
    key = answer["image"]["id"]
    tiles: list[int] = []
    search: list[int] = []
    ends: dict[str, float] = {}
    while len(ends) < parts:
        time.sleep(LOOK_EVERY_SECONDS)
        pyramid = TilePyramid.objects.filter(image=key).first()
        if pyramid is not None:
            tiles.append(pyramid.tiles_done)
            if pyramid.state in ("done", "failed"):
                ends.setdefault(f"tiles_{pyramid.state}", time.perf_counter() - started)
        api.ask(f"images/{key}/")  # as a program that waits does; it must never be refused
        image = CaseImage.objects.get(pk=key)
        search.append(image.search_progress)
        if image.searched_at or image.state == "failed":
            name = "search_done" if image.searched_at else "search_failed"
            ends.setdefault(name, time.perf_counter() - started)
    kept = CaseImage.objects.get(pk=key)
    return {
        "upload_seconds": round(took, 1),
        "web_processes_peak_mb": sorted(of_web.values(), reverse=True)[:4],
        "kept_mb": round(kept.file.size / 1e6, 1),
        **{f"{name}_after_seconds": round(at, 1) for name, at in ends.items()},
        "tiles": tiles[-1],
        "steps_of_tiles_seen": len(set(tiles)),
        "steps_of_search_seen": len(set(search)),
        "cells": kept.detections.count(),
        "worker_peak_mb_before": before,
        "worker_peak_mb": peak_megabytes(worker),
    }


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), *sys.argv[2:]))
