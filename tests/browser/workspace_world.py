"""A case to read in the browser, and what its tests do on the page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from playwright.sync_api import Locator, Page, expect

from classifier.services.work import run_pending
from tests.browser.conftest import log_in
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, queue_cells
from tests.factories import SmearCaseFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from cases.models import Cell, Laboratory, SmearCase, User

# By class in the order of the page: how many, and how sure the model is of the least certain.
CELLS = {
    "neutrophil": (6, 0.9),
    "lymphocyte": (4, 0.85),
    "monocyte": (3, 0.4),
    "platelet": (2, 0.9),
}
WORDS = {
    "en": {
        "blast": "Blast",
        "named": "3 cells are now: Blast",
        "undone": "Taken back: 3 cells are as they were",
        "option": "Monocyte, 40.0 %, needs review",
        "refused": "Somebody was faster: 1 cell changed meanwhile",
        "other": "otto changed 1 cell.",
        "confirm": "Confirm",
        "done": "No cell needs review any more.",
        "flagged": "Flagged for review",
    },
    "es": {
        "blast": "Blasto",
        "named": "3 células son ahora: Blasto",
        "undone": "Deshecho: 3 células están como antes",
        "option": "Monocito, 40,0 %, por revisar",
        "refused": "Alguien se adelantó: 1 célula ha cambiado",
        "other": "otto ha cambiado 1 célula.",
        "confirm": "Confirmar",
        "done": "Ya no queda ninguna célula por revisar.",
        "flagged": "Marcada para revisar",
    },
}


def fifteen_cells(laboratory: Laboratory, reviewer: User) -> SmearCase:
    """Fifteen cells of four classes, of which the three monocytes need review."""
    make_version()
    case: SmearCase = SmearCaseFactory(laboratory=laboratory, created_by=reviewer)
    replies = iter(
        answer(code, sure + 0.01 * place)
        for code, (count, sure) in CELLS.items()
        for place in range(count)
    )
    queue_cells(case, sum(count for count, _sure in CELLS.values()))
    run_pending(predictor=FakePredictor(reply=lambda picture: next(replies)))
    return case


def tiles(page: Page) -> Locator:
    return page.locator("#gallery [role=option]")


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what neither the page's words nor its markup tell."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def cells_of(case: SmearCase, code: str) -> list[Cell]:
    return list(case.cells.filter(label__code=code).order_by("confidence"))


def open_case(page: Page, case: SmearCase, query: str = "", user: str = "reviewer") -> Locator:
    """Log in, open the case and put the focus on its cells."""
    log_in(page, user)
    page.goto(f"/cases/{case.pk}/{query}")
    expect(tiles(page).first).to_be_visible()
    gallery = page.locator("#gallery")
    gallery.focus()
    return gallery


def active(page: Page) -> int:
    return int(str(page.locator("#gallery").get_attribute("aria-activedescendant"))[5:])


def count_of(page: Page, code: str) -> Locator:
    return page.locator(f".class-row[data-class={code}] [data-count]")
