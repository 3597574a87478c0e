"""The report as somebody reads it: its words on its pages, in both languages and every state."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from cases.models import Cell, ReferenceRange, SmearCase, User
from cases.services.cases import name_patient
from cases.services.findings import add_finding, set_analyser_wbc
from cases.services.signing import amend_case, sign_case
from classifier.reports.content import ReportStatus
from classifier.reports.pdf.fonts import REPLACEMENT, printable
from classifier.reports.services.cells_shown import cells_shown
from classifier.reports.services.contents import DRAFT, report_content
from classifier.reports.services.report_pdf import report_pdf
from tests.cases_tests.pages import logged_in, text_of
from tests.conftest import missing
from tests.factories import (
    PASSWORD,
    CaseImageFactory,
    PatientFactory,
    SmearCaseFactory,
    cell_class,
)
from tests.reports_tests.conftest import name_cell, predicted

pytestmark = pytest.mark.django_db


def pages_of(data: bytes) -> list[str]:
    """The words of each page, as a reader of the file finds them."""
    if shutil.which("pdftotext") is None:
        missing("pdftotext (poppler-utils) is not installed.")
    assert data.startswith(b"%PDF-")
    done = subprocess.run(
        ["pdftotext", "-layout", "-enc", "UTF-8", "-", "-"],
        input=data,
        capture_output=True,
        check=True,
    )
    pages = done.stdout.decode().split("\f")[:-1]
    return [re.sub(r"\s+", " ", unicodedata.normalize("NFC", page)) for page in pages]


def report(user: User, case: SmearCase, **query: Any) -> list[str]:
    answer = logged_in(user).get(reverse("case_report_file", args=[case.pk]), query)
    assert answer.status_code == 200, text_of(answer)
    assert answer["Content-Type"] == "application/pdf"
    return pages_of(answer.content)


def sign(case: SmearCase, user: User, comment: str = "") -> None:
    for cell in case.cells.filter(review_state="needs_review"):
        name_cell(cell, user, cell.label.code)
    sign_case(case_id=case.pk, user=user, password=PASSWORD, comment=comment)
    case.refresh_from_db()


@pytest.fixture
def complete(case: SmearCase, reviewer: User) -> SmearCase:
    """A case with everything a report can tell, not signed yet."""
    cells = predicted(case, *["neutrophil"] * 6, *["eosinophil"] * 3, "erythroblast", "platelet")
    name_cell(cells[0], reviewer, "blast")
    ReferenceRange.objects.create(
        laboratory=case.laboratory, cell_class=cell_class("eosinophil"), percent_high=1
    )
    add_finding(case=case, user=reviewer, text="Agregados en la cola, ↑ eosinófilos (≥ 3)")
    set_analyser_wbc(case=case, user=reviewer, value=Decimal("8.0"))
    case.refresh_from_db()
    return case


def test_an_unsigned_report_says_so_on_every_page(reviewer: User, complete: SmearCase) -> None:
    pages = report(reviewer, complete, language="en", pictures="1")
    assert len(pages) >= 2
    for number, page in enumerate(pages, start=1):
        assert "PRELIMINARY: nobody has signed this report" in page
        assert f"Page {number} of {len(pages)}" in page
        assert "HC-77" in page
        assert "26-000123" in page
    words = " ".join(pages)
    assert "nobody yet: preliminary" in words
    assert "Limited: 8 leukocytes were counted" in words


def test_a_signed_report_tells_everything_in_the_patient_s_language(
    reviewer: User, complete: SmearCase
) -> None:
    sign(complete, reviewer, "Eosinofilia; repetir en dos semanas.")
    pages = report(reviewer, complete, pictures="1")
    words = " ".join(pages)
    assert "PRELIMINAR" not in words
    for expected in (
        "Hospital Clínico de Ejemplo", "Calle Mayor 1, 08001 Barcelona", "ISO 15189, n.º 123",
        "María Núñez Ibáñez", "Informe definitivo, versión 1", "Rita Gil", "Neutrófilo", "62,5",
        "24,5 – 91,5", "ALTO (%)", "por 100 leuc.",
        "Agregados en la cola, ↑ eosinófilos (≥ 3)", "≤ 1 %",
        "Eosinofilia; repetir en dos semanas.", "Células representativas",
        "No tiene clase para blastos", "No es un diagnóstico", "model one", "Página 1 de",
        "Blasto", "en imágenes",
    ):  # fmt: skip
        assert expected in words, expected
    content = report_content(case=complete)
    assert " ".join(re.findall("....", content.digest[:16])) in words
    assert REPLACEMENT not in words
    assert "no puede imprimir" not in words
    english = " ".join(report(reviewer, complete, language="en"))
    assert "Final report, version 1" in english
    assert "HIGH (%)" in english
    assert "Representative cells" not in english


def test_limits_keep_their_decimals_and_what_was_not_applied_is_said(
    reviewer: User, complete: SmearCase
) -> None:
    ReferenceRange.objects.create(
        laboratory=complete.laboratory, cell_class=cell_class("basophil"),
        percent_high=Decimal("1.25"), absolute_low=Decimal("0.005"), absolute_high=Decimal("0.1"),
    )  # fmt: skip
    ReferenceRange.objects.create(
        laboratory=complete.laboratory, cell_class=cell_class("monocyte"), percent_high=10,
        age_from=18,
    )  # fmt: skip
    words = " ".join(report(reviewer, complete, language="en"))
    assert "≤ 1.25 %" in words
    assert "0.005 – 0.1 10⁹/L" in words
    # A patient whose time of collection nobody entered has no age: the report does not keep quiet.
    assert "could not be applied: the time of" in words
    # One erythroblast for eight leukocytes is 12.5 per 100.
    assert "the analyser's 8 × 10⁹/L, corrected for nRBC." in words


def test_a_signed_version_stays_as_it_was(reviewer: User, complete: SmearCase) -> None:
    sign(complete, reviewer)
    before = report_content(case=complete)
    amend_case(case_id=complete.pk, user=reviewer, reason="A cell was misnamed.")
    complete.refresh_from_db()
    cell = complete.cells.filter(label__code="neutrophil").first()
    name_cell(cell, reviewer, "monocyte")
    name_patient(patient=complete.patient, name="Another Name")

    draft = report_content(case=complete)
    assert draft.status is ReportStatus.PRELIMINARY
    assert report_content(case=complete, version=1).document == before.document
    old = " ".join(report(reviewer, complete, language="en", version=1, pictures="1"))
    assert "Final report, version 1" in old
    assert "This version was amended after it was signed." in old
    assert "María Núñez Ibáñez" in old
    assert "Monocyte (1)" not in old
    assert "PRELIMINARY" in " ".join(report(reviewer, complete, language="en"))

    sign(complete, reviewer)
    new = " ".join(report(reviewer, complete, language="en", pictures="1"))
    assert "Amended report, version 2" in new
    assert "This version was amended" not in new
    assert "This report replaces version 1. Reason: A cell was misnamed." in new
    assert "Monocyte (1)" in new
    assert report_content(case=complete).status is ReportStatus.AMENDED


def test_an_empty_case_has_a_report_too(reviewer: User, case: SmearCase) -> None:
    words = " ".join(report(reviewer, case, language="en", pictures="1", heatmaps="1"))
    assert "No leukocyte has a name yet" in words
    assert "none has named a cell yet" in words


def test_cells_are_shown_three_of_a_class_with_heatmaps(
    reviewer: User, case: SmearCase, django_assert_max_num_queries: Any
) -> None:
    cells = predicted(case, *["monocyte"] * 5, "lymphocyte")
    name_cell(cells[4], reviewer, "monocyte")
    name_cell(cells[5], reviewer, "blast")
    content = report_content(case=case)
    with django_assert_max_num_queries(2):
        shown = cells_shown(content=content, heatmaps=True)
    assert [(each.line.label, each.line.number) for each in shown] == [
        ("monocyte", cells[4].number),  # reviewed cells come first
        ("monocyte", cells[0].number),
        ("monocyte", cells[1].number),
        ("blast", cells[5].number),
    ]
    # The model has no map of blasts: the one of its own word stands there, and says so.
    assert [each.heatmap_of for each in shown] == ["monocyte"] * 3 + ["lymphocyte"]
    assert all(each.photo and each.heatmap and each.photo != each.heatmap for each in shown)
    words = " ".join(report(reviewer, case, language="en", heatmaps="1"))
    assert "heatmap of: Lymphocyte" in words
    assert "It explains the model, not the cell." in words


def test_a_missing_picture_is_said(reviewer: User, case: SmearCase) -> None:
    (cell,) = predicted(case, "monocyte")
    cell.image.file.storage.delete(cell.image.file.name)
    words = " ".join(report(reviewer, case, language="en", pictures="1", heatmaps="1"))
    assert "The file is missing." in words


def test_names_that_cannot_be_set_are_replaced_and_told(reviewer: User, laboratory: Any) -> None:
    patient = PatientFactory(
        laboratory=laboratory,
        identifier="HC-9",
        name="Łukasz Ὀδυσσεύς Дмитрий 李小龍 عبد\u202e<b>x",
    )
    case = SmearCaseFactory(laboratory=laboratory, patient=patient)
    words = " ".join(report(reviewer, case, language="en"))
    assert "Łukasz Ὀδυσσεύς Дмитрий" in words
    assert "<b>x" in words
    assert "Letters this report cannot print" in words
    assert printable("José\u0301 ñ 李") == f"José\u0301 ñ {REPLACEMENT}"
    plain = " ".join(report(reviewer, SmearCaseFactory(laboratory=laboratory), language="en"))
    assert "Letters this report cannot print" not in plain


def test_very_long_texts_fit(reviewer: User, laboratory: Any) -> None:
    patient = PatientFactory(laboratory=laboratory, identifier="I" * 64, name="Nombre " * 28)
    case = SmearCaseFactory(
        laboratory=laboratory,
        patient=patient,
        accession_number="A" * 64,
        stain="S" * 80,
        clinical_note="Una nota muy larga. " * 500,
    )
    pages = report(reviewer, case, language="en")
    assert len(pages) > 1
    assert "Decision support" in pages[-1]


@pytest.mark.parametrize(
    "query", [{"language": "xx"}, {"version": "9"}, {"version": "-1"}, {"version": "x"}]
)
def test_what_does_not_exist_is_refused_with_words(
    reviewer: User, case: SmearCase, query: dict[str, str]
) -> None:
    answer = logged_in(reviewer).get(reverse("case_report_file", args=[case.pk]), query)
    assert answer.status_code in (400, 404)
    assert "choose again" in text_of(answer) or "no such signed version" in text_of(answer)


def test_a_large_case_costs_few_queries(
    reviewer: User, case: SmearCase, django_assert_max_num_queries: Any
) -> None:
    predicted(case, "monocyte")
    image = CaseImageFactory(case=case)
    label = cell_class("neutrophil")
    Cell.objects.bulk_create(
        (
            Cell(
                case=case, image=image, number=100_000 + n, left=0, top=0, width=24, height=24,
                label=label, label_source="model", state="done", confidence=0.9,
            )
            for n in range(5000)
        ),
        batch_size=500,
    )  # fmt: skip
    with django_assert_max_num_queries(20):
        content = report_content(case=case, version=DRAFT)
        cells = cells_shown(content=content, heatmaps=True)
        data = report_pdf(content=content, cells=cells, language="es", address="https://x.org/y")
    assert content.leukocytes == 5001
    assert len(data) < 1_000_000
