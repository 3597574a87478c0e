"""The project's worker with a reader that answers at once in the model's place.

``celery -A tests.faults.quick_worker worker``. Everything else is the product's own. How it
misbehaves stands in the environment: ``QUICK_SECONDS`` for each batch; ``QUICK_CLOCK`` names a file
with the seconds its clock is wrong by. A picture ``POISON`` pixels wide kills the process.
"""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone
from PIL import Image

from classifier import inference
from pbcsite.celery import app
from tests.faults.poison import POISON

__all__ = ["app"]

SECONDS = float(os.environ.get("QUICK_SECONDS", "0.1"))
CLOCK = os.environ.get("QUICK_CLOCK", "")
true_now = timezone.now


class QuickReader:
    """Answers every picture alike, after a pause."""

    device = "CPU quick, float32"

    def predict(self, images: Sequence[Any]) -> list[Any]:
        from tests.classifier_tests.fakes import answer  # once Django is set up

        for data in images:
            if Image.open(io.BytesIO(data)).width == POISON:
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(SECONDS)
        return [answer() for _ in images]


def wrong_now() -> datetime:
    return true_now() + timedelta(seconds=float(Path(CLOCK).read_text()))


inference._load = lambda folder, version: QuickReader()
if CLOCK:
    timezone.now = wrong_now
