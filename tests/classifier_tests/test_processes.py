"""Real workers, a real broker, a real model: nothing is lost and nothing is doubled."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings
from django.db import connection

from cases.models import CaseImage, Cell, SmearCase, User
from cases.services.uploads import ACCEPTED, store_images
from classifier.models import ClassificationJob, Prediction, Worker
from classifier.operations.figures import state_of, totals
from tests.classifier_tests.live import BEAT, WORKER, Processes
from tests.factories import SmearCaseFactory, member, upload

pytestmark = [
    pytest.mark.processes,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.django_db(transaction=True),
]


def upload_cells(case: SmearCase, user: User, files: list[Path]) -> None:
    answers = store_images(
        case=case, user=user, files=[upload(each.name, each.read_bytes()) for each in files]
    )
    assert {answer.outcome for answer in answers} == {ACCEPTED}


def wait_for(what: Callable[[], Any], processes: Processes, seconds: float = 240) -> None:
    """Ask often, so that a batch in work is met in its middle."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain; {tally()}\n{processes.log()}")
        time.sleep(0.02)
    connection.close()


def tally() -> dict[str, int]:
    return {
        state: Cell.objects.filter(state=state).count()
        for state in ("queued", "processing", "done", "failed")
    }


def in_mid_batch(done: int) -> bool:
    """A batch is claimed, some are stored already and others wait."""
    now = tally()
    return now["done"] >= done and now["processing"] > 0 and now["queued"] > 0


def assert_all_once(cells: int) -> None:
    assert tally() == {"queued": 0, "processing": 0, "done": cells, "failed": 0}
    assert Prediction.objects.count() == cells
    assert Prediction.objects.values("cell").distinct().count() == cells
    assert set(ClassificationJob.objects.values_list("state", flat=True)) == {"done"}
    assert ClassificationJob.objects.count() == cells
    assert set(CaseImage.objects.values_list("state", flat=True)) == {"done"}
    assert set(SmearCase.objects.values_list("status", flat=True)) == {"in_review"}
    # One change of label per cell: a second storing would have raised it again.
    assert set(Cell.objects.values_list("version", flat=True)) == {1}


def several(pbc_images: dict[str, list[Path]], each: int, start: int = 0) -> list[Path]:
    return [path for paths in pbc_images.values() for path in paths[start : start + each]]


def test_killing_workers_and_emptying_the_broker_loses_and_doubles_nothing(
    processes: Processes, broker_url: str, pbc_images: dict[str, list[Path]]
) -> None:
    first, second = SmearCaseFactory(), SmearCaseFactory()
    upload_cells(first, member(first.laboratory), several(pbc_images, 3))
    upload_cells(second, member(second.laboratory), several(pbc_images, 1, start=3))
    broker = redis.Redis.from_url(broker_url)

    # Killed while it works on a batch; nobody rings for what is left.
    victim = processes.start("worker-1", *WORKER)
    processes.kill_while(victim, lambda: in_mid_batch(done=4))
    broker.flushall()
    left = tally()
    assert left["processing"] > 0
    assert left["queued"] > 0
    assert Prediction.objects.count() == left["done"] < 32

    # The same again with the sweep at work, and the broker emptied under a living worker.
    processes.start("beat", *BEAT)
    victim = processes.start("worker-2", *WORKER)
    wait_for(lambda: in_mid_batch(done=left["done"] + 4), processes)
    broker.flushall()
    processes.kill_while(victim, lambda: in_mid_batch(done=left["done"] + 4))
    assert Cell.objects.filter(state="processing").exists()
    broker.flushall()

    processes.start("worker-3", *WORKER)
    wait_for(lambda: tally()["done"] == 32, processes)
    assert_all_once(32)
    assert ClassificationJob.objects.filter(attempts__gt=1).exists()


def test_two_workers_at_once_double_nothing_and_leave_when_told(
    processes: Processes, broker_url: str, pbc_images: dict[str, list[Path]]
) -> None:
    processes.environment |= {"CLASSIFY_LEASE_SECONDS": "60", "LOG_FORMAT": "json"}
    workers = [
        processes.start(f"worker-{name}", *WORKER, "--hostname", f"{name}@here")
        for name in ("a", "b")
    ]
    wait_for(lambda: processes.log().count(" ready.") == 2, processes)
    case = SmearCaseFactory()
    upload_cells(case, member(case.laboratory), several(pbc_images, 4))
    doorbell = Celery(broker=broker_url)
    for _ in range(200):  # far more rings than work
        doorbell.send_task(settings.CLASSIFY_TASK, headers={"request_id": "request-of-the-test"})
    wait_for(lambda: tally()["done"] == 32, processes)
    wait_for(lambda: redis.Redis.from_url(broker_url).llen("celery") == 0, processes, seconds=30)
    assert_all_once(32)
    assert set(ClassificationJob.objects.values_list("attempts", flat=True)) == {1}

    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    for worker in workers:
        assert worker.wait(timeout=60) == 0
        processes.running.remove(worker)

    # What each did is in the rows that the web process tells to Prometheus.
    rows = {each.name: each for each in Worker.objects.all()}
    assert set(rows) == {"a@here", "b@here"}
    assert {state_of(each) for each in rows.values()} == {"stopped"}
    done = totals(list(rows.values()))
    assert done.sums["cells"] == 32
    assert sum(done.counts["cell_milliseconds"].values()) == 32
    assert sum(done.counts["batch_sizes"].values()) == done.sums["batches"] >= 8
    assert done.sums["milliseconds"] == pytest.approx(
        sum(Prediction.objects.values_list("milliseconds", flat=True))
    )
    # Every line is JSON, and those of a task name it and the request that rang for it.
    texts = processes.folder.joinpath("worker-a.log").read_text().splitlines()
    lines = [json.loads(each) for each in texts if each.startswith("{")]
    rung = [each for each in lines if each.get("request_id") == "request-of-the-test"]
    assert rung
    assert all(len(each["task_id"]) == 36 for each in rung)
    assert len(lines) > len(texts) / 2
