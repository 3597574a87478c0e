"""What a person takes away from a case's page, in both languages, with a real browser."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cases.models import Cell, Laboratory, Role, SmearCase, User
from cases.services.corrections import correct_cell
from classifier.services.work import run_pending
from tests.browser.conftest import log_in, serious_findings
from tests.classifier_tests.fakes import FakePredictor, make_version, queue_cells
from tests.factories import PatientFactory, SmearCaseFactory, member

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WORDS = {
    "en": ("Report and exports", "Download the report", "The model's classes"),
    "es": ("Informe y exportaciones", "Descargar el informe", "Las clases del modelo"),
}


@pytest.fixture
def case(laboratory: Laboratory, reviewer: User) -> SmearCase:
    make_version()
    case = SmearCaseFactory(laboratory=laboratory, patient=PatientFactory(laboratory=laboratory))
    for cell in queue_cells(case, 3):
        run_pending(predictor=FakePredictor())
        correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    member(laboratory, Role.ADMINISTRATOR, username="ada")
    return case


def taken(page: Page, act: Callable[[], Any]) -> tuple[str, Path]:
    with page.expect_download() as seen:
        act()
    return seen.value.suggested_filename, seen.value.path()


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1440), ("es", "dark", 390)]
)
def test_report_bundle_tables_and_training_folder_are_downloaded(
    open_page: Callable[..., Page], case: SmearCase, language: str, scheme: str, width: int
) -> None:
    exports, download, classes = WORDS[language]
    page = open_page(width=width, height=844, color_scheme=scheme, locale=language)
    log_in(page, "ada")
    page.goto(f"/cases/{case.pk}/")
    page.get_by_role("link", name=exports).click()
    expect(page.get_by_role("heading", name=exports)).to_be_visible()
    page.get_by_role("checkbox").nth(1).check()
    name, path = taken(page, page.get_by_role("button", name=download).click)
    assert name.endswith(f"report-preliminary-{language}.pdf")
    assert path.read_bytes().startswith(b"%PDF-")
    _name, path = taken(page, page.get_by_role("link", name="FHIR", exact=True).click)
    assert json.loads(path.read_bytes())["resourceType"] == "Bundle"
    name, path = taken(page, page.get_by_role("link", name="CSV", exact=True).last.click)
    assert name.endswith("-cells.csv")
    assert path.read_bytes().count(b"\r\n") == 1 + Cell.objects.count()

    page.goto("/training/")
    assert serious_findings(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    _name, path = taken(page, page.get_by_role("link", name=classes).click)
    with zipfile.ZipFile(path) as archive:
        pictures = [each for each in archive.namelist() if each.endswith(".png")]
    assert len(pictures) == 3
