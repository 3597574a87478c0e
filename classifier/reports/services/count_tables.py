"""The counts of a case as a table and as one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from cases.models import CellClass
from cases.rounding import half_up
from classifier.reports.pseudonyms import pseudonym
from classifier.reports.streams import csv_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from classifier.reports.content import ClassLine, ReportContent

# Names for programs and headings for people.
COLUMNS: dict[str, Any] = {
    "accession_number": _("Accession number"),
    "status": _("Status"),
    "version": _("Version"),
    "class": _("Class (code)"),
    "class_name": _("Class"),
    "group": _("Group"),
    "count": _("Count"),
    "leukocytes": _("Leukocytes"),
    "per_100_leukocytes": _("Per 100 leukocytes"),
    "ci_low": _("95 % interval, lower end"),
    "ci_high": _("95 % interval, upper end"),
    "absolute": _("10^9/L"),
    "absolute_ci_low": _("10^9/L, lower end"),
    "absolute_ci_high": _("10^9/L, upper end"),
    "range_low": _("Range, lower end"),
    "range_high": _("Range, upper end"),
    "absolute_range_low": _("Range in 10^9/L, lower end"),
    "absolute_range_high": _("Range in 10^9/L, upper end"),
    "flag": _("Flag"),
    "absolute_flag": _("Flag of the absolute count"),
}
DECIMALS = 4


def counts_csv(*, content: ReportContent, pseudonymous: bool = False) -> Iterator[bytes]:
    """A line for each class, with headings in the language that is active now.

    Every line names its case, so that the tables of many cases can be put together;
    ``pseudonymous`` ones by a name that tells nothing.
    """
    named = _rows_without_names(content) if pseudonymous else _rows(content)
    rows = [list(row.values()) for row in named]
    return csv_stream([str(each) for each in COLUMNS.values()], rows)


def counts_without_names(*, content: ReportContent) -> dict[str, Any]:
    """The same lines as one JSON object that names neither patient, case nor people."""
    return {
        "case": pseudonym("case", content.case_id),
        "classes": _rows_without_names(content),
    }


def counts_json(*, content: ReportContent) -> dict[str, Any]:
    """The result document without its cells, and its signature."""
    signature = content.signature
    return {
        "status": str(content.status),
        "version": content.version,
        "signed_by": signature.name if signature else None,
        "signed_at": signature.signed_at if signature else None,
        "comment": signature.comment if signature else "",
        "sha256": content.digest,
        "result": {name: value for name, value in content.document.items() if name != "cells"},
    }


def _rows(content: ReportContent) -> list[dict[str, Any]]:
    return [_row(content, line) for line in content.lines]


def _rows_without_names(content: ReportContent) -> list[dict[str, Any]]:
    named = {"accession_number": pseudonym("case", content.case_id)}
    return [row | named for row in _rows(content)]


def _row(content: ReportContent, line: ClassLine) -> dict[str, Any]:
    absolute = line.absolute
    # Platelets beside single cells are a number of cells seen, of which nothing is a share.
    relative = line.relative if line.group != CellClass.Group.PLATELET else None
    return {
        "accession_number": content.accession_number,
        "status": str(content.status),
        "version": content.version,
        "class": line.code,
        "class_name": line.name,
        "group": line.group,
        "count": line.count,
        "leukocytes": content.leukocytes,
        "per_100_leukocytes": _rounded(relative.value) if relative else None,
        "ci_low": _rounded(relative.low) if relative else None,
        "ci_high": _rounded(relative.high) if relative else None,
        "absolute": _rounded(absolute.value) if absolute else None,
        "absolute_ci_low": _rounded(absolute.low) if absolute else None,
        "absolute_ci_high": _rounded(absolute.high) if absolute else None,
        "range_low": line.limits.low,
        "range_high": line.limits.high,
        "absolute_range_low": line.absolute_limits.low,
        "absolute_range_high": line.absolute_limits.high,
        "flag": line.flag.standing if line.flag else "",
        "absolute_flag": line.absolute_flag.standing if line.absolute_flag else "",
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(half_up(value, DECIMALS))
