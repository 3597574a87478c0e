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

# By model what each column gets, and from where. Columns not named get their field's default.
ROWS: tuple[tuple[str, dict[str, str], str], ...] = (
    (
        "Patient",
        {
            "laboratory_id": "%(laboratory)s",
            "identifier": "'P-' || n",
            "created_at": "now()",
        },
        "generate_series(1, %(cases)s) AS n",
    ),
    (
        "PatientName",
        {"patient_id": "id", "name": "'Name ' || id"},
        "cases_patient WHERE laboratory_id = %(laboratory)s",
    ),
    (
        "SmearCase",
        {
            "laboratory_id": "%(laboratory)s",
            "patient_id": "id",
            "accession_number": "'S-' || row_number() OVER (ORDER BY id)",
            "stain": "'MGG'",
            "status": "(ARRAY['in_review', 'signed_off', 'processing', 'in_review'])[1 + id %% 4]",
            "priority": "CASE WHEN id %% 20 = 0 THEN 'urgent' ELSE 'routine' END",
            "created_by_id": "%(user)s",
            "created_at": "now() - id * interval '3 minutes'",
            "updated_at": "now()",
            "last_cell_number": "%(each)s",
            "last_image_number": "%(each)s",
            "revision": "1",
            "range_flags_due": "id %% 50 = 0",
        },
        "cases_patient WHERE laboratory_id = %(laboratory)s",
    ),
    (
        "CaseImage",
        {
            "case_id": "c.id",
            "number": "n",
            "file": "'cases/' || c.id || '/' || n || '.jpg'",
            "original_name": "n || '.jpg'",
            "sha256": "md5(c.id || '-' || n) || md5(n || '-' || c.id)",
            "byte_size": "15000",
            "width": "360",
            "height": "363",
            "uploaded_by_id": "%(user)s",
            "uploaded_at": "now()",
            "state": "'done'",
        },
        "cases_smearcase AS c, generate_series(1, %(each)s) AS n "
        "WHERE c.laboratory_id = %(laboratory)s",
    ),
    (
        "Cell",
        {
            "case_id": "case_id",
            "image_id": "id",
            "number": "number",
            '"left"': "0",
            "top": "0",
            "width": "360",
            "height": "363",
            "label_id": "(%(classes)s)[1 + id %% array_length(%(classes)s, 1)]",
            "label_source": "CASE WHEN id %% 2 = 0 THEN 'reviewer' ELSE 'model' END",
            "review_state": "CASE WHEN id %% 2 = 0 THEN 'confirmed' "
            "WHEN id %% 17 = 0 THEN 'needs_review' ELSE 'unreviewed' END",
            "model_label_id": "(%(classes)s)[1 + id %% array_length(%(classes)s, 1)]",
            "confidence": "0.3 + (id * 7919 %% 700) / 1000.0",
            "state": "'done'",
            "flagged": "id %% 50 = 0",
            "version": "1",
            "revision": "1",
            "created_at": "now()",
        },
        "cases_caseimage WHERE case_id IN "
        "(SELECT id FROM cases_smearcase WHERE laboratory_id = %(laboratory)s)",
    ),
)


def statement_for(model: str, columns: dict[str, str], source: str) -> tuple[str, dict[str, Any]]:
    """The INSERT for a model's rows, and the defaults it needs besides."""
    from django.apps import apps

    meta = apps.get_model("cases", model)._meta
    named = {each.strip('"') for each in columns}
    defaults = {
        each.column: each.get_default()
        for each in meta.concrete_fields
        if not (each.primary_key or each.null or each.generated or each.column in named)
    }
    into = ", ".join([*columns, *defaults])
    values = ", ".join([*columns.values(), *(f"%({each})s" for each in defaults)])
    # Names of columns and expressions are this module's own.
    return f"INSERT INTO {meta.db_table} ({into}) SELECT {values} FROM {source}", defaults  # nosec B608 # noqa: S608


def fill(*, cases: int, cells: int, laboratory_id: int, user_id: int) -> None:
    """Make the rows and let the database count them, so that its plans fit.

    Args:
        cases: how many.
        cells: how many in all, the same number in each case.
        laboratory_id: whose.
        user_id: who opened and uploaded.
    """
    from django.db import connection

    from cases.models import CellClass, SmearCase

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
        for rows in ROWS:
            statement, defaults = statement_for(*rows)
            cursor.execute(statement, {**defaults, **given})
        SmearCase.objects.update(**SmearCase.objects.counted_anew())
        # Without the rows as they were before, which would weigh in the plans.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("CLUSTER cases_smearcase USING cases_smearcase_pkey")
        # And without what an index of parts of words keeps back to sort in later.
        for table in ("cases_patient", "cases_patientname"):
            cursor.execute(f"REINDEX TABLE {table}")
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
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as PostgreSQL does by itself after some minutes
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"cases": given.cases, "cells": given.cells, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
