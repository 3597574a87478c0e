"""Whether what the site leans on answers: database, broker, storage, model.

Each question runs in a thread of its own and is waited for :data:`SECONDS` at most; while one
hangs no other is asked of the same part. An answer is good for :data:`GOOD_FOR` seconds, so asking
often costs nothing. Answers are words of ours: addresses and passwords stand in errors, and those
go to the log alone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import Future, TimeoutError, wait
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from classifier.services.status import model_problem

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

SECONDS = 2.0
GOOD_FOR = 5.0

LABELS = {
    "database": _("Database"),
    "broker": _("Broker"),
    "storage": _("File storage"),
    "model": _("Model"),
}
OK = "ok"
NO_ANSWER = "no answer in time"
FAILED = "does not answer"
NOT_WRITABLE = "cannot be written to"


@dataclass(frozen=True)
class Answer:
    """What a part said.

    Attributes:
        ok: whether it can be used.
        detail: ``ok`` or what is wrong, in words that name no address.
        milliseconds: how long it took.
    """

    ok: bool
    detail: str
    milliseconds: float


def ask_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return OK


def ask_broker() -> str:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=0, timeout=ceil(SECONDS))
    return OK


def ask_storage() -> str:
    """Look whether the folder can be written to; of object storage, whether it answers."""
    storage: Any = default_storage
    if not isinstance(default_storage, FileSystemStorage):
        storage.exists("readiness")
        return OK
    folder = Path(storage.location)
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    usable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    return OK if usable else NOT_WRITABLE


def ask_model() -> str:
    """Said in English to machines and people alike; the model page says it in theirs."""
    with override("en"):
        return str(model_problem()) or OK


QUESTIONS: dict[str, Callable[[], str]] = {
    "database": ask_database,
    "broker": ask_broker,
    "storage": ask_storage,
    "model": ask_model,
}


class Examination:
    """Asks every part, those that hang without gathering threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Answer]] = {}
        self._known: dict[str, Answer] = {}
        self._known_at = float("-inf")

    def answers(self) -> dict[str, Answer]:
        """One answer for each part, in the order of :data:`QUESTIONS`."""
        with self._lock:
            if time.monotonic() - self._known_at < GOOD_FOR:
                return self._known
            for name, question in QUESTIONS.items():
                if name not in self._under_way or self._under_way[name].done():
                    self._under_way[name] = _ask(name, question)
            asked = dict(self._under_way)
            wait(asked.values(), timeout=SECONDS)
            self._known = {name: _read(future) for name, future in asked.items()}
            self._known_at = time.monotonic()
            return self._known

    def forget(self) -> None:
        """Ask anew next time."""
        with self._lock:
            self._known_at = float("-inf")
            self._under_way = {}


def _read(future: Future[Answer]) -> Answer:
    try:
        return future.result(timeout=0)
    except TimeoutError:
        return Answer(False, NO_ANSWER, SECONDS * 1000)


def _ask(name: str, question: Callable[[], str]) -> Future[Answer]:
    future: Future[Answer] = Future()

    def run() -> None:
        begun = time.monotonic()
        try:
            detail = question()
        except Exception:
            logger.exception("Not ready: %s.", name)
            detail = FAILED
        finally:
            connection.close()
        future.set_result(Answer(detail == OK, detail, (time.monotonic() - begun) * 1000))

    threading.Thread(target=run, name=f"ready-{name}", daemon=True).start()
    return future


examination = Examination()
