"""Every cell of a case as CSV and JSON: whole, safe to open, and however many there are."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from typing import Any

import pytest

from cases.models import Cell, SmearCase, User
from classifier.reports.services.cell_tables import COLUMNS, cells_csv, cells_json
from classifier.reports.streams import csv_stream
from tests.access_world import body_of
from tests.cases_tests.pages import logged_in
from tests.factories import CaseImageFactory, cell_class
from tests.reports_tests.conftest import name_cell, predicted

pytestmark = pytest.mark.django_db


def table(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_cells_are_told_in_both_forms_and_languages(reviewer: User, case: SmearCase) -> None:
    corrected, untouched = predicted(case, "monocyte", "lymphocyte")
    name_cell(corrected, reviewer, "blast", "Nucleolus,\nfine chromatin")
    client = logged_in(reviewer)

    answer = client.get(f"/cases/{case.pk}/cells.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="26-000123-cells.csv"' in answer["Content-Disposition"]
    heading, first, second = table(body_of(answer))
    assert heading[:3] == ["Accession number", "Cell", "Image"]
    said = dict(zip(COLUMNS, first, strict=True))
    assert (said["label"], said["label_name"], said["label_source"]) == (
        "blast",
        "Blast",
        "reviewer",
    )
    assert (said["model_label"], said["model_confidence"]) == ("monocyte", "0.95")
    assert (said["reviewer"], said["comment"]) == ("rita", "Nucleolus,\nfine chromatin")
    assert dict(zip(COLUMNS, second, strict=True))["reviewer"] == ""
    assert untouched.label is not None

    client.cookies["django_language"] = "es"
    heading, first, _second = table(body_of(client.get(f"/cases/{case.pk}/cells.csv")))
    assert heading[:3] == ["Número de petición", "Célula", "Imagen"]
    assert dict(zip(COLUMNS, first, strict=True))["label_name"] == "Blasto"

    answer = client.get(f"/cases/{case.pk}/cells.json")
    assert answer["Content-Type"] == "application/json"
    content = json.loads(body_of(answer))
    assert content["case"] == case.pk
    assert [each["label"] for each in content["cells"]] == ["blast", "lymphocyte"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_is_a_formula(start: str) -> None:
    """What a person typed is text in the spreadsheet too, and numbers stay numbers."""
    hostile = f"{start}HYPERLINK(1)"
    rows = table(b"".join(csv_stream(["a", "b"], [[hostile, -1.5]])))
    assert rows == [["a", "b"], [f"'{hostile}", "-1.5"]]


def test_a_comment_cannot_start_a_formula(reviewer: User, case: SmearCase) -> None:
    (cell,) = predicted(case, "monocyte")
    name_cell(cell, reviewer, "ig", '=cmd|" /C calc"!A1')
    _heading, row = table(b"".join(cells_csv(case=case)))
    assert row[-1] == '\'=cmd|" /C calc"!A1'


def test_an_empty_case_has_an_empty_table(reviewer: User, case: SmearCase) -> None:
    assert len(table(b"".join(cells_csv(case=case)))) == 1
    assert json.loads(b"".join(cells_json(case=case)))["cells"] == []


def test_ten_thousand_cells_cost_little(
    case: SmearCase, django_assert_max_num_queries: Any
) -> None:
    image = CaseImageFactory(case=case)
    label = cell_class("monocyte")
    Cell.objects.bulk_create(
        (
            Cell(case=case, image=image, number=n, left=0, top=0, width=9, height=9, label=label)
            for n in range(1, 10_001)
        ),
        batch_size=500,
    )
    # A query for each of cells and classes, and two more for each thousand cells.
    with django_assert_max_num_queries(2 + 2 * 10):
        tracemalloc.start()
        lines = sum(piece.count(b"\r\n") for piece in cells_csv(case=case))
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert lines == 10_001
    assert peak < 16_000_000
