"""The same thing asked twice at the same moment is done once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import requests

from cases.models import CaseImage, Cell, Correction, CorrectionBatch, Role
from classifier.models import ModelVersion
from tests.factories import member, picture_bytes
from tests.faults.site import Site
from tests.faults.test_database_and_disk import named_cells


def both(*calls: Any) -> list[Any]:
    """Start all calls at the same moment; returns their answers in the order given."""
    ready = Barrier(len(calls), timeout=30)

    def run(call: Any) -> Any:
        ready.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def test_the_same_upload_sent_twice_at_once_is_stored_once(
    site: Site, version: ModelVersion
) -> None:
    site.start_web()
    site.start_beat()
    site.start_worker()
    files = [("files", (f"{each}.png", picture_bytes(seed=each))) for each in range(30)]
    address = site.url(f"cases/{site.case.pk}/images/")

    def send(session: requests.Session, **headers: str) -> Any:
        return lambda: session.post(address, files=files, headers=headers, timeout=120)

    first, second = both(send(site.api()), send(site.api()))
    counts = [each.json() for each in (first, second)]
    assert sum(each["accepted"] for each in counts) == 30
    assert sum(each["duplicates"] for each in counts) == 30
    assert sum(each["rejected"] for each in counts) == 0
    # The same under one key: one is carried out, the other is told so or gets the same answer.
    files[:] = [("files", (f"{each}.png", picture_bytes(seed=each))) for each in range(30, 40)]
    session = site.api()
    key = {"Idempotency-Key": "twice-at-once"}
    first, second = both(send(session, **key), send(session, **key))
    statuses = sorted((first.status_code, second.status_code))
    assert statuses in ([201, 201], [201, 409])
    site.wait(site.all_are_finished, "forty cells")
    site.assert_exact(done=40)
    images = Counter(CaseImage.objects.values_list("sha256", flat=True))
    assert set(images.values()) == {1}


def test_two_reviewers_correcting_the_same_200_cells_at_once(
    site: Site, version: ModelVersion
) -> None:
    site.start_web()
    body = named_cells(site, 200)
    other = member(site.case.laboratory, Role.REVIEWER)
    address = site.url(f"cases/{site.case.pk}/corrections/")
    sessions = [site.api(), site.api(other)]
    for session in sessions:
        session.get(site.url("me/"), timeout=60)
    answers = both(
        *(
            lambda session=session, to=to: session.post(
                address, json={**body, "to": to}, timeout=60
            )
            for session, to in zip(sessions, ("monocyte", "lymphocyte"), strict=True)
        )
    )
    assert sorted(each.status_code for each in answers) == [201, 409]
    refused = next(each for each in answers if each.status_code == 409).json()
    assert refused["code"] == "stale_cells"
    assert refused["stale"] == 200
    batch = CorrectionBatch.objects.get()
    assert batch.corrections.count() == Correction.objects.count() == 200
    assert set(Cell.objects.values_list("version", flat=True)) == {2}
    assert Cell.objects.values("label").distinct().count() == 1

    # Cell by cell the same: of each pair one is kept, and the reader of the other is told.
    keys = [each["id"] for each in body["cells"]]

    def one_by_one(session: requests.Session, to: str) -> Counter[int]:
        statuses: Counter[int] = Counter()
        for pk in keys:
            answered = session.post(
                site.url(f"cells/{pk}/corrections/"), json={"to": to, "version": 2}, timeout=60
            )
            statuses[answered.status_code] += 1
        return statuses

    counted = both(
        lambda: one_by_one(sessions[0], "eosinophil"), lambda: one_by_one(sessions[1], "basophil")
    )
    total = counted[0] + counted[1]
    assert total == {201: 200, 409: 200}
    assert Correction.objects.count() == 400
    assert set(Cell.objects.values_list("version", flat=True)) == {3}
    site.assert_files_exact()
