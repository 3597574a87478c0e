"""The project's worker with a reader that answers at once in the model's place.

``celery -A tests.faults.quick_worker worker``. Everything else is the product's own. How it
misbehaves stands in the environment: ``QUICK_SECONDS`` for each batch and each step of a search;
``QUICK_CLOCK`` names a file with the seconds its clock is wrong by. A picture ``POISON`` pixels
wide kills the process.
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

from celery.signals import celeryd_after_setup
from django.utils import timezone
from PIL import Image

from classifier import inference
from pbcsite.celery import app
from tests.faults.poison import POISON

__all__ = ["app"]

SECONDS = float(os.environ.get("QUICK_SECONDS", "0.1"))
STEPS = 5
CLOCK = os.environ.get("QUICK_CLOCK", "")
true_now = timezone.now


class QuickReader:
    """Answers every picture alike, after a pause."""

    device = "CPU quick, float32"

    def predict(self, images: Sequence[Any]) -> list[Any]:
        from tests.classifier_tests.fakes import answer  # once Django is set up

        for data in images:
            # Cells on fields come as frames that were cut out.
            picture = data if isinstance(data, Image.Image) else Image.open(io.BytesIO(data))
            if picture.width == POISON:
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(SECONDS)
        return [answer() for _ in images]


class QuickDetector:
    """Finds the same cells on every field, in steps, after as many pauses."""

    device = "CPU quick, float32"

    def __init__(self, version: Any) -> None:
        """As the function that loads a detector is called."""

    def search(self, source: Any, *, progress: Any, **options: Any) -> Any:
        from classifier.fields.detectors import Search
        from classifier.fields.frames import CLASSES
        from ml.detection.detector import Detection
        from tests.field_rows import FOUND

        for step in range(1, STEPS + 1):
            time.sleep(SECONDS)
            progress(step / STEPS)
        found = [Detection(CLASSES[kind], 0.9, *box, edges=edges) for kind, box, edges in FOUND]
        return Search(found, 1.0, zoom_measured=False)


@celeryd_after_setup.connect
def exchange_detector(**kwargs: Any) -> None:
    """Once Django is set up, and before anything is claimed."""
    from classifier.services import searches

    searches.reader_for = QuickDetector


def wrong_now() -> datetime:
    return true_now() + timedelta(seconds=float(Path(CLOCK).read_text()))


inference._load = lambda folder, version: QuickReader()
if CLOCK:
    timezone.now = wrong_now
