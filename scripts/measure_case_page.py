"""Measure server time and queries of the case page with many cells, in a scratch database.

Django's test client asks for the page as a reviewer; the time is that of the whole request without
the network. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from typing import Any

from scripts.measuring import scratch_site

ROUNDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    cells = parser.parse_args().cells
    os.environ["DJANGO_SETTINGS_MODULE"] = "pbcsite.settings"
    with scratch_site():
        import django

        django.setup()
        case, reviewer = fill(cells)
        figures = {"cells": cells, **measure(f"/cases/{case.pk}/", reviewer)}
    print(json.dumps(figures))
    return 0


def fill(count: int) -> tuple[Any, Any]:
    """Give the demonstration's laboratory a case with this many named cells."""
    from cases.models import CaseImage, Cell, CellClass, Patient, SmearCase, User

    reviewer = User.objects.get(username="reviewer")
    patient = Patient.objects.get()
    case = SmearCase.objects.create(
        laboratory=patient.laboratory,
        patient=patient,
        accession_number="MEASURED",
        created_by=reviewer,
        status=SmearCase.Status.IN_REVIEW,
    )
    stored = list(CaseImage.objects.all())
    pictures = ((number, stored[number % len(stored)]) for number in range(1, count + 1))
    CaseImage.objects.bulk_create(
        CaseImage(
            case=case,
            number=number,
            file=picture.file.name,
            original_name=f"{number}.jpg",
            sha256=f"{number:064x}",
            byte_size=picture.byte_size,
            width=picture.width,
            height=picture.height,
            uploaded_by=reviewer,
            state="done",
        )
        for number, picture in pictures
    )
    classes = list(CellClass.objects.filter(predicted=True))
    chance = random.Random(42)  # noqa: S311 - figures to repeat, no secret
    Cell.objects.bulk_create(
        Cell(
            case=case,
            image=image,
            number=image.number,
            left=0,
            top=0,
            width=image.width,
            height=image.height,
            label=chance.choice(classes),
            label_source=Cell.LabelSource.MODEL,
            review_state=chance.choice(
                [Cell.ReviewState.NEEDS_REVIEW, Cell.ReviewState.UNREVIEWED]
            ),
            confidence=chance.uniform(0.3, 1.0),
            state="done",
        )
        for image in case.images.all()
    )
    return case, reviewer


def measure(path: str, reader: Any) -> dict[str, Any]:
    """Ask for a page over and over; the first time, which loads templates, is told apart."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"host": "localhost"})
    client.force_login(reader)
    milliseconds = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        answer = client.get(path)
        milliseconds.append((time.perf_counter() - begun) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}.")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get(path)
    return {
        "first_ms": round(milliseconds[0], 1),
        "median_ms": round(statistics.median(milliseconds[1:]), 1),
        "slowest_ms": round(max(milliseconds[1:]), 1),
        "queries": len(queries),
    }


if __name__ == "__main__":
    sys.exit(main())
