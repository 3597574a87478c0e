"""Two readers and a third, each in a window of their own, on real cells, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from playwright.sync_api import Page, expect

from cases.models import Cell, DoubleReading, Laboratory, SmearCase, User
from cases.services.counts import case_counts
from classifier.services.work import run_pending
from tests.browser.conftest import log_in
from tests.classifier_tests.fakes import FakePredictor, make_version
from tests.factories import (
    CaseImageFactory,
    CellFactory,
    PatientFactory,
    SmearCaseFactory,
    member,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WORDS = {
    "en": {
        "two": "Two readers", "ask": "Ask for the readings", "finish": "Finish the reading",
        "closed": "You read this case blind", "blind": "Blinded reading",
        "waits": "The case opens to you when the other one is done too", "decide": "Decide",
        "take": "Take the readings over into the case", "done": "finished",
        "dispute": "1 cell named differently", "first": "First reader", "second": "Second reader",
    },
    "es": {
        "two": "Dos lectores", "ask": "Solicitar las lecturas", "finish": "Terminar la lectura",
        "closed": "Lee este caso a ciegas", "blind": "Lectura a ciegas",
        "waits": "El caso se le abrirá cuando termine también la otra", "decide": "Decidir",
        "take": "Trasladar las lecturas al caso", "done": "terminada",
        "dispute": "1 célula nombrada de forma distinta", "first": "Primer lector",
        "second": "Segundo lector",
    },
}  # fmt: skip


# Classes whose names do not fit into their buttons.
CUT_OFF = """
[...document.querySelectorAll("#reading .class-buttons .btn")]
  .filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.value)
"""

# Names the three cells that follow, each in the moment it is there.
NAME_THE_OTHERS = """
() => {
  let left = 3;
  window.stays = true;
  const named = new KeyboardEvent("keydown", { key: "1", bubbles: true });
  new MutationObserver(() => left-- > 0 && document.body.dispatchEvent(named)).observe(
    document.getElementById("reading").parentElement, { childList: true }
  );
}
"""


@pytest.fixture
def case(laboratory: Laboratory, reviewer: User, pbc_images: dict[str, list[Path]]) -> SmearCase:
    """Four real neutrophils, which the model calls monocytes."""
    make_version()
    case: SmearCase = SmearCaseFactory(
        laboratory=laboratory,
        patient=PatientFactory(laboratory=laboratory),
        accession_number="26-000077",
        created_by=reviewer,
    )
    for path in pbc_images["neutrophil"][:4]:
        image = CaseImageFactory(case=case, file=ContentFile(path.read_bytes(), name="cell.jpg"))
        CellFactory(case=case, image=image, width=360, height=363)
    run_pending(predictor=FakePredictor())
    return case


@pytest.mark.parametrize("language", ["en", "es"])
def test_two_read_blind_and_a_third_decides(
    open_page: Callable[..., Page], live_server: Any, case: SmearCase, language: str
) -> None:
    words = WORDS[language]
    for name in ("first", "second"):
        member(case.laboratory, "reviewer", username=name, first_name=name.title())
    pages = {}
    for name in ("reviewer", "first", "second"):
        pages[name] = open_page(locale=language)
        log_in(pages[name], name)

    # The third asks.
    third = pages["reviewer"]
    third.goto(f"/cases/{case.pk}/")
    third.get_by_role("link", name=words["two"]).first.click()
    third.get_by_label(words["first"]).select_option(label="First")
    third.get_by_label(words["second"]).select_option(label="Second")
    third.get_by_role("button", name=words["ask"]).click()
    asked = DoubleReading.objects.get()

    # Both find it in their work list, read by the keys of the workspace alone, the first as fast as
    # can be, and see nothing else of the case.
    for name in ("first", "second"):
        page = pages[name]
        page.goto(f"/cases/{case.pk}/")
        expect(page.get_by_text(words["closed"])).to_be_visible()
        page.goto("/work/")
        page.keyboard.press("j")
        expect(page.get_by_role("link", name="26-000077")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=words["blind"])).to_be_visible()
        shown = page.locator("#reading img:not([hidden])")
        expect(shown).to_be_visible()
        assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 360
        assert page.evaluate(CUT_OFF) == []
        if name == "first":
            page.evaluate(NAME_THE_OTHERS)
            page.keyboard.press("1")
            expect(page.locator("#reading progress")).to_have_attribute("value", "4")
            assert page.evaluate("window.stays")
        else:
            # The same cell gets the other name, wherever each reader meets it.
            order = asked.cells.order_by("second_position").values_list("cell_id", flat=True)
            odd = asked.cells.order_by("first_position")[3].cell_id
            for position, cell in enumerate(order, start=1):
                expect(page.locator("#reading strong")).to_contain_text(f" {position} ")
                page.keyboard.press("m" if cell == odd else "n")
                expect(page.locator("#reading progress")).to_have_attribute("value", str(position))
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#reading strong")).to_contain_text(" 3 ")
        page.get_by_role("button", name=words["finish"]).click()
        if name == "first":
            expect(page.get_by_text(words["waits"])).to_be_visible()
    expect(pages["second"].get_by_text(words["dispute"])).to_be_visible()

    # The third decides; the case says what the readings say.
    third.goto(f"/double-readings/{asked.pk}/")
    expect(third.get_by_text(words["dispute"])).to_be_visible()
    expect(third.locator(".dispute")).to_have_count(1)
    expect(third.get_by_role("button", name=words["take"])).to_have_count(0)
    third.locator(".dispute select").select_option("eosinophil")
    third.locator(".dispute").get_by_role("button", name=words["decide"]).click()
    expect(third.locator(".dispute .dispute-labels > div")).to_have_count(4)
    third.locator(".dispute button[value=neutrophil]").click()
    third.get_by_role("button", name=words["take"]).click()
    expect(third.locator(".page-header .badge").first).to_have_text(words["done"])
    assert set(Cell.objects.values_list("label_source", flat=True)) == {"reviewer"}
    counts = {each.code: each.count for each in case_counts(case=case).classes if each.count}
    assert sum(counts.values()) == 4
    first = pages["first"]
    first.goto(f"/cases/{case.pk}/")
    expect(first.get_by_role("heading", name="26-000077")).to_be_visible()
