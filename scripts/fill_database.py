"""Fill a PostgreSQL database with many cases and cells, for measuring and for the tests of plans.

``DATABASE_URL=postgres://… python -m scripts.fill_database --cases 5000 --cells 1000000``

The database must be migrated and hold no case: nothing here is meant for one in use. Rows are
made by the database itself, the same on every run. One laboratory gets all cases, each with as many
cells, half of them reviewed; there are no files behind the images.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

STATEMENTS = (
    """
    INSERT INTO cases_patient (laboratory_id, identifier, name, sex, language, created_at)
    SELECT %(laboratory)s, 'P-' || n, 'Name ' || n, 'unknown', '', now()
    FROM generate_series(1, %(cases)s) AS n
    """,
    """
    INSERT INTO cases_smearcase (laboratory_id, patient_id, accession_number, stain, clinical_note,
        status, priority, created_by_id, created_at, updated_at, last_cell_number,
        last_image_number, revision, range_flags, range_flags_due)
    SELECT %(laboratory)s, id, 'S-' || row_number() OVER (ORDER BY id), 'MGG', '',
        (ARRAY['in_review', 'signed_off', 'processing', 'in_review'])[1 + id %% 4],
        CASE WHEN id %% 20 = 0 THEN 'urgent' ELSE 'routine' END,
        %(user)s, now() - id * interval '3 minutes', now(), %(each)s, %(each)s, 1,
        0, false
    FROM cases_patient WHERE laboratory_id = %(laboratory)s
    """,
    """
    INSERT INTO cases_caseimage (case_id, number, file, original_name, sha256, byte_size, width,
        height, kind, uploaded_by_id, uploaded_at, state, failure_code)
    SELECT c.id, n, 'cases/' || c.id || '/' || n || '.jpg', n || '.jpg',
        md5(c.id || '-' || n) || md5(n || '-' || c.id), 15000, 360, 363, 'single_cell',
        %(user)s, now(), 'done', ''
    FROM cases_smearcase AS c, generate_series(1, %(each)s) AS n
    WHERE c.laboratory_id = %(laboratory)s
    """,
    """
    INSERT INTO cases_cell (case_id, image_id, number, "left", top, width, height, label_id,
        label_source, review_state, model_label_id, confidence, state, unfamiliar, failure_code,
        flagged, excluded, version, revision, created_at)
    SELECT case_id, id, number, 0, 0, 360, 363,
        (%(classes)s)[1 + id %% array_length(%(classes)s, 1)],
        CASE WHEN id %% 2 = 0 THEN 'reviewer' ELSE 'model' END,
        CASE WHEN id %% 2 = 0 THEN 'confirmed' WHEN id %% 17 = 0 THEN 'needs_review'
            ELSE 'unreviewed' END,
        (%(classes)s)[1 + id %% array_length(%(classes)s, 1)],
        0.3 + (id * 7919 %% 700) / 1000.0, 'done', false, '', id %% 50 = 0, false, 1, 1, now()
    FROM cases_caseimage WHERE case_id IN
        (SELECT id FROM cases_smearcase WHERE laboratory_id = %(laboratory)s)
    """,
)


def fill(*, cases: int, cells: int, laboratory_id: int, user_id: int) -> None:
    """Make the rows and let the database count them, so that its plans fit.

    Args:
        cases: how many.
        cells: how many in all, the same number in each case.
        laboratory_id: whose.
        user_id: who opened and uploaded.
    """
    from django.db import connection

    from cases.models import CellClass

    classes = list(
        CellClass.objects.filter(predicted=True).order_by("pk").values_list("pk", flat=True)
    )
    given: dict[str, Any] = {
        "laboratory": laboratory_id,
        "user": user_id,
        "cases": cases,
        "each": cells // cases,
        "classes": classes,
    }
    with connection.cursor() as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement, given)
        cursor.execute("ANALYZE")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="fill_database", description=__doc__)
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--cells", type=int, default=1_000_000)
    given = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pbcsite.settings")
    import django

    django.setup()
    from django.db import connection

    from cases.models import Laboratory, Membership, Role, SmearCase, User

    if connection.vendor != "postgresql" or SmearCase.objects.exists():
        print("This wants a migrated, empty PostgreSQL database in DATABASE_URL.", file=sys.stderr)
        return 2
    began = time.monotonic()
    laboratory = Laboratory.objects.create(name="Large", slug="large")
    reader = User.objects.create_user("reader", password=os.environ.get("READER_PASSWORD"))
    Membership.objects.create(user=reader, laboratory=laboratory, role=Role.REVIEWER)
    fill(cases=given.cases, cells=given.cells, laboratory_id=laboratory.pk, user_id=reader.pk)
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"cases": given.cases, "cells": given.cells, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
