"""The database restarts, the disk is full: all or nothing, said in words, and it goes on."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db import connection

from cases.models import CaseImage, Cell, Correction, CorrectionBatch
from classifier.models import ClassificationJob, ModelVersion, Prediction
from tests.factories import CaseImageFactory, picture_bytes
from tests.faults.site import Site


def test_postgresql_crashes_and_comes_back_during_inference(
    site: Site, version: ModelVersion
) -> None:
    site.start_web()
    site.start_beat()
    site.start_worker(QUICK_SECONDS="0.6")
    client = site.api()
    site.upload(client, range(40))
    site.wait(lambda: site.in_mid_batch(4), "a batch")
    connection.close()
    site.database.stop("immediate")
    asked = client.get(site.url("cases/"), timeout=60)
    assert asked.status_code == 503
    assert asked.headers["Content-Type"] == "application/problem+json"
    assert asked.json()["code"] == "database_unavailable"
    assert int(asked.headers["Retry-After"]) > 0
    page = requests.get(f"{site.address}/login/", timeout=60)
    # The log-in form may do without the database; nothing may answer 500.
    assert page.status_code in (200, 503)
    late = client.post(
        site.url(f"cases/{site.case.pk}/images/"),
        files=[("files", ("late.png", picture_bytes(seed=900)))],
        timeout=60,
    )
    assert late.status_code == 503
    site.database.start()
    site.wait(site.all_are_finished, "the work to go on")
    site.assert_exact(done=40)
    assert site.upload(client, range(40, 41))[0]["outcome"] == "accepted"
    site.wait(site.all_are_finished, "the last one")
    site.assert_exact(done=41)


def named_cells(site: Site, count: int) -> dict[str, Any]:
    """Cells of the case, named by the model, as a correction of many names them."""
    image = CaseImageFactory(case=site.case)
    Cell.objects.bulk_create(
        Cell(case=site.case, image=image, number=number + 1, left=0, top=0, width=24, height=24,
             state="done", version=1)
        for number in range(count)
    )  # fmt: skip
    cells = [{"id": pk, "version": 1} for pk in Cell.objects.values_list("pk", flat=True)]
    return {"cells": cells, "to": "monocyte"}


def test_postgresql_crashes_during_a_correction_of_many(site: Site, version: ModelVersion) -> None:
    """All or nothing was kept, whichever the reader is told; asking again settles it."""
    site.start_web()
    body = named_cells(site, 4000)
    client = site.api()
    client.get(site.url("me/"), timeout=60)  # the process is warm
    answers: list[int] = []

    def correct() -> None:
        answers.append(client.post(_corrections(site), json=body, timeout=120).status_code)

    outcomes = set()
    for pause in (0.15, 0.4):
        connection.close()
        sending = threading.Thread(target=correct)
        sending.start()
        time.sleep(pause)
        site.database.stop("immediate")
        site.database.start()
        sending.join()
        assert answers[-1] in (200, 201, 409, 503)
        kept = Correction.objects.count()
        assert kept in (0, 4000)
        assert CorrectionBatch.objects.count() == kept // 4000
        assert Cell.objects.filter(version=2).count() == kept
        outcomes.add(answers[-1])
    correct()
    assert answers[-1] in ((200, 201) if Correction.objects.count() == 4000 else (409,))
    correct()
    assert answers[-1] == 409  # the versions are the old ones
    assert Correction.objects.count() == Cell.objects.filter(version=2).count() == 4000
    assert CorrectionBatch.objects.count() == 1
    site.assert_files_exact()


def _corrections(site: Site) -> str:
    return site.url(f"cases/{site.case.pk}/corrections/")


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A file system of this size at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=0777", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only for systems where a file system may be mounted")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Use up what is left of a file system."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return filler


def test_a_full_disk_refuses_images_one_by_one_and_leaves_no_piece(
    site: Site, version: ModelVersion
) -> None:
    with small_disk(site.media, 512):
        site.start_web()
        client = site.api()
        # 40 pictures of about 30 kB: the disk is full on the way.
        files = [
            ("files", (f"{seed}.png", picture_bytes(seed=seed, size=(100, 100))))
            for seed in range(40)
        ]
        address = site.url(f"cases/{site.case.pk}/images/")
        answered = client.post(address, files=files, timeout=120)
        assert answered.status_code == 201
        outcomes = [each["outcome"] for each in answered.json()["files"]]
        stored = outcomes.count("accepted")
        assert 5 < stored < 35
        refused = [each for each in answered.json()["files"] if each["outcome"] == "rejected"]
        assert {each["code"] for each in refused} == {"not_stored"}
        assert "send it again" in refused[0]["message"]
        assert CaseImage.objects.count() == Cell.objects.count() == stored
        site.assert_files_exact()
        # The administrator makes room; the same request stores the rest and nothing twice.
        subprocess.run(["mount", "-o", "remount,size=8m", str(site.media)], check=True)
        again = client.post(address, files=files, timeout=120).json()
        assert (again["accepted"], again["duplicates"], again["rejected"]) == (
            40 - stored,
            stored,
            0,
        )
        site.start_worker()
        site.start_beat()
        site.wait(site.all_are_finished, "all forty")
        site.assert_exact(done=40)


def test_a_full_disk_under_the_predictions_loses_none(
    site: Site, version: ModelVersion, scratch: Path
) -> None:
    """Heatmaps lie in their prediction's row, so it is the database that finds the disk full."""
    disk = scratch / "small-disk"
    with small_disk(disk, 2048):
        space = disk / "space"
        space.mkdir()
        subprocess.run(["chown", "postgres", str(space)], check=True)
        site.database.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        name = connection.settings_dict["NAME"]
        table = Prediction._meta.db_table
        connection.close()
        site.database.execute(f"ALTER TABLE {table} SET TABLESPACE small", name)
        filler = fill(disk)
        site.start_web()
        site.start_beat()
        site.upload(site.api(), range(40))
        site.start_worker(CLASSIFY_MAX_ATTEMPTS="3")
        # A page of the table may be there already; sooner or later there is no other.
        site.wait(lambda: "No space left on device" in site.processes.log(), "a full disk")
        failing = Prediction.objects.count()
        assert failing < 40
        assert Cell.objects.filter(state="done").count() == failing
        filler.unlink()
        site.wait(site.all_are_finished, "room again")
        # Whoever had no attempt left says why, and the button puts it back.
        failed = Cell.objects.filter(state="failed")
        assert set(failed.values_list("failure_code", flat=True)) <= {"not_stored"}
        page = site.browser()
        page.post(f"{site.address}/cases/{site.case.pk}/failures/", timeout=60)
        site.wait(lambda: Cell.objects.filter(state="done").count() == 40, "the retried ones")
        site.assert_exact(done=40)
        assert not ClassificationJob.objects.exclude(state="done").exists()
        for process in list(site.processes.running):
            site.processes.kill(process)
        connection.close()
        site.database.execute(f"ALTER TABLE {table} SET TABLESPACE pg_default", name)
        site.database.execute("DROP TABLESPACE small")
