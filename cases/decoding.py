"""Decode uploaded files in helper processes, so that no file can take the web process with it.

A few helpers (:mod:`cases.decoding_helper`) stay open beside each process that uploads; the first
upload starts the first. A helper that overruns its time is killed, one that dies or wants more
memory than it may have is replaced, and the file that did it is refused.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from django.conf import settings

from cases.decoding_helper import TOO_DEMANDING, receive, send
from cases.pictures import LARGE, NotKept, Picture

logger = logging.getLogger(__name__)

PROJECT = Path(__file__).resolve().parent.parent
MODULE = "cases.decoding_helper"
_one_large_at_a_time = threading.Lock()


def decode(data: bytes) -> Picture:
    """Make the picture to keep of a file, within the limits of time and memory.

    Raises:
        NotKept: a code of :mod:`cases.pictures`, or ``too_demanding``.
    """
    try:
        return _decode(data, large=False)
    except NotKept as refusal:
        if refusal.code != LARGE:
            raise
    with _one_large_at_a_time:
        return _decode(data, large=True)


def _decode(data: bytes, *, large: bool) -> Picture:
    request = {
        "formats": settings.UPLOAD_FORMATS,
        "max_pixels": settings.UPLOAD_MAX_PIXELS,
        "seconds": settings.DECODE_SECONDS,
        "large": large,
    }
    # Once more, should it have been the helper: the system may have ended it while it waited.
    for _attempt in range(2):
        reply = _pool.ask(request, data)
        if reply is not None:
            break
    else:
        raise NotKept(TOO_DEMANDING)
    header, content = reply
    if code := header.get("refused"):
        logger.info("A file was not kept (%s): %s", code, header["because"])
        raise NotKept(code)
    return Picture(content, header["extension"], header["width"], header["height"])


class _Helper:
    """One process, one file at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this project's own module
            [sys.executable, "-m", MODULE, str(settings.DECODE_MEMORY_BYTES)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # It works on strangers' files: it is told nothing, least of all secrets.
            env={"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes] | None:
        """Return the answer; None when the process died.

        Raises:
            NotKept: ``too_demanding`` when the time ran out.
        """
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        late = threading.Event()
        clock = threading.Timer(request["seconds"], self._stop, [late])
        clock.daemon = True
        clock.start()
        try:
            send(self._process.stdin, request, data)
            reply = receive(self._process.stdout)
        except OSError:
            reply = None
        finally:
            clock.cancel()
        if reply is None and late.is_set():
            logger.warning("Decoding was stopped after %s seconds.", request["seconds"])
            raise NotKept(TOO_DEMANDING)
        if reply is None:
            self.close()
            logger.warning("Decoding ended its process (status %s).", self._process.returncode)
        return reply

    def _stop(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            # What lay in the pipe's buffer cannot be written any more.
            try:
                stream.close()  # type: ignore[union-attr]
            except OSError:
                continue
        self._process.wait()


class _Pool:
    """The helpers of this process, started when wanted."""

    def __init__(self) -> None:
        self._free: list[_Helper] = []
        self._guard = threading.Lock()
        self._places: threading.BoundedSemaphore | None = None

    def ask(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes] | None:
        """As :meth:`_Helper.ask`, by the next helper that is free."""
        with self._guard:
            if self._places is None:
                self._places = threading.BoundedSemaphore(settings.DECODE_PROCESSES)
        with self._places:
            helper = self._take()
            sound = False
            try:
                reply = helper.ask(request, data)
                sound = reply is not None and reply[0].get("refused") != TOO_DEMANDING
                return reply
            finally:
                if sound:
                    with self._guard:
                        self._free.append(helper)
                else:
                    helper.close()

    def _take(self) -> _Helper:
        while True:
            with self._guard:
                helper = self._free.pop() if self._free else None
            if helper is None:
                return _Helper()
            if helper.is_alive():
                return helper
            helper.close()

    def forget(self) -> None:
        """A forked child must not talk through its parent's pipes."""
        self.__init__()  # type: ignore[misc]


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.forget)
