"""Ask PostgreSQL how it answers the queries of a request, and whether the work has a bound."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tables that grow with every case; the others stay small.
GROWING = frozenset(
    {"cases_cell", "cases_caseimage", "cases_smearcase", "cases_patient", "cases_patientname"}
)
# A page of 100 rows or a case's cells, thrice over; what an index answers alone is not counted.
ROWS_AT_MOST = 1_100
INDEX_SCANS = ("Index Scan", "Index Only Scan", "Bitmap Index Scan")


def addresses(case: int) -> dict[str, str]:
    """What readers ask for most, by name: pages, and the API with its filters and counts."""
    api = "/api/v1"
    return {
        "case list": "/cases/",
        "case list, status": "/cases/?status=in_review",
        "case list, search": "/cases/?q=S-4711",
        "case page": f"/cases/{case}/",
        "cells of the case page": f"/cases/{case}/cells/",
        "work list": "/work/",
        "work list, of nobody": "/work/?whose=unassigned&page=3",
        "API cases": f"{api}/cases/",
        "API cases, status": f"{api}/cases/?status=signed_off",
        "API cases, number": f"{api}/cases/?accession_number=S-17",
        "API cases, search": f"{api}/cases/?search=name%204711",
        "API work list": f"{api}/work-list/",
        "API work list, urgent": f"{api}/work-list/?priority=urgent",
        "API cells": f"{api}/cells/?case={case}",
        "API cells, least certain": f"{api}/cells/?case={case}&ordering=confidence",
        "API cells, label": f"{api}/cells/?case={case}&label=monocyte",
        "API cells, review": f"{api}/cells/?case={case}&needs_review=true",
        "API counts": f"{api}/cases/{case}/counts/",
        "API result": f"{api}/cases/{case}/result/",
        "API images": f"{api}/cases/{case}/images/",
    }


def plan_of(statement: str, *, run: bool = False) -> dict[str, Any]:
    """The plan PostgreSQL makes for a statement; with ``run`` also how many rows it met."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON{', ANALYZE' if run else ''}) {statement}")
        (answer,) = cursor.fetchone()
    found: dict[str, Any] = (answer if isinstance(answer, list) else json.loads(answer))[0]["Plan"]
    return found


def unbounded(plan: dict[str, Any]) -> list[str]:
    """The steps whose work grows with the table, whatever was asked for.

    Bounded is an index entered at a condition, or walked in order until a limit is reached.
    """
    return [f"{node['Node Type']} on {node['Relation Name']}" for node in _grow(plan, False)]


def rows_met(plan: dict[str, Any]) -> list[tuple[int, str]]:
    """Rows of growing tables that a plan that was run read, those it threw away included.

    What an index answers alone is left out: it reads no row.
    """
    return [
        (_rows_of(node), f"{node['Node Type']} on {node['Relation Name']}")
        for node in _nodes(plan)
        if node.get("Relation Name") in GROWING and node["Node Type"] != "Index Only Scan"
    ]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _rows_of(node: dict[str, Any]) -> int:
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    each = node["Actual Rows"] + sum(node.get(name, 0) for name in removed)
    return round(each * node["Actual Loops"])


def _grow(node: dict[str, Any], limited: bool) -> Iterator[dict[str, Any]]:
    kind = node["Node Type"]
    # A sort or an aggregate reads all before the first row comes out: no limit reaches below it.
    reads_all = kind in ("Sort", "Incremental Sort", "Aggregate", "Hash", "HashAggregate")
    limited = (limited or kind == "Limit") and not reads_all
    if node.get("Relation Name") in GROWING:
        whole = kind == "Seq Scan" or (kind in INDEX_SCANS and "Index Cond" not in node)
        if whole and not limited:
            yield node
    for child in node.get("Plans", []):
        yield from _grow(child, limited)
