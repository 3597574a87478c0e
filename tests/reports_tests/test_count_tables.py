"""The counts of a case as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json

import pytest

from cases.models import SmearCase, User
from classifier.reports.services.count_tables import COLUMNS
from tests.access_world import body_of
from tests.cases_tests.pages import logged_in, text_of
from tests.reports_tests.conftest import predicted
from tests.reports_tests.test_report_pdf import sign

pytestmark = pytest.mark.django_db


def test_counts_are_told_as_a_table(reviewer: User, case: SmearCase) -> None:
    predicted(case, *["monocyte"] * 3, "lymphocyte", "erythroblast", "platelet")
    answer = logged_in(reviewer).get(f"/cases/{case.pk}/counts.csv")
    heading, *rows = csv.reader(io.StringIO(body_of(answer).decode("utf-8-sig")))
    assert heading[:4] == ["Accession number", "Status", "Version", "Class (code)"]
    told = {row["class"]: row for row in (dict(zip(COLUMNS, each, strict=True)) for each in rows)}
    assert len(told) == 13
    monocytes = told["monocyte"]
    assert (monocytes["count"], monocytes["per_100_leukocytes"]) == ("3", "75.0")
    assert (monocytes["status"], monocytes["version"]) == ("preliminary", "")
    assert told["erythroblast"]["per_100_leukocytes"] == "25.0"
    # A number of platelets beside single cells is a share of nothing.
    assert (told["platelet"]["count"], told["platelet"]["per_100_leukocytes"]) == ("1", "")
    assert told["platelet"]["ci_high"] == ""


def test_a_signed_case_tells_its_signed_version(reviewer: User, case: SmearCase) -> None:
    predicted(case, "monocyte")
    sign(case, reviewer, "Seen.")
    answer = logged_in(reviewer).get(f"/cases/{case.pk}/counts.json")
    content = json.loads(body_of(answer))
    assert (content["status"], content["version"], content["comment"]) == ("final", 1, "Seen.")
    assert content["result"]["counts"]["leukocytes"] == 1
    assert "cells" not in content["result"]


def test_the_page_of_a_case_leads_to_its_exports(
    reviewer: User, technician: User, case: SmearCase
) -> None:
    predicted(case, "monocyte")
    client = logged_in(reviewer)
    assert f"/cases/{case.pk}/report/" in client.get(f"/cases/{case.pk}/").content.decode()
    page = client.get(f"/cases/{case.pk}/report/").content.decode()
    for name in ("report.pdf", "fhir.json", "counts.csv", "counts.json", "cells.csv", "cells.json"):
        assert f"/cases/{case.pk}/{name}" in page
    assert "No reviewed cells yet" in page
    assert '<option value="es" selected>' in page  # the patient's language, not the reader's
    for_technicians = logged_in(technician).get(f"/cases/{case.pk}/report/")
    assert "training" not in text_of(for_technicians).lower()
