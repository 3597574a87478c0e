"""The whole road as a person walks it, on real images, with a worker process of its own."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cases.models import Cell, SmearCase, User
from tests.browser.conftest import log_in

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.slow]

PER_CLASS = 3
IMAGES = 8 * PER_CLASS
DROP = """async (files) => {
  const transfer = new DataTransfer();
  for (const { name, content } of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  }
  return transfer;
}"""


def drop(page: Page, files: dict[str, bytes]) -> None:
    """Drop files on the page as a mouse would."""
    sent = [{"name": n, "content": base64.b64encode(c).decode()} for n, c in files.items()]
    transfer = page.evaluate_handle(DROP, sent)
    page.dispatch_event("#drop-zone", "drop", {"dataTransfer": transfer})


def counts_on(page: Page) -> dict[str, int]:
    """The counts table as it is read on the page: classes and their numbers."""
    rows = page.locator("#case-counts tr[data-class]")
    return {
        str(row.get_attribute("data-class")): int(row.locator("[data-count]").inner_text())
        for row in rows.all()
    }


def test_a_case_from_log_in_to_log_out(
    open_page: Callable[..., Page],
    reviewer: User,
    pbc_images: dict[str, list[Path]],
    start_worker: Callable[[], None],
) -> None:
    page = open_page()
    log_in(page, "reviewer")
    expect(page.get_by_text("No case is waiting", exact=True)).to_be_visible()
    page.get_by_role("link", name="Show all cases").click()
    expect(page.get_by_text("No cases yet")).to_be_visible()

    # A new case for a new patient.
    page.get_by_role("main").get_by_role("link", name="New case").first.click()
    page.get_by_text("New patient", exact=True).click()
    page.get_by_label("Patient identifier").fill("HC-1")
    page.get_by_label("Accession number").fill("26-000001")
    page.get_by_role("button", name="Open the case and add images").click()
    page.wait_for_url("**/upload/")

    # 24 images and a text file that calls itself one.
    chosen = [path for paths in pbc_images.values() for path in paths[:PER_CLASS]]
    files = {path.name: path.read_bytes() for path in chosen}
    drop(page, {**files, "notes.jpg": b"These are only words.\n" * 10})
    expect(page.locator("[data-summary]")).to_contain_text(
        f"Files sent: {IMAGES + 1} of {IMAGES + 1}. Images accepted: {IMAGES}, duplicates: 0, "
        "rejected: 1.",
        timeout=60_000,
    )
    refused = page.locator("#answers li", has_text="notes.jpg")
    expect(refused.locator(".tone-red")).not_to_be_empty()
    expect(page.locator("#answers > li .tone-green")).to_have_count(IMAGES)

    # The worker comes and the page follows it without a hand on it.
    page.get_by_role("link", name="To the case").click()
    progress = page.locator("#case-progress")
    expect(progress).to_contain_text(f"0 of {IMAGES} cells named")
    start_worker()
    expect(progress).not_to_contain_text(f" 0 of {IMAGES}", timeout=120_000)
    expect(progress.locator("progress")).to_have_count(0, timeout=120_000)
    assert progress.get_attribute("hx-trigger") is None
    expect(page.locator("#case-status")).to_have_text("in review")

    # The counts on the page are those of the database, and of the model's own words.
    counts = counts_on(page)
    assert sum(counts.values()) == IMAGES
    case = SmearCase.objects.get(accession_number="26-000001")
    for code, count in counts.items():
        assert case.cells.filter(label__code=code).count() == count
    expect(page.locator("#gallery-found")).to_have_text(f"{IMAGES} cells shown")
    expect(page.locator("[data-donut]")).to_be_visible()
    expect(page.locator("#limited-badge")).to_be_visible()

    # Correct a cell by a key; the counts follow at once, without another page.
    page.locator("#gallery").focus()
    page.keyboard.press("Home")
    chosen = str(page.locator("#gallery").get_attribute("aria-activedescendant"))
    cell = Cell.objects.select_related("label").get(pk=int(chosen.removeprefix("cell-")))
    assert cell.label is not None
    page.keyboard.press("9")
    expect(page.locator(".class-row[data-class=blast] [data-count]")).to_have_text("1")
    expect(page.locator("#case-counts tr[data-class=blast] [data-count]")).to_have_text("1")
    after = counts_on(page)
    assert after[cell.label.code] == counts[cell.label.code] - 1
    assert sum(after.values()) == IMAGES

    # The cell's own page: the prediction stays as it was made, beside the corrections.
    page.goto(f"/cells/{cell.pk}/")
    page.get_by_text("Smudge cell", exact=True).click()
    page.get_by_label("Comment").fill("Only a smeared nucleus is left.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".history")).to_contain_text("Only a smeared nucleus is left.")
    expect(page.locator(".history")).to_contain_text(f"Predicted: {cell.label.name}")
    check_heatmap(page)

    # Spanish, remembered over log-out and log-in.
    page.get_by_role("button", name="ES – Español").click()
    expect(page.get_by_role("heading", name="Reclasificar")).to_be_visible()
    page.get_by_role("button", name="Su cuenta").click()
    page.get_by_role("button", name="Cerrar sesión").click()
    page.wait_for_url("**/login/**")
    page.context.clear_cookies()
    page.goto("/login/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, "reviewer")
    expect(page.get_by_role("heading", name="Lista de trabajo")).to_be_visible()


def check_heatmap(page: Page) -> None:
    """The heatmap is there, fades with the slider, goes with the key H and changes its class."""
    heatmap = page.locator("#heatmap")
    expect(heatmap).to_be_visible()
    page.wait_for_function("document.getElementById('heatmap').naturalWidth > 0")
    page.locator("#heatmap-opacity").fill("20")
    expect(heatmap).to_have_css("opacity", "0.2")
    page.locator("h1").click()
    page.keyboard.press("h")
    expect(heatmap).not_to_be_visible()
    page.keyboard.press("h")
    with page.expect_response(lambda answer: "class=platelet" in answer.url) as seen:
        page.locator("#heatmap-class").select_option("platelet")
    assert seen.value.headers["content-type"] == "image/png"


def test_a_closed_session_leads_back_to_the_log_in_page(
    open_page: Callable[..., Page], reviewer: User, live_server: Any
) -> None:
    page = open_page()
    log_in(page, "reviewer")
    page.goto("/cases/new/")
    page.context.clear_cookies()
    page.get_by_label("Patient identifier").press_sequentially("HC")
    page.wait_for_url("**/login/?next=/cases/new/")
