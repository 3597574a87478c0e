"""A whole site of real processes on its own database, broker and files, and how to count it."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
import pytest
import requests
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connection, connections
from django.test import Client

from cases.accounts.services.tokens import create_token
from cases.models import CaseImage, Cell, Role, SmearCase, User
from cases.services.storage_sweep import sweep_storage
from classifier.models import ClassificationJob, Prediction
from tests.classifier_tests.live import Processes
from tests.factories import SmearCaseFactory, member, picture_bytes
from tests.faults.services import Broker, Database, free_port

PATIENCE_SECONDS = 240
QUICK_WORKER = ("celery", "-A", "tests.faults.quick_worker", "worker", "--pool", "threads",
                "--concurrency", "1", "--without-gossip", "--without-mingle",
                "--loglevel", "INFO")  # fmt: skip
BEAT = ("celery", "-A", "pbcsite", "beat", "--pidfile=")


@contextmanager
def default_database(url: str) -> Iterator[None]:
    """Let this process's Django work on another database."""
    kept, given = connections["default"], connections.settings["default"]
    kept.close()
    connections.settings["default"] = {**given, "OPTIONS": {}, **dj_database_url.parse(url)}
    del connections["default"]
    ContentType.objects.clear_cache()
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = given
        connections["default"] = kept
        ContentType.objects.clear_cache()


class Site:
    """Web, worker and scheduler, started and killed at will."""

    def __init__(
        self, database: Database, broker: Broker, processes: Processes, media: Path
    ) -> None:
        self.database = database
        self.broker = broker
        self.processes = processes
        self.media = media
        self.case: SmearCase = SmearCaseFactory()
        self.reviewer = member(self.case.laboratory, Role.REVIEWER)
        self.address = ""
        self.web: Any = None

    def start_web(self) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.web = self.processes.start_module(
            "web", "gunicorn", "pbcsite.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "1",
            "--worker-class", "gthread", "--threads", "8", "--no-control-socket",
        )  # fmt: skip
        self.wait(self._answers, "the web process")

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.address}/healthz", timeout=60).ok
        except requests.RequestException:
            return False

    def start_worker(self, name: str = "worker", **environment: str) -> Any:
        kept = dict(self.processes.environment)
        self.processes.environment.update(environment)
        try:
            return self.processes.start_module(name, *QUICK_WORKER)
        finally:
            self.processes.environment = kept

    @contextmanager
    def kept_worker(self, **environment: str) -> Iterator[None]:
        """A worker that is started again whenever it ends, as a supervisor does."""
        over = threading.Event()

        def keep() -> None:
            life = 0
            while not over.is_set():
                life += 1
                worker = self.start_worker(f"worker-{life}", **environment)
                while worker.poll() is None and not over.is_set():
                    time.sleep(0.1)

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()

    def start_beat(self) -> Any:
        return self.processes.start_module("beat", *BEAT)

    def api(self, user: User | None = None) -> requests.Session:
        """A program of the user's, with a token."""
        user = user or self.reviewer
        _row, token = create_token(user=user, name="faults", scopes=["read", "write"], days=1)
        session = requests.Session()
        session.trust_env = False
        session.headers["Authorization"] = f"Token {token}"
        return session

    def browser(self, user: User | None = None) -> requests.Session:
        """The user, logged in on the pages."""
        client = Client()
        client.force_login(user or self.reviewer)
        session = requests.Session()
        session.trust_env = False
        session.cookies["sessionid"] = client.cookies["sessionid"].value
        session.cookies["csrftoken"] = session.headers["X-CSRFToken"] = "c" * 32
        session.headers["Referer"] = self.address
        return session

    def url(self, path: str) -> str:
        return f"{self.address}/api/v1/{path}"

    def upload(self, session: requests.Session, seeds: range, **options: Any) -> list[Any]:
        """Send pictures in one request; returns each file's answer."""
        files = [("files", (f"{seed}.png", picture_bytes(seed=seed))) for seed in seeds]
        answered = session.post(
            self.url(f"cases/{self.case.pk}/images/"), files=files, timeout=120, **options
        )
        assert answered.status_code < 500, answered.text
        return list(answered.json()["files"])

    def wait(
        self, what: Callable[[], Any], name: str = "that", seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Ask often, so that a batch in work is met in its middle."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if what():
                    return
            except DatabaseError:
                connection.close()
            if time.monotonic() > deadline:
                pytest.fail(
                    f"waited {seconds} s for {name}; {self.states()}\n{self.processes.log()}"
                )
            time.sleep(0.02)

    def states(self) -> dict[str, int]:
        return dict(Counter(Cell.objects.values_list("state", flat=True)))

    def in_mid_batch(self, done: int = 1) -> bool:
        """Some cells are done, some are just worked on, others wait."""
        now = self.states()
        return now.get("done", 0) >= done and "processing" in now and "queued" in now

    def all_are_finished(self) -> bool:
        return not {"queued", "processing"} & self.states().keys()

    def assert_exact(self, *, done: int, failed: int = 0, images: int | None = None) -> None:
        """Each cell was classified once or failed with a reason; no file too many or few."""
        cells = done + failed
        wanted = {state: n for state, n in (("done", done), ("failed", failed)) if n}
        assert self.states() == wanted
        assert Prediction.objects.count() == done
        assert Prediction.objects.values("cell").distinct().count() == done
        jobs = Counter(ClassificationJob.objects.values_list("state", flat=True))
        assert jobs == wanted
        # One change of label per cell: a second storing would have raised it again.
        versions = Counter(Cell.objects.filter(state="done").values_list("version", flat=True))
        assert versions == {1: done}
        assert not Cell.objects.filter(state="failed", failure_code="").exists()
        assert CaseImage.objects.count() == (cells if images is None else images)
        numbers = list(Cell.objects.order_by("number").values_list("number", flat=True))
        assert numbers == list(range(1, cells + 1))
        self.assert_files_exact()

    def assert_files_exact(self) -> None:
        report = sweep_storage(grace=timedelta(0))
        assert report.is_clean, report
        assert report.files == report.rows == CaseImage.objects.count()
        on_disk = sum(len(files) for _folder, _folders, files in os.walk(self.media))
        assert on_disk == report.files
