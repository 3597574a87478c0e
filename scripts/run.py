"""Start the whole site on this machine: web, worker, scheduler and, without REDIS_URL, a broker.

``make run`` calls it. Everything stops together: on Ctrl-C, on SIGTERM, and when one of the
processes ends by itself.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import honcho.manager
from django.core.exceptions import ImproperlyConfigured

from pbcsite import env

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
# A worker that is told to stop finishes its batch first; honcho's own patience is 5 s.
SECONDS_TO_STOP = 30
SECONDS_TO_START = 120
ASKED_TO_STOP = {128 + signal.SIGINT, 128 + signal.SIGTERM}


class CannotStart(Exception):
    """Something the person who starts the site has to change first."""


def main() -> int:
    # Until honcho takes over, being told to stop ends the preparation as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        port = env.read_integer("PORT", 8000, minimum=1, maximum=65535)
        data_dir = env.read_path("DATA_DIR", PROJECT / "var")
        data_dir.mkdir(parents=True, exist_ok=True)
        with only_one(data_dir):
            check_port(port)
            os.environ.update(surroundings(data_dir))
            if subprocess.run([sys.executable, "-m", "scripts.prepare"], check=False).returncode:
                raise CannotStart("The site could not be prepared; the message stands above.")
            return serve(port, data_dir)
    except (CannotStart, ImproperlyConfigured) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder for this run.

    Raises:
        CannotStart: when another run holds it.
    """
    with data_dir.joinpath("run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"The site is already running with the data in {data_dir}. "
                "Stop it first, or choose another folder with DATA_DIR."
            ) from None
        yield


def check_port(port: int) -> None:
    """Raise :class:`CannotStart` when somebody listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CannotStart(
                f"Port {port} cannot be used ({error.strerror}). "
                f"Choose another one: make run PORT={port + 1 if port < 65535 else 8001}"
            ) from None


def surroundings(data_dir: Path) -> dict[str, str]:
    """Return the environment of a site on one machine: whatever is not given gets a value here."""
    given = os.environ
    return {
        "DATA_DIR": str(data_dir),
        "SECRET_KEY": given.get("SECRET_KEY") or kept_secret(data_dir / "secret-key", 64),
        "DEBUG": given.get("DEBUG", "0"),
        # The site listens on loopback, where there is no TLS.
        "TLS_ONLY": given.get("TLS_ONLY", "0"),
        "ALLOWED_HOSTS": given.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]"),
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": given.get("TF_CPP_MIN_LOG_LEVEL", "2"),
    }


def kept_secret(path: Path, length: int) -> str:
    """Return the secret in a file only its owner may read, made at random the first time."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        value = secrets.token_urlsafe(length)
        file.write(value)
    return value


def commands(port: int) -> dict[str, list[str]]:
    """Return the processes to run, by name."""
    python = sys.executable
    celery = [python, "-m", "celery", "-A", "pbcsite", "--quiet"]
    web = [
        *[python, "-m", "gunicorn", "pbcsite.wsgi", "--bind", f"{HOST}:{port}"],
        # One process with threads: the embedded database is a file, and memory stays low.
        *["--worker-class", "gthread", "--workers", "1", "--threads", "8"],
        *["--timeout", "120", "--graceful-timeout", "5", "--no-control-socket"],
        *["--log-level", "warning"],
    ]
    worker = ["--pool", "threads", "--concurrency", "1", "--without-gossip", "--without-mingle"]
    processes = {
        "web": web,
        "worker": [*celery, "worker", *worker, "--loglevel", "INFO"],
        "beat": [*celery, "beat", "--pidfile=", "--loglevel", "WARNING"],
    }
    if not os.environ.get("REDIS_URL"):
        return {"broker": [python, "-m", "scripts.broker"], **processes}
    return processes


def serve(port: int, data_dir: Path) -> int:
    """Run all processes until they stop; return the exit status."""
    honcho.manager.KILL_WAIT = SECONDS_TO_STOP
    manager = honcho.manager.Manager()
    for name, command in commands(port).items():
        manager.add_process(name, "exec " + shlex.join(command), cwd=str(PROJECT))
    # A closed terminal stops the site as well.
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    threading.Thread(target=announce, args=(port, data_dir), daemon=True).start()
    manager.loop()
    status = int(manager.returncode or 0)
    if status in ASKED_TO_STOP:
        print("Stopped.", flush=True)
        return 0
    print(
        "One of the processes ended by itself, so all were stopped. Its messages stand above, "
        f"before the first line with 'stopped (rc={status})'.",
        file=sys.stderr,
    )
    return status if 0 < status < 128 else 1


def announce(port: int, data_dir: Path) -> None:
    """Say where the site is once it answers; stop everything when it does not in time."""
    address = f"http://{HOST}:{port}"
    deadline = time.monotonic() + SECONDS_TO_START
    while not answers(f"{address}/healthz"):
        if time.monotonic() > deadline:
            print(f"{address} did not answer in {SECONDS_TO_START} s.", file=sys.stderr)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        time.sleep(0.2)
    lines = [f"pbcsite is ready at {address}", ""]
    password = data_dir / "demo-password"
    if password.is_file():
        lines += [
            "Log in as technician, reviewer or administrator",
            f"Password: {password.read_text().strip()}",
            f"(kept in {password}; DEMO_PASSWORD=... sets another)",
            "",
        ]
    lines += ["Stop with Ctrl-C."]
    width = max(map(len, lines))
    rule = "-" * (width + 4)
    print("\n".join(["", rule, *(f"| {line:<{width}} |" for line in lines), rule, ""]), flush=True)


def answers(address: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:  # nosec B310 # noqa: S310 - always http
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
