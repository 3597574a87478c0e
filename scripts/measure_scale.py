"""Measure pages and API on a filled PostgreSQL database, one request after the other.

``DATABASE_URL=… python -m scripts.measure_scale`` after ``scripts.fill_database``. Django's test
client asks as a reviewer; the time is that of the whole request without the network. Prints one
JSON object: by name the median and the 95th percentile in milliseconds on the clock, the processor
time of the web process and of its PostgreSQL process (which other work on the machine lengthens
little), the queries, and the steps of their plans that read many rows. The status is 1 when a 95th
percentile or a plan misses its aim.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import sys
import time
from pathlib import Path
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
    logging.disable(logging.INFO)
    client = Client()
    client.force_login(User.objects.get(username="reader"))
    cases = list(SmearCase.objects.filter(status="in_review").values_list("pk", flat=True))
    chosen = cases[:: max(1, len(cases) // ROUNDS)][:ROUNDS]
    figures: dict[str, Any] = {"cases": SmearCase.objects.count(), "cells": Cell.objects.count()}
    for name in addresses(0):
        figures[name] = measure(client, [addresses(case)[name] for case in chosen])
    figures["aim_ms"] = AIM_MS
    figures["missed"] = [
        name
        for name, each in figures.items()
        if isinstance(each, dict) and (each["p95_ms"] >= AIM_MS or each["unbounded"])
    ]
    print(json.dumps(figures, indent=1))
    return 1 if figures["missed"] else 0


def measure(client: Any, asked: list[str]) -> dict[str, Any]:
    """Ask each address once, after one that warms the process up."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from scripts.query_plans import ROWS_AT_MOST, plan_of, rows_met

    client.get(asked[0])
    with CaptureQueriesContext(connection) as queries:
        client.get(asked[0])
    number = len(queries)
    selects = [each["sql"] for each in queries if each["sql"].startswith("SELECT")]
    steps = {
        f"{rows} rows: {step}"
        for sql in selects
        for rows, step in rows_met(plan_of(sql, run=True))
        if rows > ROWS_AT_MOST
    }
    times, processor = [], []
    in_database = database_seconds()
    for address in asked:
        began, began_processor = time.perf_counter(), time.process_time()
        answered = client.get(address)
        times.append((time.perf_counter() - began) * 1000)
        processor.append((time.process_time() - began_processor) * 1000)
        if answered.status_code != 200:
            raise RuntimeError(f"{address} answered {answered.status_code}")
    in_database = database_seconds() - in_database
    return {
        "median_ms": round(statistics.median(times)),
        "p95_ms": percentile_95(times),
        "web_processor_median_ms": round(statistics.median(processor)),
        "web_processor_p95_ms": percentile_95(processor),
        "database_processor_mean_ms": round(in_database * 1000 / len(asked), 1),
        "queries": number,
        "unbounded": sorted(steps),
    }


def percentile_95(values: list[float]) -> int:
    return round(sorted(values)[int(0.95 * (len(values) - 1))])


def database_seconds() -> float:
    """Processor seconds of this connection's PostgreSQL process; 0 when that is elsewhere."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
