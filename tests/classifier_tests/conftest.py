"""Fixtures of the model's side."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from cases.models import SmearCase
from classifier.models import ModelVersion
from tests.classifier_tests.fakes import make_version
from tests.classifier_tests.live import Processes
from tests.factories import SmearCaseFactory
from tests.ml_tests.conftest import small_bundle as small_bundle


@pytest.fixture
def version(db: None) -> ModelVersion:
    return make_version()


@pytest.fixture
def case(db: None) -> SmearCase:
    return SmearCaseFactory()


@pytest.fixture
def processes(
    process_environment: dict[str, str], broker_url: str, bundle_path: Path, tmp_path: Path
) -> Iterator[Processes]:
    logs = tmp_path / "logs"
    logs.mkdir()
    bundles = tmp_path / "bundles"
    shutil.copytree(bundle_path, bundles / "vgg19-pbc")
    redis.Redis.from_url(broker_url).flushall()
    environment = {
        **process_environment,
        "DJANGO_SETTINGS_MODULE": "pbcsite.settings",
        "DATA_DIR": str(tmp_path / "data"),
        "MODEL_BUNDLES_DIR": str(bundles),
        "CLASSIFY_BATCH_SIZE": "4",
        "CLASSIFY_LEASE_SECONDS": "4",
        # Kills come faster here than a laboratory will ever see them.
        "CLASSIFY_MAX_ATTEMPTS": "6",
        "SWEEP_SECONDS": "2",
    }
    started = Processes(environment, logs)
    yield started
    for process in list(started.running):
        started.kill(process)
