"""Every page in both languages, both colour modes and on a phone: no serious finding of axe-core,
nothing wider than the screen, nothing from another host."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cases.models import Cell, Laboratory, SmearCase, User
from cases.services.corrections import correct_cell
from cases.services.fields import remove_detection
from classifier.models import Prediction
from classifier.services import quick_looks
from classifier.services.work import run_pending
from tests.access_world import projection_of
from tests.browser.conftest import log_in, serious_findings
from tests.classifier_tests.fakes import FakePredictor, answer, make_version, no_answer, queue_cells
from tests.factories import PatientFactory, SmearCaseFactory, member, upload
from tests.field_rows import field_of, unsearched_field
from tests.reading_rows import asked_for, case_to_read, cells_of, read

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def case(laboratory: Laboratory, reviewer: User) -> SmearCase:
    """A case with everything: sure, unsure, failed, corrected and waiting cells."""
    make_version()
    patient = PatientFactory(laboratory=laboratory, name="María Fernández López")
    case = SmearCaseFactory(laboratory=laboratory, patient=patient, created_by=reviewer)
    replies = iter(
        [answer("neutrophil", 0.99), answer("monocyte", 0.5), no_answer(), answer("platelet")]
    )
    queue_cells(case, 4)
    run_pending(predictor=FakePredictor(reply=lambda picture: next(replies)))
    corrected = Cell.objects.filter(label__code="neutrophil").get()
    correct_cell(cell_id=corrected.pk, user=reviewer, to_class="blast", comment="Nucleolus.")
    queue_cells(case, 2)
    return case


def pages(case: SmearCase) -> list[str]:
    predicted = Prediction.objects.filter(cell__label__code="blast").get().cell_id
    failed = Cell.objects.failed().get().pk
    empty = SmearCaseFactory(laboratory=case.laboratory)
    return [
        "/cases/",
        "/cases/?q=nothing",
        "/cases/new/",
        f"/cases/{case.pk}/",
        f"/cases/{case.pk}/?review=1",
        f"/cases/{case.pk}/gallery/",
        f"/cases/{empty.pk}/",
        f"/cases/{case.pk}/upload/",
        f"/cases/{case.pk}/report/",
        f"/cases/{case.pk}/verify/0/{'0' * 32}/",
        f"/cells/{predicted}/",
        f"/cells/{failed}/",
        "/models/",
        "/about/project/",
        "/quick-look/",
        quick_look_page(),
        f"/quick-look/{uuid.uuid4()}/",
        "/projector/",
        f"/projector/{projection_of(case, None).pk}/",
        "/cases/987654/",
        "/work/",
        "/work/?whose=mine",
        f"/cases/{case.pk}/assignment/",
        f"/cases/{case.pk}/readings/",
        *reading_pages(case),
        *field_pages(case),
    ]


def field_pages(case: SmearCase) -> list[str]:
    """The list of fields, a field with a chosen cell, and one that is still searched."""
    with_fields = SmearCaseFactory(laboratory=case.laboratory, created_by=case.created_by)
    field = field_of(with_fields)
    removed = field.detections.get(number=5)
    remove_detection(user=case.created_by, detection=removed, version=removed.version)
    waiting = unsearched_field(with_fields, state="processing", search_progress=40)
    place = f"/cases/{with_fields.pk}/fields/"
    empty = SmearCaseFactory(laboratory=case.laboratory)
    return [
        place,
        f"/cases/{empty.pk}/fields/",
        f"{place}{field.number}/",
        f"{place}{field.number}/?box=1",
        f"{place}{waiting.number}/",
        f"/cases/{with_fields.pk}/result/",
    ]


def quick_look_page() -> str:
    """An answered quick look of the reader: a familiar picture and a strange one."""
    look, _refused = quick_looks.start_quick_look(
        user=User.objects.get(username="reviewer"), files=[upload(seed=1), upload(seed=2)]
    )
    strange = dataclasses.replace(answer("platelet"), unfamiliar=True)
    replies = iter([answer("monocyte", 0.6), strange])
    quick_looks.answer_waiting(reader=FakePredictor(reply=lambda picture: next(replies)))
    assert look is not None
    return f"/quick-look/{look.pk}/"


def reading_pages(case: SmearCase) -> list[str]:
    """A reading of the reviewer's own, and two readings that differ, for them to adjudicate."""
    laboratory, reviewer = case.laboratory, case.created_by
    people = [
        member(laboratory, "administrator", first_name="Adela"),
        member(laboratory, "reviewer"),
    ]
    to_read = case_to_read(SmearCaseFactory(laboratory=laboratory), 2)
    asked = asked_for(to_read, people[0], (reviewer, people[1]))
    own = asked.readings.get(reader=reviewer)
    to_compare = case_to_read(SmearCaseFactory(laboratory=laboratory), 6)
    compared = asked_for(to_compare, reviewer, (people[0], people[1]))
    first, second = compared.readings.order_by("number")
    read(first, {cells_of(first)[0].cell_id: "blast"})
    read(second)
    return [f"/readings/{own.pk}/", f"/cases/{to_read.pk}/", f"/double-readings/{compared.pk}/"]


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1440), ("es", "dark", 390)]
)
def test_pages_are_accessible_and_fit(
    open_page: Callable[..., Page],
    live_server: Any,
    case: SmearCase,
    language: str,
    scheme: str,
    width: int,
) -> None:
    page = open_page(width=width, height=844, color_scheme=scheme, locale=language)
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto("/login/")
    findings = {"/login/": serious_findings(page)}
    wide = []
    log_in(page, "reviewer")
    for address in pages(case):
        page.goto(address)
        page.wait_for_load_state("load")
        findings[address] = serious_findings(page)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(address)
        assert page.evaluate("document.documentElement.lang") == language
        assert page.evaluate("document.documentElement.dataset.bsTheme") == scheme
    page.goto(f"/cases/{case.pk}/gallery/")
    page.locator("[data-reclassify]").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    findings["reclassify dialog"] = serious_findings(page)
    page.goto(f"/cases/{case.pk}/")
    expect(page.locator("#inspector .viewer")).to_be_visible()
    findings["inspector"] = serious_findings(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    findings["keys"] = serious_findings(page)
    page.keyboard.press("Escape")
    page.locator("#gallery").focus()
    page.keyboard.press("Shift+F10")
    expect(page.get_by_role("menu")).to_be_visible()
    findings["menu"] = serious_findings(page)
    assert {address: found for address, found in findings.items() if found} == {}
    assert wide == []
    assert [url for url in elsewhere if not url.startswith(live_server.url)] == []
    assert [text for text in refused if "Content Security Policy" in text] == []


def test_pages_of_libraries_keep_to_the_policy(
    open_page: Callable[..., Page], case: SmearCase, laboratory: Laboratory
) -> None:
    """Django's admin with its widgets, and the API's description."""
    member(laboratory, "administrator", username="root", is_staff=True, is_superuser=True)
    page = open_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    log_in(page, "root")
    page.goto("/api/v1/docs/")
    expect(page.locator(".swagger-ui .opblock").first).to_be_visible()
    page.goto("/admin/cases/smearcase/add/")
    page.locator(".select2-selection").first.click()  # drawn by the admin's own scripts
    expect(page.locator(".select2-results")).to_be_visible()
    page.goto("/admin/cases/smearcase/?status=in_review")
    page.goto("/admin/cases/user/")
    assert [text for text in refused if "Content Security Policy" in text] == []


def test_dark_mode_is_remembered(
    open_page: Callable[..., Page], reviewer: User, live_server: Any
) -> None:
    page = open_page(color_scheme="light")
    log_in(page, "reviewer")
    page.get_by_role("button", name="Dark mode").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_a_slower_reviewer_is_shown_the_present_state(
    open_page: Callable[..., Page], case: SmearCase, laboratory: Laboratory, reviewer: User
) -> None:
    page = open_page()
    log_in(page, "reviewer")
    page.goto(f"/cases/{case.pk}/gallery/")
    cell = Cell.objects.get(label__code="monocyte")
    page.locator(f"#cell-{cell.pk} [data-reclassify]").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="smudge")
    dialog.get_by_text("Lymphocyte", exact=True).click()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Smudge cell")
    expect(dialog.get_by_role("alert")).to_contain_text("reviewer")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).not_to_be_visible()
    cell.refresh_from_db()
    assert str(cell.label) == "Lymphocyte"


def test_a_keyboard_alone_reclassifies(open_page: Callable[..., Page], case: SmearCase) -> None:
    page = open_page()
    log_in(page, "reviewer")
    page.goto(f"/cases/{case.pk}/gallery/")
    cell = Cell.objects.get(label__code="monocyte")
    page.locator(f"#cell-{cell.pk} [data-reclassify]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#to-monocyte")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).not_to_be_visible()
    expect(page.locator(f"#cell-{cell.pk} [data-reclassify]")).to_be_focused()
    cell.refresh_from_db()
    assert cell.label is not None
    assert cell.label.code == "ig"
