"""Look-alikes, projector, quick look and about pages in a real browser, in both languages."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cases.models import CaseImage, Laboratory, SmearCase, User
from classifier.models import Projection, QuickLook
from classifier.services import projections, quick_looks
from tests.browser.conftest import CHROMIUM_ARGUMENTS, log_in
from tests.classifier_tests.fakes import FakePredictor, answer, make_version
from tests.classifier_tests.test_projector import named_cells
from tests.factories import SmearCaseFactory, picture_bytes

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SOFTWARE_WEBGL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
NO_WEBGL = """
const drawn = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : drawn.call(this, kind, ...rest);
};
"""
WORDS = {
    "en": {
        "selected": "36 cells selected",
        "lasso": "Lasso",
        "heatmap": "Heatmap",
        "waiting": "Waiting for the worker",
        "add": "Add to the case",
        "added": "1 picture was added to the case.",
        "strange": "resembles nothing the model has learnt",
        "suspects": "cells among others of another class",
        "about": "About the project",
        "none": "holds no reference cells",
    },
    "es": {
        "selected": "36 células seleccionadas",
        "lasso": "Lazo",
        "heatmap": "Mapa de calor",
        "waiting": "A la espera del proceso de trabajo",
        "add": "Añadir al caso",
        "added": "Se ha añadido 1 imagen al caso.",
        "strange": "no se parece a nada de lo que el modelo ha aprendido",
        "suspects": "células entre otras de otra clase",
        "about": "Sobre el proyecto",
        "none": "no contiene células de referencia",
    },
}


@pytest.fixture(scope="module")
def with_webgl(chromium: Browser) -> Iterator[Browser]:
    """The same browser with WebGL computed in software."""
    import os

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    arguments = [each for each in CHROMIUM_ARGUMENTS if each != "--disable-gpu"]
    browser = chromium.browser_type.launch(executable_path=path, args=[*arguments, *SOFTWARE_WEBGL])
    yield browser
    browser.close()


@pytest.fixture
def projection(laboratory: Laboratory, reviewer: User) -> Projection:
    make_version()
    case = SmearCaseFactory(laboratory=laboratory, created_by=reviewer)
    named_cells(case, 36)
    made = projections.request_projection(user=reviewer, source="case", method="pca", case=case)
    projections.run_waiting()
    return made


@pytest.mark.parametrize("language", ["en", "es"])
def test_lasso_zoom_and_click(
    with_webgl: Browser, live_server: Any, projection: Projection, language: str
) -> None:
    context = with_webgl.new_context(
        viewport={"width": 1440, "height": 1000}, base_url=live_server.url, locale=language
    )
    page = context.new_page()
    page.set_default_timeout(40_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    log_in(page, "reviewer")
    page.goto(f"/projector/{projection.pk}/")
    stage = page.locator("#projector-stage")
    expect(stage).to_have_attribute("data-shows", "points", timeout=40_000)
    expect(page.locator(".projector-picture")).to_be_hidden()
    # Drawn without being touched; an empty stage has two or three colours.
    page.wait_for_timeout(500)
    drawn = Image.open(io.BytesIO(page.locator("#projector-plot").screenshot())).convert("RGB")
    assert len(drawn.getcolors(drawn.width * drawn.height)) > 10

    page.get_by_role("button", name=WORDS[language]["lasso"]).click()
    box = page.locator("#projector-lasso").bounding_box()
    assert box is not None
    left, top = box["x"] + 2, box["y"] + 2
    right, bottom = left + box["width"] - 4, top + box["height"] - 4
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=2)
    page.mouse.up()
    gallery = page.locator("#projector-gallery")
    expect(gallery).to_contain_text(WORDS[language]["selected"])
    expect(gallery.locator(".tile")).to_have_count(36)
    page.get_by_role("button", name=WORDS[language]["lasso"]).click()

    page.mouse.move((left + right) / 2, (top + bottom) / 2)
    for _turn in range(30):
        page.mouse.wheel(0, -300)
    expect(stage).to_have_attribute("data-shows", "pictures")

    page.locator("#projector-reset").click()
    expect(stage).to_have_attribute("data-shows", "points")
    place = page.evaluate(
        "() => { const plot = document.getElementById('projector-stage').plot;"
        " const box = plot.holder.getBoundingClientRect();"
        " const [x, y] = plot.screenPositions()[7]; return [box.left + x, box.top + y]; }"
    )
    page.mouse.move(place[0] + 40, place[1])
    page.mouse.move(place[0], place[1], steps=4)
    expect(page.locator("#projector-hover")).not_to_be_empty()
    page.mouse.click(place[0], place[1])
    page.wait_for_url("**/cells/*/")
    expect(page.locator("#look-alikes")).to_contain_text(WORDS[language]["none"])
    assert problems == []
    context.close()


@pytest.mark.parametrize("language", ["en", "es"])
def test_without_webgl_there_are_a_picture_and_the_tables(
    open_page: Callable[..., Page], projection: Projection, language: str
) -> None:
    page = open_page(locale=language)
    page.add_init_script(NO_WEBGL)
    log_in(page, "reviewer")
    page.goto(f"/projector/{projection.pk}/")
    expect(page.locator("#projector-stage")).to_have_attribute("data-shows", "picture")
    picture = page.locator(".projector-picture")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") == 1800
    expect(page.locator("#suspects-heading")).to_contain_text(WORDS[language]["suspects"])
    expect(page.locator(".intrusions tbody tr")).to_have_count(3)
    expect(page.locator("#projector-lasso-on")).to_be_hidden()


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_quick_look_from_drop_to_case(
    open_page: Callable[..., Page],
    laboratory: Laboratory,
    reviewer: User,
    tmp_path: Path,
    language: str,
) -> None:
    import dataclasses

    make_version()
    case: SmearCase = SmearCaseFactory(laboratory=laboratory, created_by=reviewer)
    (tmp_path / "cell.png").write_bytes(picture_bytes(seed=5, size=(80, 80)))
    page = open_page(locale=language)
    log_in(page, "reviewer")
    page.goto("/quick-look/")
    page.set_input_files("#quick-look-files", tmp_path / "cell.png")
    expect(page.locator("#quick-look-chosen")).to_have_text("cell.png")
    page.locator("#quick-look-form [type=submit]").click()
    expect(page.locator("#quick-look-waiting")).to_contain_text(WORDS[language]["waiting"])
    strange = dataclasses.replace(answer("monocyte", 0.99), unfamiliar=True)
    quick_looks.answer_waiting(reader=FakePredictor(reply=lambda picture: strange))
    # The page asks, and shows the answer by itself.
    expect(page.get_by_role("alert").or_(page.locator(".alert-warning"))).to_contain_text(
        WORDS[language]["strange"]
    )
    expect(page.locator("#panel-numbers .pie")).to_be_visible()
    page.get_by_role("tab", name=WORDS[language]["heatmap"]).click()
    heatmap = page.locator("#heatmap")
    expect(heatmap).to_be_visible()
    page.wait_for_function("document.getElementById('heatmap').naturalWidth > 0")
    assert CaseImage.objects.count() == 0
    page.select_option("#id_case", str(case.pk))
    page.get_by_role("button", name=WORDS[language]["add"]).click()
    page.wait_for_url(f"**/cases/{case.pk}/")
    expect(page.locator("#toasts")).to_contain_text(WORDS[language]["added"])
    assert case.images.get().original_name == "cell.png"
    assert QuickLook.objects.count() == 0


def test_leaving_the_page_lets_the_pictures_go(
    open_page: Callable[..., Page], laboratory: Laboratory, reviewer: User, tmp_path: Path
) -> None:
    from datetime import timedelta

    from django.utils import timezone

    make_version()
    (tmp_path / "cell.png").write_bytes(picture_bytes(seed=5))
    page = open_page()
    log_in(page, "reviewer")
    page.goto("/quick-look/")
    page.set_input_files("#quick-look-files", tmp_path / "cell.png")
    page.locator("#quick-look-form [type=submit]").click()
    expect(page.locator("#quick-look-waiting")).to_be_visible()
    page.reload()
    expect(page.locator("#quick-look-waiting")).to_be_visible()
    page.goto("/cases/")
    for _wait in range(40):
        soon = timezone.now() + timedelta(seconds=quick_looks.SECONDS_AFTER_LEAVING + 5)
        if QuickLook.objects.filter(expires_at__lt=soon).exists():
            break
        page.wait_for_timeout(250)
    assert QuickLook.objects.get().expires_at < soon


@pytest.mark.parametrize("language", ["en", "es"])
def test_anybody_reads_about_the_project(
    open_page: Callable[..., Page], live_server: Any, language: str
) -> None:
    page = open_page(locale=language)
    page.goto("/login/")
    page.get_by_role("link", name=WORDS[language]["about"]).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(WORDS[language]["about"])
