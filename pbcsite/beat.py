"""The scheduler, with a sign of life that a health check can read.

``python -m pbcsite.beat`` ends with 0 while a scheduler that shares the data folder is alive. It
reads the age of one file and nothing else: no settings, no broker.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from celery.beat import PersistentScheduler

# A round comes at least once in this many seconds, however far off the next task is.
ROUND_SECONDS = 60
ALIVE_SECONDS = 5 * ROUND_SECONDS


class Scheduler(PersistentScheduler):
    """Celery's own, which touches a file with every round."""

    max_interval = ROUND_SECONDS

    def tick(self, *args: Any, **options: Any) -> float:
        """Send what is due and sign. Sent or not: while the broker is away it is alive too."""
        from django.conf import settings

        try:
            return float(super().tick(*args, **options))
        finally:
            settings.BEAT_SIGN_OF_LIFE.touch()


def is_alive(sign: Path, *, now: float | None = None) -> bool:
    """Whether the file was touched within the last five rounds."""
    try:
        touched = sign.stat().st_mtime
    except FileNotFoundError:
        return False
    return (time.time() if now is None else now) - touched < ALIVE_SECONDS


if __name__ == "__main__":
    sys.exit(not is_alive(Path(os.environ["DATA_DIR"]) / "beat-alive"))
