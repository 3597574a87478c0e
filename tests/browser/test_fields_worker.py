"""Real fields, the real detector and classifier in a worker process, and the page over it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cases.models import Cell, Detection, SmearCase, User
from tests.browser.conftest import log_in
from tests.browser.field_page import settled
from tests.browser.test_fields import FIELDS
from tests.browser.test_main_road import drop
from tests.factories import SmearCaseFactory

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.slow]

ACROSS, DOWN = 4, 4  # 2,560 x 1,920 pixels: above what is shown without tiles
MINUTES = 60_000


def mosaic(path: Path) -> bytes:
    """A field repeated to more than four megapixels."""
    with Image.open(path) as image:
        pixels = np.tile(np.asarray(image.convert("RGB")), (DOWN, ACROSS, 1))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@pytest.mark.timeout(900)
def test_a_worker_finds_names_and_tiles(
    open_page: Callable[..., Page],
    reviewer: User,
    shared_data: Path,
    start_worker: Callable[[], None],
) -> None:
    laboratory = reviewer.memberships.get().laboratory
    case: SmearCase = SmearCaseFactory(laboratory=laboratory, created_by=reviewer)
    page = open_page()
    log_in(page, "reviewer")
    page.goto(f"/cases/{case.pk}/upload/")
    path = shared_data / "bccd" / "images" / f"{FIELDS[0]}.jpg"
    drop(page, {path.name: path.read_bytes(), "mosaic.jpg": mosaic(path)})
    expect(page.locator("[data-summary]")).to_contain_text("Images accepted: 2", timeout=MINUTES)
    small, large = case.images.order_by("width")

    page.goto(f"/cases/{case.pk}/fields/{small.number}/")
    expect(page.get_by_text("The model looks for cells")).to_be_visible()
    start_worker()
    expect(page.get_by_text("The model looks for cells")).to_be_hidden(timeout=5 * MINUTES)
    # BCCD's annotators drew a white cell, two platelets and sixteen red cells.
    found = Detection.objects.filter(image=small)
    assert found.filter(kind="white_cell").count() == 1
    assert found.filter(kind="red_cell").count() >= 10
    expect(page.locator("#box-list li")).to_have_count(found.count())
    expect(page.locator("#boxes-waiting")).to_be_hidden(timeout=5 * MINUTES)
    white = found.get(kind="white_cell")
    assert white.cell is not None
    cell = Cell.objects.get(pk=white.cell.pk)
    assert cell.state == "done"
    page.locator(f'#box-list [data-box="{white.pk}"]').click()
    expect(page.locator("#inspector .viewer-heatmap")).to_be_visible()
    if cell.label:
        expect(page.locator("#chosen-name")).to_have_text(f"{white.number} · {cell.label.name}")

    # The large one is found in windows and shown from tiles; it has about sixteen times as many.
    page.goto(f"/cases/{case.pk}/fields/{large.number}/")
    expect(page.get_by_text("The picture is being prepared")).to_be_hidden(timeout=5 * MINUTES)
    expect(page.get_by_text("The model looks for cells")).to_be_hidden(timeout=8 * MINUTES)
    settled(page)
    whites = Detection.objects.filter(image=large, kind="white_cell").count()
    assert whites == ACROSS * DOWN
    assert Detection.objects.filter(image=large).count() >= 10 * ACROSS * DOWN
    expect(page.locator("#boxes-found")).to_contain_text(
        f"of {Detection.objects.filter(image=large).count()}"
    )
    tile = page.request.get(f"/images/{large.pk}/tiles/3/0_0.jpg")
    assert (tile.status, tile.headers["content-type"]) == (200, "image/jpeg")
