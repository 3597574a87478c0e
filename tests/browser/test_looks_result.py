"""The pages of results in both languages, both colour modes and on a phone, as in test_looks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from cases.models import Laboratory, SmearCase
from cases.services.corrections import correct_cell
from cases.services.signing import amend_case, sign_case
from tests.browser.conftest import log_in, serious_findings
from tests.factories import (
    PASSWORD,
    FindingFactory,
    PatientFactory,
    ReferenceRangeFactory,
    SmearCaseFactory,
    cell_class,
    member,
    named_cell,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def read_case(laboratory: Laboratory, **attributes: Any) -> SmearCase:
    """A case with every group of classes, a WBC count and a finding."""
    patient = PatientFactory(
        laboratory=laboratory, name="María Fernández López", sex="female",
        birth_date=date(1961, 4, 2),
    )  # fmt: skip
    case: SmearCase = SmearCaseFactory(
        laboratory=laboratory, patient=patient, collected_at=timezone.now(), analyser_wbc=8,
        status="in_review", **attributes,
    )  # fmt: skip
    for code, number in (("neutrophil", 6), ("eosinophil", 1), ("erythroblast", 2)):
        for _number in range(number):
            named_cell(case, code, model_label=cell_class(code))
    named_cell(case, "platelet", model_label=cell_class("platelet"))
    named_cell(case, "blast", label_source="reviewer", review_state="corrected")
    FindingFactory(case=case, text="Plasma cell at the feathered edge of the smear")
    return case


@pytest.fixture
def pages(laboratory: Laboratory) -> list[str]:
    """Addresses of results open, amended and signed, and of the laboratory's ranges."""
    person = member(laboratory, "administrator", username="ada")
    common = {"laboratory": laboratory, "sex": "female", "age_from": 18, "source": "Own study"}
    one = ReferenceRangeFactory(**common, percent_low=1, percent_high=20, absolute_high=7)
    for code, high in (("eosinophil", 5), ("blast", 0), ("erythroblast", 1)):
        ReferenceRangeFactory(**common, cell_class=cell_class(code), percent_high=high)
    amended = read_case(laboratory)
    sign_case(case_id=amended.pk, user=person, password=PASSWORD, comment="Left shift.")
    amend_case(case_id=amended.pk, user=person, reason="One was a monocyte.")
    cell = amended.cells.filter(label__code="neutrophil").first()
    assert cell is not None
    correct_cell(cell_id=cell.pk, user=person, to_class="monocyte")
    signed = read_case(laboratory)
    sign_case(case_id=signed.pk, user=person, password=PASSWORD)
    blocked = read_case(laboratory)
    named_cell(blocked, "monocyte", review_state="needs_review")
    empty = SmearCaseFactory(laboratory=laboratory)
    return [
        f"/cases/{amended.pk}/",
        f"/cases/{amended.pk}/result/",
        f"/cases/{amended.pk}/sign/",
        f"/cases/{amended.pk}/versions/1/",
        f"/cases/{amended.pk}/versions/1/changes/",
        f"/cases/{signed.pk}/result/",
        f"/cases/{signed.pk}/amend/",
        f"/cases/{blocked.pk}/sign/",
        f"/cases/{empty.pk}/result/",
        f"/cases/{empty.pk}/sign/",
        f"/laboratories/{laboratory.pk}/settings/",
        f"/laboratories/{laboratory.pk}/ranges/new/",
        f"/laboratories/{laboratory.pk}/ranges/{one.pk}/",
    ]


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1440), ("es", "dark", 390)]
)
def test_pages_of_results_are_accessible_and_fit(
    open_page: Callable[..., Page], pages: list[str], language: str, scheme: str, width: int
) -> None:
    page = open_page(width=width, height=844, color_scheme=scheme, locale=language)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    log_in(page, "ada")
    findings, wide = {}, []
    for address in pages:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        findings[address] = serious_findings(page)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(address)
        assert page.evaluate("document.documentElement.lang") == language
    # An error is told beside its field, and read out with it.
    page.goto(pages[-2])
    page.locator("main form button[type=submit]").click()
    findings["range with errors"] = serious_findings(page)
    assert page.locator(".field-error").count() > 0
    assert {address: found for address, found in findings.items() if found} == {}
    assert wide == []
    assert [text for text in refused if "Content Security Policy" in text] == []
