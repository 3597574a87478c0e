"""Real processes for tests: workers, the scheduler, the web."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import PROJECT

WORKER = ("worker", "--pool", "threads", "--concurrency", "1", "--without-gossip",
          "--without-mingle", "--loglevel", "INFO")  # fmt: skip
BEAT = ("beat", "--loglevel", "INFO")
PATIENCE_SECONDS = 240


class Processes:
    """Starts real processes, each in a group of its own, and ends whatever is left."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = environment
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        return self.start_module(name, "celery", "-A", "pbcsite", *arguments)

    def start_module(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=PROJECT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL to the process and all of its children: nothing can be tidied up."""
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)

    def kill_while(self, process: subprocess.Popen[bytes], what: Callable[[], bool]) -> None:
        """Kill the process in a state that ``what`` finds.

        It is stopped first: by itself it might leave the state just before it is killed.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            if what():
                os.killpg(process.pid, signal.SIGSTOP)
                time.sleep(0.1)  # what it had sent to the database by then is done
                if what():
                    break
                os.killpg(process.pid, signal.SIGCONT)
            if time.monotonic() > deadline:
                pytest.fail(f"not met in that state in {PATIENCE_SECONDS} s\n{self.log()}")
            time.sleep(0.02)
        self.kill(process)

    def log(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {each.name}\n{each.read_text()[-6000:]}" for each in logs)
