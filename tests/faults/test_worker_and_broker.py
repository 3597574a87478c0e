"""Workers die, the broker is emptied or away, clocks are wrong: each cell is named exactly once."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import F

from cases.models import CaseImage, Cell
from classifier.models import ClassificationJob, ModelVersion, Prediction
from tests.factories import picture_bytes
from tests.faults.poison import POISON
from tests.faults.site import Site

# How long the broker stays away. By hand it was a minute: FAULTS_AWAY_SECONDS=60.
AWAY_SECONDS = float(os.environ.get("FAULTS_AWAY_SECONDS", "4"))


def test_workers_killed_twice_and_the_broker_emptied_lose_and_double_nothing(
    site: Site, version: ModelVersion
) -> None:
    site.start_web()
    site.start_beat()
    answers = site.upload(site.api(), range(48))
    assert [each["outcome"] for each in answers] == ["accepted"] * 48
    for life in (1, 2):
        victim = site.start_worker(f"worker-{life}", QUICK_SECONDS="0.4")
        done = Cell.objects.filter(state="done").count()
        site.processes.kill_while(victim, lambda done=done: site.in_mid_batch(done + 4))
        site.broker.client().flushall()
        left = site.states()
        assert left["processing"] > 0
        assert left["queued"] > 0
        assert Prediction.objects.count() == left["done"]
    site.start_worker("worker-3")
    site.wait(site.all_are_finished, "the third worker")
    site.assert_exact(done=48)
    assert ClassificationJob.objects.filter(attempts__gt=1).exists()


def test_uploads_are_taken_while_the_broker_is_away_and_work_resumes(
    site: Site, version: ModelVersion
) -> None:
    site.start_web()
    site.start_beat()
    # A broken connection may end the worker (kombu); its supervisor starts it again.
    with site.kept_worker():
        client = site.api()
        site.upload(client, range(4))
        site.wait(site.all_are_finished, "the first four")
        site.broker.kill()
        went = time.monotonic()
        sent = 4
        slowest = 0.0
        while time.monotonic() - went < AWAY_SECONDS or sent < 16:
            began = time.monotonic()
            answers = site.upload(client, range(sent, sent + 4))
            slowest = max(slowest, time.monotonic() - began)
            assert [each["outcome"] for each in answers] == ["accepted"] * 4
            sent += 4
            time.sleep(AWAY_SECONDS / 10)
        # A worker that was still looking when the next came needs no broker to name them.
        left = site.states()
        assert set(left) == {"done", "queued"}
        assert left["done"] + left["queued"] == sent
        assert slowest < 10
        site.broker.start()
        site.wait(site.all_are_finished, "the work to resume")
    site.assert_exact(done=sent)


def test_a_picture_that_kills_workers_is_given_up_with_a_reason_and_can_be_retried(
    site: Site, version: ModelVersion
) -> None:
    site.processes.environment["CLASSIFY_MAX_ATTEMPTS"] = "2"
    site.start_web()
    site.start_beat()
    client = site.api()
    poison = picture_bytes(size=(POISON, 20))
    files = [("files", ("poison.png", poison))]
    client.post(site.url(f"cases/{site.case.pk}/images/"), files=files, timeout=60)
    site.upload(client, range(7))
    with site.kept_worker(CLASSIFY_MAX_ATTEMPTS="2"):
        site.wait(site.all_are_finished, "the poison to be given up")
    site.assert_exact(done=7, failed=1)
    page = site.browser()
    page.cookies["django_language"] = "en"
    shown = page.get(f"{site.address}/cases/{site.case.pk}/", timeout=60)
    assert shown.status_code == 200
    assert f"/cases/{site.case.pk}/failures/" in shown.text
    shown = page.get(f"{site.address}/cases/{site.case.pk}/failures/", timeout=60)
    assert "The worker stopped several times" in shown.text
    assert "Try again" in shown.text
    cell = Cell.objects.get(state="failed")
    detail = client.get(site.url(f"cells/{cell.pk}/"), timeout=60)
    assert "The worker stopped several times" in detail.text
    # The button puts it back; a worker that bears it names it.
    retried = page.post(f"{site.address}/cases/{site.case.pk}/failures/", timeout=60)
    assert retried.status_code < 400
    assert site.states() in ({"done": 7, "queued": 1}, {"done": 7, "processing": 1})


def test_clocks_an_hour_apart_and_jumping_double_nothing(
    site: Site, version: ModelVersion, tmp_path: Path
) -> None:
    """Of two workers one is an hour ahead, by its own clock: leases go by the database's."""
    clocks = [tmp_path / f"clock-{name}" for name in "ab"]
    for clock, seconds in zip(clocks, ("0", "3600"), strict=True):
        clock.write_text(seconds)
    site.start_web()
    site.start_beat()
    site.upload(site.api(), range(48))
    for number, clock in enumerate(clocks):
        site.start_worker(f"worker-{number}", QUICK_SECONDS="0.3", QUICK_CLOCK=str(clock))
    site.wait(lambda: site.in_mid_batch(8), "both at work")
    clocks[0].write_text("7200")  # forward
    time.sleep(1)
    clocks[1].write_text("-3600")  # and back
    site.wait(site.all_are_finished, "workers of different clocks")
    site.assert_exact(done=48)


@pytest.mark.parametrize("hours", [3, -3])
def test_a_clock_that_jumped_while_nobody_worked_leaves_nothing_stuck(
    site: Site, version: ModelVersion, hours: int
) -> None:
    """A worker dies under a lease of the time when the database's clock was hours wrong."""
    site.start_web()
    site.upload(site.api(), range(12))
    victim = site.start_worker("worker-1", QUICK_SECONDS="0.5")
    site.processes.kill_while(victim, lambda: site.in_mid_batch(4))
    held = ClassificationJob.objects.exclude(lease_expires_at=None)
    assert held.update(lease_expires_at=F("lease_expires_at") + timedelta(hours=hours))
    assert CaseImage.objects.count() == 12
    site.start_beat()
    site.start_worker("worker-2")
    site.wait(site.all_are_finished, "the worker of the right time", seconds=40)
    site.assert_exact(done=12)
