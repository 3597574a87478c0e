"""A bundle that is damaged when the worker starts; a migration while it works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from django.db import connection

from cases.models import Role
from classifier.models import ModelVersion
from tests.classifier_tests.live import WORKER
from tests.conftest import PROJECT
from tests.factories import CaseImageFactory, CellFactory, member
from tests.faults.site import Site


def test_a_worker_that_finds_its_bundle_damaged_waits_for_a_whole_one(
    site: Site, small_bundle: Path
) -> None:
    """The real model: the smallest bundle, on TensorFlow."""
    bundle = Path(site.processes.environment["MODEL_BUNDLES_DIR"]) / "vgg19-pbc"
    shutil.copytree(small_bundle, bundle)
    weights = bundle / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2] + b"\0" + whole[len(whole) // 2 + 1 :])
    site.start_web()
    site.upload(site.api(), range(6))
    site.start_beat()
    site.processes.start("worker", *WORKER)
    site.wait(lambda: "all of them stay queued" in site.processes.log(), "the worker's word")
    assert site.states() == {"queued": 6}
    assert not ModelVersion.objects.exists()
    assert site.processes.running[-1].poll() is None  # it waits, it does not die
    chief = member(site.case.laboratory, Role.ADMINISTRATOR, is_superuser=True, is_staff=True)
    assert site.browser(chief).get(f"{site.address}/models/", timeout=60).status_code == 200
    weights.write_bytes(whole)
    site.wait(site.all_are_finished, "the whole bundle to be used", seconds=150)
    site.assert_exact(done=6)
    assert ModelVersion.objects.get().active


def manage(site: Site, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=site.processes.environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def test_a_migration_is_applied_while_a_worker_works(site: Site, version: ModelVersion) -> None:
    """The tables of the newest part are made under a worker and a web process that know them."""
    manage(site, "migrate", "classifier", "0009", "--verbosity=0")
    site.start_beat()
    site.start_worker(QUICK_SECONDS="0.5")
    # Numbered as uploads number them, which go on behind these.
    for number in range(1, 41):
        CellFactory(case=site.case, image=CaseImageFactory(case=site.case, number=number))
    site.wait(lambda: site.in_mid_batch(4), "a batch")
    connection.close()
    manage(site, "migrate", "--verbosity=0")
    site.start_web()
    site.wait(site.all_are_finished, "the rest")
    site.assert_exact(done=40)
    # The same worker goes on with what comes after.
    assert len(site.upload(site.api(), range(100, 104))) == 4
    site.wait(site.all_are_finished, "the new ones")
    site.assert_exact(done=44)
    worker = next(each for each in site.processes.running if "quick_worker" in str(each.args))
    assert worker.poll() is None
