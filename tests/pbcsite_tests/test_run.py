"""The whole site as ``make run`` starts it: what it needs, what it keeps and how it stops."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from pbcsite.embedded import LONGEST_SOCKET_PATH, broker_socket
from scripts.run import CannotStart, check_port, commands, kept_secret, only_one
from tests.conftest import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the suite sets for itself; a person's shell has none of it.
OF_THE_SUITE = (
    "PBCSITE_TEST_DIR", "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "SECRET_KEY",
    "MEDIA_ROOT", "STATIC_ROOT", "ALLOWED_HOSTS", "DEBUG", "TLS_ONLY",
)  # fmt: skip
# Longer than a busy machine takes; every wait ends as soon as it has what it waits for.
PATIENCE_SECONDS = 240


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """A running site and what it printed."""

    def __init__(self, data_dir: Path, **given: str) -> None:
        self.port = free_port()
        self.data_dir = data_dir
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.parent / f"{data_dir.name}-{self.port}.log"
        surroundings = {k: v for k, v in os.environ.items() if k not in OF_THE_SUITE}
        surroundings |= {"DATA_DIR": str(data_dir), "PORT": str(self.port), **given}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scripts.run"],
                cwd=PROJECT,
                env=surroundings,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, text: str) -> str:
        """Wait until the site has printed a text; return all it printed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in (printed := self.log.read_text()):
            assert self.process.poll() is None, printed
            assert time.monotonic() < deadline, printed
            time.sleep(0.1)
        return printed

    def started(self) -> dict[str, int]:
        """Return the processes' ids by name."""
        found = re.findall(r"system +\| (\w+) started \(pid=(\d+)\)", self.log.read_text())
        return {name: int(pid) for name, pid in found}

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal as a terminal would, to the foreground processes, and wait for the end."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    with folder_of_a_site(tmp_path / "data") as folder:
        yield folder


@pytest.fixture(scope="module")
def lasting_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One for several tests: to fill it takes most of a first start."""
    with folder_of_a_site(tmp_path_factory.mktemp("lasting") / "data") as folder:
        yield folder


@contextmanager
def folder_of_a_site(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    yield folder
    # No test may leave a process behind, whatever became of it.
    for log in folder.parent.glob("data-*.log"):
        for pid in re.findall(r"started \(pid=(\d+)\)", log.read_text()):
            with suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def log_in(site: Site, user: str, password: str) -> int:
    """Return the status of a request for a token."""
    answer = requests.post(
        f"{site.address}/api/v1/auth/token/",
        json={"username": user, "password": password},
        timeout=60,
    )
    return answer.status_code


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_site_runs_keeps_its_data_and_stops(lasting_dir: Path, bundle_path: Path) -> None:
    begun = time.monotonic()
    site = Site(lasting_dir)
    try:
        printed = site.wait_for("Stop with Ctrl-C")
        password = lasting_dir.joinpath("demo-password").read_text()
        first_start = time.monotonic() - begun
        assert site.address in printed
        assert f"Password: {password}" in printed
        assert requests.get(f"{site.address}/healthz", timeout=60).status_code == 200
        for role in ("technician", "reviewer", "administrator"):
            assert log_in(site, role, password) == 200
        token = requests.post(
            f"{site.address}/api/v1/auth/token/",
            json={"username": "reviewer", "password": password},
            timeout=60,
        ).json()["token"]
        reader = requests.Session()
        reader.headers["Authorization"] = f"Token {token}"
        case = reader.get(f"{site.address}/api/v1/cases/", timeout=60).json()["results"][0]
        counts_address = f"{site.address}/api/v1/cases/{case['id']}/counts/"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (counts := reader.get(counts_address, timeout=60).json())["pending"]:
            assert time.monotonic() < deadline, counts
            time.sleep(0.5)
        assert (counts["total"], counts["failed"]) == (40, 0)

        another = Site(lasting_dir)
        assert another.process.wait(PATIENCE_SECONDS) == 1
        assert "already running" in another.log.read_text()
        pids = site.started()
        assert set(pids) == {"broker", "web", "worker", "beat"}
    finally:
        status = site.stop()
    assert status == 0, site.log.read_text()
    assert not [name for name, pid in pids.items() if is_alive(pid)]
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(OSError, match=r"refused|No such"):
        probe.connect(str(broker_socket(lasting_dir)))

    begun = time.monotonic()
    again = Site(lasting_dir, DEMO_PASSWORD="another one")
    try:
        assert "Password: another one" in again.wait_for("Stop with Ctrl-C")
        assert time.monotonic() - begun < max(30, first_start)
        assert log_in(again, "reviewer", "another one") == 200
        assert log_in(again, "reviewer", password) == 401
        headers = {"Authorization": f"Token {token}"}
        kept = requests.get(
            counts_address.replace(site.address, again.address), headers=headers, timeout=60
        )
        assert kept.json()["total"] == 40
    finally:
        assert again.stop(signal.SIGTERM) == 0
    assert not [name for name, pid in again.started().items() if is_alive(pid)]


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_process_that_dies_stops_all(lasting_dir: Path) -> None:
    site = Site(lasting_dir)
    try:
        site.wait_for("Stop with Ctrl-C")
        pids = site.started()
        os.kill(pids["beat"], signal.SIGKILL)
        assert site.process.wait(PATIENCE_SECONDS) != 0
    finally:
        site.stop()
    assert "ended by itself" in site.log.read_text()
    assert not [name for name, pid in pids.items() if is_alive(pid)]


@pytest.mark.processes
def test_a_port_in_use_is_named(data_dir: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=f"Port {port} cannot be used"):
            check_port(port)
        site = Site(data_dir, PORT=str(port))
        assert site.process.wait(PATIENCE_SECONDS) == 1
    assert f"Port {port} cannot be used" in site.log.read_text()


@pytest.mark.parametrize("port", ["web", "0", "70000"])
def test_a_port_that_is_none_is_refused(data_dir: Path, port: str) -> None:
    site = Site(data_dir, PORT=port)
    assert site.process.wait(PATIENCE_SECONDS) == 1
    assert "PORT must be" in site.log.read_text()


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = kept_secret(tmp_path / "secret", 64)
    assert len(first) >= 64
    assert kept_secret(tmp_path / "secret", 64) == first
    assert kept_secret(tmp_path / "other", 64) != first
    assert tmp_path.joinpath("secret").stat().st_mode & 0o777 == 0o600


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(CannotStart, match="already running"),
        only_one(tmp_path),
    ):
        pass
    with only_one(tmp_path):
        pass


def test_listens_on_loopback_only_and_brings_a_broker_when_none_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    embedded = commands(8000)
    assert "127.0.0.1:8000" in embedded["web"]
    assert "broker" in embedded
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    assert set(commands(8000)) == {"web", "worker", "beat"}


def test_the_broker_socket_fits_whatever_the_folder() -> None:
    near = Path("/var/lib/pbcsite")
    far = Path("/" + "very-long-name/" * 12)
    assert broker_socket(near).is_relative_to(near)
    assert len(str(broker_socket(far))) <= LONGEST_SOCKET_PATH
    assert broker_socket(far) == broker_socket(far)
    assert broker_socket(far) != broker_socket(far / "other")
