"""A field's page in a real browser, on BCCD's fields: boxes, switches, and every correction."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cases.models import (
    Box,
    CaseImage,
    Detection,
    DetectionCorrection,
    Laboratory,
    SmearCase,
    User,
)
from cases.services.fields import change_box
from classifier.field_pages import boxes
from classifier.services.work import run_pending
from tests.browser.conftest import log_in
from tests.browser.field_page import annotated, drag, drag_finger, on_screen, settled
from tests.browser.test_main_road import drop
from tests.browser.test_workspace import until
from tests.classifier_tests.fakes import FakePredictor, answer, make_version
from tests.factories import SmearCaseFactory

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIELDS = ("BloodImage_00014", "BloodImage_00002")
WORDS = {
    "en": {
        "accepted": "Images accepted: 2",
        "fields": "Fields",
        "looking": "The model looks for cells",
        "neutrophil": "Neutrophil",
        "red": "Red cells",
        "draw": "Add a missed cell",
        "save": "Save",
        "added": "Cell {} added",
        "removed": "removed: no such cell",
        "fix": "Fix the box",
        "taken_back": "Taken back",
        "faster": "Somebody was faster",
        "twice": "On another field too",
        "duplicate": "on another field already",
        "workspace": "In the workspace",
        "on_field": "On the field",
        "signed": "The case is signed",
        "box_changed": "box changed",
    },
    "es": {
        "accepted": "Imágenes aceptadas: 2",
        "fields": "Campos",
        "looking": "El modelo busca células",
        "neutrophil": "Neutrófilo",
        "red": "Hematíes",
        "draw": "Añadir una célula omitida",
        "save": "Guardar",
        "added": "Célula {} añadida",
        "removed": "retirada: no hay tal célula",
        "fix": "Corregir el recuadro",
        "taken_back": "Deshecho",
        "faster": "Alguien se adelantó",
        "twice": "También en otro campo",
        "duplicate": "ya está en otro campo",
        "workspace": "En el espacio de trabajo",
        "on_field": "En el campo",
        "signed": "El caso está firmado",
        "box_changed": "recuadro cambiado",
    },
}


@pytest.fixture
def case(laboratory: Laboratory, reviewer: User) -> SmearCase:
    make_version()
    return SmearCaseFactory(laboratory=laboratory, created_by=reviewer)


@pytest.fixture
def bccd(shared_data: Path) -> Path:
    return shared_data / "bccd"


def upload_fields(page: Page, case: SmearCase, bccd: Path, accepted: str) -> list[CaseImage]:
    page.goto(f"/cases/{case.pk}/upload/")
    files = {f"{name}.jpg": (bccd / "images" / f"{name}.jpg").read_bytes() for name in FIELDS}
    drop(page, files)
    expect(page.locator("[data-summary]")).to_contain_text(accepted)
    images = list(CaseImage.objects.filter(case=case).order_by("number"))
    assert [each.kind for each in images] == ["field", "field"]
    return sorted(images, key=lambda each: FIELDS.index(Path(each.original_name).stem))


def classify() -> None:
    run_pending(predictor=FakePredictor(reply=lambda picture: answer("neutrophil", 0.97)))


def drawn(page: Page) -> int:
    return int(page.locator(".field-boxes").get_attribute("data-drawn") or 0)


def choose(page: Page, row: Detection) -> None:
    """Click on a box in its lower right corner, where no other box of the field lies above it."""
    page.locator(f'#box-list [data-box="{row.pk}"]').click()
    expect(page.locator("#chosen-name")).to_contain_text(f"{row.number} ·")


@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("es", 390)])
def test_the_road_of_a_field(
    open_page: Callable[..., Page],
    case: SmearCase,
    reviewer: User,
    bccd: Path,
    language: str,
    width: int,
) -> None:
    words = WORDS[language]
    page = open_page(width=width, height=900, locale=language, has_touch=width < 500)
    log_in(page, "reviewer")
    first, second = upload_fields(page, case, bccd, words["accepted"])

    # While the worker still looks, the page says so and shows the field.
    page.goto(f"/cases/{case.pk}/fields/")
    page.locator(f'a[href="/cases/{case.pk}/fields/{first.number}/"]').click()
    expect(page.get_by_text(words["looking"])).to_be_visible()
    settled(page)
    found = annotated(first, bccd, FIELDS[0])
    annotated(second, bccd, FIELDS[1])
    expect(page.get_by_text(words["looking"])).to_be_hidden()
    expect(page.locator("#box-list li")).to_have_count(len(found))
    until(lambda: drawn(page) == len(found))

    # Named by the model, the white cell and the platelets change their group without a reload.
    classify()
    groups = page.locator("#box-groups")
    expect(groups).to_contain_text(words["neutrophil"])
    reds = Detection.objects.filter(image=first, kind="red_cell").count()
    switch = groups.get_by_role("button", name=words["red"])
    expect(switch).to_contain_text(str(reds))
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    until(lambda: drawn(page) == len(found) - reds)
    expect(page.locator("#box-list li")).to_have_count(len(found) - reds)
    switch.click()

    # A click on the picture chooses the cell; the inspector shows it, with its heatmap.
    white = Detection.objects.get(image=first, kind="white_cell")
    place = on_screen(page, white.left + white.width / 2, white.top + white.height / 2)
    if width < 500:
        page.locator("#field-picture").scroll_into_view_if_needed()
        place = on_screen(page, white.left + white.width / 2, white.top + white.height / 2)
        page.touchscreen.tap(*place)
    else:
        page.mouse.click(*place)
    expect(page.locator("#chosen-name")).to_have_text(f"{white.number} · {words['neutrophil']}")
    expect(page.locator("#inspector .viewer-heatmap")).to_have_count(1)
    expect(page.locator("#inspector .probabilities, #inspector .donut-legend")).to_have_count(1)

    # A missed cell is drawn with the mouse or a finger.
    page.get_by_role("button", name=words["draw"]).click()
    page.locator("#field-picture").scroll_into_view_if_needed()
    (drag_finger if width < 500 else drag)(page, (30, 40), (110, 130))
    number = len(found) + 1
    expect(page.locator("#toasts")).to_contain_text(words["added"].format(number))
    added = Detection.objects.get(image=first, number=number)
    assert (added.source, added.kind, added.score) == ("reviewer", "white_cell", None)
    sides = (added.left, added.top, added.width, added.height)
    assert all(abs(is_ - meant) <= 4 for is_, meant in zip(sides, (30, 40, 80, 90), strict=True))
    assert added.cell is not None
    assert added.cell.state == "queued"

    # What is no cell is removed with a key, stays to be seen, and comes back with another.
    choose(page, added)
    page.locator("#field-picture canvas").first.focus()
    page.locator(".openseadragon-canvas").focus()
    page.keyboard.press("Delete")
    expect(page.locator("[data-chosen=state]")).to_have_text(words["removed"])
    assert Detection.objects.get(pk=added.pk).excluded == "removed"
    page.keyboard.press("u")
    expect(page.locator("#toasts")).to_contain_text(words["taken_back"])
    expect(page.locator("[data-chosen=state]")).to_be_hidden()
    assert Detection.objects.get(pk=added.pk).excluded == ""

    # A box is fixed: by its handle, then with keys alone.
    page.get_by_role("button", name=words["fix"]).click()
    page.locator("#field-picture").scroll_into_view_if_needed()
    corner = (added.left + added.width, added.top + added.height)
    (drag_finger if width < 500 else drag)(page, corner, (corner[0] + 20, corner[1] + 10))
    page.locator('#field-edit [data-command="save"]').click()
    until(lambda: Detection.objects.get(pk=added.pk).width != added.width)
    fixed = Detection.objects.get(pk=added.pk)
    assert abs(fixed.width - added.width - 20) <= 4
    assert (fixed.left, fixed.top) == (added.left, added.top)
    expect(page.locator("#chosen-history")).to_contain_text(words["box_changed"])
    page.locator(".openseadragon-canvas").focus()
    page.keyboard.press("e")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    until(lambda: Detection.objects.get(pk=added.pk).left == fixed.left + 5)
    assert Detection.objects.get(pk=added.pk).height == fixed.height + 5
    assert DetectionCorrection.objects.filter(detection=added).count() == 5

    # The same cell on the other field counts once.
    other = Detection.objects.get(image=second, kind="white_cell")
    page.get_by_role("button", name=words["twice"]).click()
    page.locator(f'#duplicate-cells [data-box="{other.pk}"]').click()
    expect(page.locator("[data-chosen=state]")).to_have_text(words["duplicate"])
    assert Detection.objects.get(pk=added.pk).duplicate_of == other

    # To the workspace and back, to the same cell.
    choose(page, white)
    page.get_by_role("link", name=words["workspace"]).click()
    assert white.cell is not None
    expect(page.locator("#inspected-heading")).to_contain_text(str(white.cell.number))
    page.get_by_role("link", name=words["on_field"]).click()
    expect(page.locator("#chosen-name")).to_contain_text(f"{white.number} ·")
    assert re.search(rf"/fields/{first.number}/\?cell={white.cell.number}$", page.url)

    # Signed, it can be looked at only.
    SmearCase.objects.filter(pk=case.pk).update(status="signed_off")
    page.reload()
    expect(page.get_by_text(words["signed"])).to_be_visible()
    expect(page.get_by_role("button", name=words["draw"])).to_have_count(0)
    choose(page, white)
    expect(page.locator("#chosen [data-command]:visible")).to_have_count(0)


def test_a_faster_reviewer_is_never_overwritten(
    open_page: Callable[..., Page], case: SmearCase, reviewer: User, bccd: Path
) -> None:
    words = WORDS["en"]
    page = open_page()
    log_in(page, "reviewer")
    image, _other = upload_fields(page, case, bccd, words["accepted"])
    annotated(image, bccd, FIELDS[0])
    page.goto(f"/cases/{case.pk}/fields/{image.number}/?box=2")
    expect(page.locator("#chosen-name")).to_contain_text("2 ·")
    row = Detection.objects.get(image=image, number=2)
    page.route("**/boxes/**", lambda route: route.abort())  # nothing of it is heard
    change_box(user=reviewer, detection=row, version=row.version, box=Box(50, 60, 70, 80))
    page.unroute("**/boxes/**")
    page.keyboard.press("Delete")
    expect(page.locator("#toasts")).to_contain_text(words["faster"])
    now = Detection.objects.get(pk=row.pk)
    assert (now.excluded, now.left) == ("", 50)
    # After a look at what it is now, the step can be made.
    page.keyboard.press("Delete")
    expect(page.locator("[data-chosen=state]")).to_have_text(words["removed"])


def test_keys_alone_walk_and_add(
    open_page: Callable[..., Page],
    case: SmearCase,
    bccd: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = WORDS["en"]
    page = open_page()
    log_in(page, "reviewer")
    image, _other = upload_fields(page, case, bccd, words["accepted"])
    found = annotated(image, bccd, FIELDS[0])
    page.goto(f"/cases/{case.pk}/fields/{image.number}/")
    expect(page.locator("#box-list li")).to_have_count(len(found))
    settled(page)
    page.locator(".openseadragon-canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#chosen-name")).to_be_visible()
    start = page.locator("#chosen-name").inner_text()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#chosen-name")).not_to_have_text(start)
    page.keyboard.press("Escape")
    expect(page.locator("#chosen-name")).to_be_hidden()
    page.keyboard.press("n")
    page.locator("#draw-kind").select_option("platelet")
    page.locator(".openseadragon-canvas").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    number = len(found) + 1
    expect(page.locator("#toasts")).to_contain_text(words["added"].format(number))
    assert Detection.objects.get(image=image, number=number).kind == "platelet"

    # With very many cells only those in sight are fetched and listed.
    monkeypatch.setattr(boxes, "MOST_BOXES", 10)
    page.goto(f"/cases/{case.pk}/fields/{image.number}/?box=1")
    expect(page.locator("#field-partial")).to_be_visible()
    expect(page.locator("#chosen-name")).to_contain_text("1 ·")
    settled(page)
    left, top, right, bottom = page.evaluate(
        """() => {
          const view = OpenSeadragon.getViewer("field-picture").viewport;
          const area = view.viewportToImageRectangle(view.getBounds());
          return [area.x, area.y, area.x + area.width, area.y + area.height];
        }"""
    )
    in_sight = [
        row.number
        for row in Detection.objects.filter(image=image).order_by("number")
        if row.left <= right and row.box.right >= left
        if row.top <= bottom and row.box.bottom >= top
    ]
    assert 1 in in_sight
    assert len(in_sight) < number
    expect(page.locator("#box-list li")).to_have_count(min(len(in_sight), 10))
