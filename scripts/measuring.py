"""What the measuring scripts share: a scratch site, its demonstration and a logged-in reader."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.run import PROJECT, answers, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "only while measuring"  # noqa: S105 - of a scratch database


@contextmanager
def scratch_site() -> Iterator[Path]:
    """Prepare a site in a scratch folder, and let this process's environment name it."""
    with tempfile.TemporaryDirectory(prefix="pbcsite-measure-") as folder:
        for name in ("DATABASE_URL", "REDIS_URL", "MEDIA_ROOT", "STATIC_ROOT", "SECRET_KEY"):
            os.environ.pop(name, None)
        os.environ.update(surroundings(Path(folder)), DEMO_PASSWORD=PASSWORD)
        subprocess.run([sys.executable, "-m", "scripts.prepare"], cwd=PROJECT, check=True)
        yield Path(folder)


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the site, and stop it at the end."""
    process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(port: int, seconds: float = 60) -> None:
    """Wait for the site to answer.

    Raises:
        TimeoutError: when it does not.
    """
    deadline = time.monotonic() + seconds
    while not answers(f"http://127.0.0.1:{port}/healthz"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The site did not answer in {seconds:.0f} s.")
        time.sleep(0.2)


# WebGL computed on the processor, where there is no graphics card.
SOFTWARE_WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def chromium(playwright: Any, *arguments: str) -> Any:
    """A Chromium on this machine; CHROMIUM names another one than Debian's."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    return playwright.chromium.launch(
        executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage", *arguments]
    )
