"""An administrator's road: run a second version, watch it, compare, activate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cases.models import Laboratory
from cases.services.corrections import correct_cell
from classifier.models import ModelVersion
from classifier.services.registry import register_model
from classifier.services.work import run_pending
from tests.browser.conftest import log_in, serious_findings
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, queue_cells
from tests.factories import SmearCaseFactory, member

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def faults(page: Page) -> list[str]:
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return serious_findings(page) + (["wider than the screen"] if wide else [])


def test_a_second_version_is_run_compared_and_activated(
    open_page: Callable[..., Page], laboratory: Laboratory, bundle_path: Path
) -> None:
    administrator = member(laboratory, "administrator", username="ada")
    first = register_model(folder=bundle_path, activate=True)
    second = make_version("model two", active=False)
    case = SmearCaseFactory(laboratory=laboratory, created_by=administrator)
    cells = queue_cells(case, 3)
    run_pending(predictor=FakePredictor())
    for cell in cells[:2]:
        correct_cell(cell_id=cell.pk, user=administrator, to_class="basophil")

    page = open_page(width=390, height=844, color_scheme="dark")
    found: dict[str, list[str]] = {}
    log_in(page, "ada")
    page.goto("/models/")
    picture = page.locator(".model-pictures img").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 100
    found["list"] = faults(page)

    page.get_by_role("link", name="model two").click()
    page.fill("#id_accession_number", case.accession_number)
    page.get_by_role("button", name="Start the run").click()
    row = page.locator("[id^=run-]")
    expect(row).to_contain_text("0 of 3 cells")
    found["version"] = faults(page)
    run_pending(predictor=FakePredictor(reply=lambda picture: answer("basophil")))
    expect(row).to_contain_text("3 of 3 cells")  # without loading the page again
    expect(row).to_contain_text("done")

    page.get_by_role("link", name=f"with {first.name}").click()
    expect(page.get_by_text("Cells on which they differ (2)")).to_be_visible()
    found["comparison"] = faults(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    found["comparison, wide"] = faults(page)

    page.goto(f"/models/{second.pk}/")
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("names new cells from now on")).to_be_visible()
    assert list(ModelVersion.objects.active()) == [second]
    assert {name: each for name, each in found.items() if each} == {}


def test_an_unfamiliar_cell_is_named_so_on_the_case_page(
    open_page: Callable[..., Page], laboratory: Laboratory
) -> None:
    technician = member(laboratory, "technician", username="tom")
    make_version()
    case = SmearCaseFactory(laboratory=laboratory, created_by=technician)
    queue_cells(case, 1)
    strange = answer("lymphocyte", 0.999, unfamiliarity=99.0, unfamiliar=True)
    run_pending(predictor=FakePredictor(reply=lambda picture: strange))
    page = open_page()
    log_in(page, "tom")
    page.goto(f"/cases/{case.pk}/")
    expect(page.locator(".cell-tile-foot").first).to_have_text("unfamiliar")
    expect(page.locator("tr[data-class=unfamiliar]")).to_contain_text("unfamiliar, not counted")
