"""Measure pages and API on a filled PostgreSQL database, one request after the other.

``DATABASE_URL=… python -m scripts.measure_scale`` after ``scripts.fill_database``. Django's test
client asks as a reviewer; the time is that of the whole request without the network. Prints one
JSON object: by name the median and the 95th percentile in milliseconds, the queries, and the steps
of their plans that grow with the table.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import Any

ROUNDS = 20
AIM_MS = 200


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbcsite.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.test import Client

    from cases.models import Cell, SmearCase, User
    from scripts.query_plans import addresses

    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client()
    client.force_login(User.objects.get(username="reader"))
    cases = list(SmearCase.objects.filter(status="in_review").values_list("pk", flat=True))
    chosen = cases[:: max(1, len(cases) // ROUNDS)][:ROUNDS]
    figures: dict[str, Any] = {"cases": SmearCase.objects.count(), "cells": Cell.objects.count()}
    for name in addresses(0):
        figures[name] = measure(client, [addresses(case)[name] for case in chosen])
    figures["aim_ms"] = AIM_MS
    print(json.dumps(figures, indent=1))
    return 0


def measure(client: Any, asked: list[str]) -> dict[str, Any]:
    """Ask each address once, after one that warms the process up."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from scripts.query_plans import plan_of, unbounded

    with CaptureQueriesContext(connection) as queries:
        client.get(asked[0])
    asked_of_database = len(queries)
    selects = [each["sql"] for each in queries if each["sql"].startswith("SELECT")]
    steps = sorted({step for sql in selects for step in unbounded(plan_of(sql))})
    times = []
    for address in asked:
        began = time.perf_counter()
        answered = client.get(address)
        times.append((time.perf_counter() - began) * 1000)
        if answered.status_code != 200:
            raise RuntimeError(f"{address} answered {answered.status_code}")
    return {
        "median_ms": round(statistics.median(times)),
        "p95_ms": round(sorted(times)[int(0.95 * (len(times) - 1))]),
        "queries": asked_of_database,
        "unbounded": steps,
    }


if __name__ == "__main__":
    sys.exit(main())
