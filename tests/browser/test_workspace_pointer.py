"""The review workspace under the mouse and the finger, and its dialog for comments."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cases.models import CellFlag, Correction, Laboratory, SmearCase, User
from tests.browser.conftest import serious_findings
from tests.browser.workspace_world import (
    WORDS,
    active,
    count_of,
    fifteen_cells,
    open_case,
    tiles,
    until,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG_TOUCH_MS = 600


@pytest.fixture
def case(laboratory: Laboratory, reviewer: User) -> SmearCase:
    return fifteen_cells(laboratory, reviewer)


@pytest.mark.parametrize("language", ["en", "es"])
def test_mouse_and_touch_choose_drag_and_open_the_menu(
    open_page: Callable[..., Page], case: SmearCase, language: str
) -> None:
    words = WORDS[language]
    page = open_page(locale=language)
    open_case(page, case)
    options = tiles(page)
    options.nth(0).click()
    options.nth(2).click(modifiers=["Shift"])
    options.nth(1).click(modifiers=["Control"])
    expect(page.locator("[aria-selected=true]")).to_have_count(2)
    start, goal = options.nth(2).bounding_box(), page.locator(".class-row[data-class=blast]")
    assert start is not None
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(start["x"] + 60, start["y"] + 60, steps=4)
    expect(page.locator("#drag-ghost")).to_be_visible()
    end = goal.bounding_box()
    assert end is not None
    page.mouse.move(end["x"] + 80, end["y"] + 5, steps=4)
    expect(goal).to_have_class("class-row is-target")
    page.mouse.up()
    expect(count_of(page, "blast")).to_have_text("2")
    expect(goal).to_have_attribute("aria-pressed", "false")
    options.nth(0).click(button="right")
    page.get_by_role("menu").get_by_role("menuitem", name=words["blast"], exact=True).click()
    expect(count_of(page, "blast")).to_have_text("3")
    # The class's row filters.
    goal.click()
    expect(options).to_have_count(3)
    expect(goal).to_have_attribute("aria-pressed", "true")
    until(lambda: case.cells.filter(label__code="blast").count() == 3)

    phone = open_page(locale=language, width=390, height=844, has_touch=True, is_mobile=True)
    open_case(phone, case)
    assert not phone.evaluate("document.documentElement.scrollWidth > innerWidth")
    phone.locator('[data-command="select"]').tap()
    tiles(phone).nth(0).tap()
    tiles(phone).nth(1).tap()
    expect(phone.locator("[aria-selected=true]")).to_have_count(2)
    phone.locator('[data-command="menu"]').tap()
    phone.get_by_role("menuitem", name=words["blast"], exact=True).tap()
    expect(count_of(phone, "blast")).to_have_text("5")
    expect(phone.locator("#inspector .viewer")).to_be_visible()
    # A long touch takes a cell up: let go it gets its menu.
    box = tiles(phone).nth(0).bounding_box()
    assert box is not None
    touch = phone.context.new_cdp_session(phone)
    point = [{"x": box["x"] + 30, "y": box["y"] + 30}]
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": point})
    phone.wait_for_timeout(600)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(phone.get_by_role("menu")).to_be_visible()


class Finger:
    """One finger on the screen, as the browser itself gets it: touches, not synthetic clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)

    def _send(self, kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def press(self, x: float, y: float, *, milliseconds: int = 0) -> None:
        self._send("touchStart", (x, y))
        self.page.wait_for_timeout(milliseconds)
        self.at = (x, y)

    def move(self, x: float, y: float, *, steps: int = 8) -> None:
        from_x, from_y = self.at
        for step in range(1, steps + 1):
            share = step / steps
            self._send("touchMove", (from_x + share * (x - from_x), from_y + share * (y - from_y)))
            self.page.wait_for_timeout(20)
        self.at = (x, y)

    def lift(self) -> None:
        self._send("touchEnd")


AT_REST = """async pane => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let at = NaN, same = 0; same < 10; ) {
        await frame();
        const now = pane.getBoundingClientRect().top;
        same = now === at ? same + 1 : 0;
        at = now;
    }
}"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_the_ring_around_the_cells_is_whole(
    open_page: Callable[..., Page], case: SmearCase, scheme: str, width: int
) -> None:
    """Whoever reads by keys sees where they go, on every side, wherever the list is scrolled."""
    page = open_page(width=width, color_scheme=scheme)
    gallery = open_case(page, case)
    page.keyboard.press("End")
    gallery.evaluate("each => each.scrollTop -= 60")
    pane = page.locator(".pane-gallery")
    # Keys scroll the page smoothly; the picture is taken when it has come to rest.
    pane.evaluate("each => each.scrollIntoView({ block: 'center', behavior: 'instant' })")
    pane.evaluate(AT_REST)
    box = pane.bounding_box()
    assert box is not None
    edge = 3
    clip = {"x": box["x"] - edge, "y": box["y"] - edge,
            "width": box["width"] + 2 * edge, "height": box["height"] + 2 * edge}  # fmt: skip
    picture = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    right, bottom = picture.width - 2, picture.height - 2
    corner = 16
    sides = {
        "top": [(x, 1) for x in range(corner, right - corner)],
        "bottom": [(x, bottom) for x in range(corner, right - corner)],
        "left": [(1, y) for y in range(corner, bottom - corner)],
        "right": [(right, y) for y in range(corner, bottom - corner)],
    }
    colors = {name: {picture.getpixel(at) for at in places} for name, places in sides.items()}
    assert len(set.union(*colors.values())) == 1, colors


def middle(box: Any) -> tuple[float, float]:
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize(
    ("width", "height"), [(390, 844), (820, 1180)], ids=["telephone", "tablet"]
)
def test_a_finger_drags_a_selection_onto_a_class(
    open_page: Callable[..., Page], case: SmearCase, width: int, height: int
) -> None:
    page = open_page(locale="es", width=width, height=height, has_touch=True, is_mobile=True)
    open_case(page, case)
    page.locator('[data-command="select"]').tap()
    tiles(page).nth(0).tap()
    tiles(page).nth(1).tap()
    expect(page.locator("[aria-selected=true]")).to_have_count(2)
    finger = Finger(page)
    goal = page.locator(".class-row[data-class=blast]")
    start = middle(tiles(page).nth(1).bounding_box())

    # Taken up and dropped beside every class: nothing happens, and nothing stays behind.
    finger.press(*start, milliseconds=LONG_TOUCH_MS)
    finger.move(start[0] + 30, start[1] + 30)
    expect(page.locator("#drag-ghost")).to_have_text("2 células")
    finger.move(*middle(page.locator("#gallery-heading, .gallery-foot").last.bounding_box()))
    at_rest = page.locator("#workspace.is-dragging")
    expect(at_rest).to_have_count(1)
    page.keyboard.press("Escape")
    expect(at_rest).to_have_count(0)
    finger.lift()
    expect(page.locator("#drag-ghost")).to_be_hidden()
    expect(count_of(page, "blast")).to_have_text("0")

    # Dropped on a class, both cells are that.
    scrolled = page.evaluate("[scrollY, document.getElementById('gallery').scrollTop]")
    start = middle(tiles(page).nth(1).bounding_box())
    finger.press(*start, milliseconds=LONG_TOUCH_MS)
    finger.move(start[0] + 20, start[1] + 20)
    finger.move(*middle(goal.bounding_box()))
    expect(goal).to_have_class("class-row is-target")
    finger.lift()
    expect(count_of(page, "blast")).to_have_text("2")
    expect(goal).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("[scrollY, document.getElementById('gallery').scrollTop]") == scrolled
    until(lambda: case.cells.filter(label__code="blast").count() == 2)
    assert Correction.objects.values("batch").distinct().count() == 1

    # A finger that moves at once scrolls, and drags nothing.
    before = page.evaluate("document.getElementById('gallery').scrollTop")
    x, y = middle(tiles(page).nth(3).bounding_box())
    finger.press(x, y)
    finger.move(x, y - 150)
    expect(page.locator("#drag-ghost")).to_be_hidden()
    finger.lift()
    until(lambda: page.evaluate("document.getElementById('gallery').scrollTop + scrollY") > before)
    assert case.cells.filter(label__code="blast").count() == 2


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_comment_is_kept_with_a_correction_and_a_flag(
    open_page: Callable[..., Page], case: SmearCase, language: str
) -> None:
    words = {
        "en": {"flag": "Flag for review", "confirm": "Confirm", "save": "Save"},
        "es": {"flag": "Marcar para revisar", "confirm": "Confirmar", "save": "Guardar"},
    }[language]
    page = open_page(locale=language)
    open_case(page, case)
    first = active(page)
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("c")
    dialog = page.locator("#with-comment")
    expect(dialog).to_be_visible()
    assert serious_findings(page) == []
    # Letters typed are words here, and name nothing.
    page.keyboard.type("nucleoli, fine chromatin")
    dialog.locator("select").select_option(label=WORDS[language]["blast"])
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert not Correction.objects.exists()
    page.keyboard.press("c")
    expect(dialog.locator("textarea")).to_have_value("nucleoli, fine chromatin")
    dialog.locator("select").select_option(label=WORDS[language]["blast"])
    dialog.get_by_role("button", name=words["save"]).click()
    expect(count_of(page, "blast")).to_have_text("2")
    until(lambda: Correction.objects.count() == 2)
    assert set(Correction.objects.values_list("comment", flat=True)) == {"nucleoli, fine chromatin"}
    page.keyboard.press("Home")
    other = active(page)
    assert other != first
    page.keyboard.press("c")
    dialog.locator("select").select_option(label=words["flag"])
    dialog.locator("textarea").fill("a second opinion")
    dialog.locator("textarea").press("Control+Enter")
    until(lambda: CellFlag.objects.filter(raised=True).exists())
    assert CellFlag.objects.get().note == "a second opinion"
    expect(page.locator("#inspector .history")).to_contain_text("a second opinion")
