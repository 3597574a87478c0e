"""A PostgreSQL and a Redis of the fault suite's own: it restarts and empties them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql

from tests.conftest import PROJECT

AS_POSTGRES = ("runuser", "-u", "postgres", "--") if os.getuid() == 0 else ()
MIGRATED = "migrated"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def programs() -> Path | None:
    """The folder of PostgreSQL's newest programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class Database:
    """A cluster in a folder. Databases are copies of one that is migrated once."""

    def __init__(self, folder: Path) -> None:
        found = programs()
        assert found is not None
        self.programs = found
        self.folder = folder
        self.port = free_port()
        folder.chmod(0o755)
        if AS_POSTGRES:
            subprocess.run(["chown", "postgres", folder], check=True)
        self._run("initdb", "-U", "pbcsite", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                  "--no-sync")  # fmt: skip
        self.start()
        self.execute(f"CREATE DATABASE {MIGRATED}")
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "pbcsite.settings"}
        environment["DATABASE_URL"] = self.url(MIGRATED)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=PROJECT,
            env=environment,
            check=True,
        )

    def _run(self, program: str, *arguments: str) -> None:
        command = [*AS_POSTGRES, str(self.programs / program), "-D", str(self.folder / "data")]
        subprocess.run(
            [*command, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=self.folder
        )

    def start(self) -> None:
        # Its end is part of the suite, the machine's is not: nothing need reach the disk.
        options = (
            f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off "
            "-c max_connections=60"
        )
        log = str(self.folder / "log")
        self._run("pg_ctl", "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """``immediate`` is what a crash looks like: no connection is asked, the log is replayed."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def url(self, name: str) -> str:
        return f"postgres://pbcsite@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(sql.SQL(statement))  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def copy(self, name: str) -> str:
        """Make a migrated database of this name; returns its address."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {MIGRATED}")
        return self.url(name)

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Broker:
    """A Redis that can be killed and comes back at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
             "--appendonly", "no", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                self.client().ping()
                return
            except redis.ConnectionError:
                time.sleep(0.05)
        raise TimeoutError("the broker does not answer")

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None
