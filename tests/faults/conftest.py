"""Each test has a site of its own; database cluster and broker are the suite's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from classifier.models import ModelVersion
from tests.classifier_tests.fakes import make_version
from tests.classifier_tests.live import Processes
from tests.conftest import IN_CI, missing
from tests.faults.services import Broker, Database, programs
from tests.faults.site import Site, default_database
from tests.ml_tests.conftest import small_bundle as small_bundle


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            for mark in (pytest.mark.faults, pytest.mark.processes, pytest.mark.timeout(900)):
                item.add_marker(mark)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder with a short path that the database's own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="pbcsite-faults-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database(scratch: Path) -> Iterator[Database]:
    if IN_CI and not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        # It brings its own services; once is enough.
        pytest.skip("only for the run with PostgreSQL and Redis")
    if programs() is None:
        missing("PostgreSQL is not installed (apt-get install postgresql).")
    if shutil.which("redis-server") is None:
        missing("Redis is not installed (apt-get install redis-server).")
    folder = scratch / "postgresql"
    folder.mkdir()
    cluster = Database(folder)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def broker(database: Database, scratch: Path) -> Iterator[Broker]:
    server = Broker(scratch)
    yield server
    if server.process is not None:
        server.kill()


@pytest.fixture
def site(
    database: Database,
    broker: Broker,
    tmp_path: Path,
    settings: Any,
    django_db_blocker: Any,
    request: pytest.FixtureRequest,
) -> Iterator[Site]:
    """A migrated database, an empty broker, no file; a case and its reviewer. Nothing runs yet."""
    name = f"faults_{abs(hash(request.node.nodeid))}"
    media = Path(settings.STORAGES["default"]["OPTIONS"]["location"])
    broker.client().flushall()
    logs = tmp_path / "logs"
    logs.mkdir()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "DATABASE_URL": database.copy(name),
        "REDIS_URL": broker.url,
        "MEDIA_ROOT": str(media),
        "DATA_DIR": str(tmp_path / "data"),
        "MODEL_BUNDLES_DIR": str(tmp_path / "bundles"),
        "PYTHONUNBUFFERED": "1",
        "DEBUG": "0",
        "TLS_ONLY": "0",
        "CLASSIFY_BATCH_SIZE": "4",
        "CLASSIFY_LEASE_SECONDS": "2",
        # Kills come faster here than a laboratory will ever see them.
        "CLASSIFY_MAX_ATTEMPTS": "6",
        "SWEEP_SECONDS": "1",
    }
    started = Processes(environment, logs)
    with django_db_blocker.unblock(), default_database(environment["DATABASE_URL"]):
        yield Site(database, broker, started, media)
        for process in list(started.running):
            started.kill(process)
    database.drop(name)


@pytest.fixture
def version(site: Site) -> ModelVersion:
    """The version the quick worker answers for."""
    return make_version()
