"""From the result to a signature, an amendment and the difference, as a reviewer clicks it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import translation
from django.utils.translation import gettext as _
from playwright.sync_api import Page, expect

from cases.models import Laboratory, LaboratorySettings, SmearCase, User
from cases.services.corrections import correct_cell
from tests.accounts_tests.conftest import add_app, code_now
from tests.browser.conftest import log_in
from tests.factories import (
    PASSWORD,
    PatientFactory,
    ReferenceRangeFactory,
    SmearCaseFactory,
    cell_class,
    member,
    named_cell,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


WATCH_BUTTON = """() => {
  const button = document.querySelector("main form [type=submit]");
  button.form.addEventListener("submit", () => setTimeout(() => sessionStorage.setItem(
    "button", `${button.disabled} ${button.getAttribute("aria-busy")}`), 5));
}"""


@pytest.fixture
def case(laboratory: Laboratory, reviewer: User) -> SmearCase:
    """A case the model has read, with one doubtful cell."""
    patient = PatientFactory(laboratory=laboratory, identifier="HC-9")
    case: SmearCase = SmearCaseFactory(
        laboratory=laboratory, patient=patient, accession_number="26-9", created_by=reviewer,
        status="in_review",
    )  # fmt: skip
    for code, number in (("neutrophil", 6), ("lymphocyte", 3), ("erythroblast", 1)):
        for _number in range(number):
            named_cell(case, code, model_label=cell_class(code))
    named_cell(case, "monocyte", model_label=cell_class("monocyte"), review_state="needs_review")
    ReferenceRangeFactory(laboratory=laboratory, percent_low=1, percent_high=20)
    return case


@pytest.mark.parametrize("language", ["en", "es"])
def test_sign_freeze_amend_and_compare(
    open_page: Callable[..., Page], case: SmearCase, reviewer: User, language: str
) -> None:
    page = open_page(locale=language)
    log_in(page, "reviewer")
    with translation.override(language):
        page.goto(f"/cases/{case.pk}/result/")
        expect(page.locator("[data-flag=high]")).to_have_text(_("high"))
        page.fill("[name=analyser_wbc]", "9,9" if language == "es" else "9.9")
        page.get_by_role("button", name=_("Enter")).click()
        # 9.9 with one erythroblast beside ten leukocytes: 9.9 * 100 / 110.
        expect(page.locator("[data-white-cells]")).to_have_text(
            "9,00" if language == "es" else "9.00"
        )
        page.get_by_text(_("Add a finding")).click()
        page.fill("[name=text]", "Plasmocito")
        beside = case.cells.order_by("number").values_list("number", flat=True)[0]
        page.fill("[name=cell]", str(beside))
        page.get_by_role("button", name=_("Record")).click()
        expect(page.get_by_text("Plasmocito")).to_be_visible()

        # The doubtful cell stands in the way, with a link that leads to it.
        page.get_by_role("link", name=_("Sign"), exact=True).click()
        expect(page.locator("[data-obstacles] li")).to_have_count(1)
        expect(page.locator("[name=password]")).to_have_count(0)
        page.locator("[data-obstacles] a").click()
        page.wait_for_url("**/?review=1")
        doubtful = case.cells.get(review_state="needs_review")
        correct_cell(cell_id=doubtful.pk, user=reviewer, to_class="monocyte")

        # The laboratory may want every cell looked at; the link leads to those that nobody has.
        rules = LaboratorySettings.objects.create(
            laboratory=case.laboratory, require_all_reviewed=True
        )
        page.goto(f"/cases/{case.pk}/sign/")
        expect(page.locator("[data-obstacles] li")).to_contain_text("10")
        page.locator("[data-obstacles] a").click()
        page.wait_for_url("**/?show=unreviewed")
        expect(page.locator("#gallery-show")).to_have_value("unreviewed")
        expect(page.locator("#gallery [role=option]")).to_have_count(10)
        page.keyboard.press("/")
        page.keyboard.type("neutrofilo" if language == "es" else "neutrophil")
        expect(page.locator("#gallery [role=option]")).to_have_count(6)
        rules.delete()

        page.goto(f"/cases/{case.pk}/sign/")
        page.fill("[name=password]", "not my password")
        page.get_by_role("button", name=_("Sign"), exact=True).click()
        expect(page.locator(".field-error")).to_be_visible()
        page.fill("[name=comment]", "Primera")
        page.fill("[name=password]", PASSWORD)
        page.get_by_role("button", name=_("Sign"), exact=True).click()
        page.wait_for_url("**/versions/1/")
        expect(page.locator("tr[data-class=neutrophil] [data-count]")).to_have_text("6")
        expect(page.get_by_text("Primera")).to_be_visible()
        expect(page.locator("main")).to_contain_text(_("cell %(number)s") % {"number": beside})
        expect(page.locator(".facts")).to_contain_text(_("password"))

        # Frozen: neither the case page nor the result page offers a change.
        page.goto(f"/cases/{case.pk}/result/")
        expect(page.locator("[name=analyser_wbc]")).to_have_count(0)
        page.goto(f"/cases/{case.pk}/")
        expect(page.locator("[data-reclassify]")).to_have_count(0)

        page.get_by_role("link", name=_("Amend"), exact=True).click()
        page.fill("[name=reason]", "Otra mirada")
        page.get_by_role("button", name=_("Open again")).click()
        page.wait_for_url(f"**/cases/{case.pk}/")
        cell = case.cells.filter(label__code="neutrophil").first()
        assert cell is not None
        correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
        # This time with the second factor, as the app shows its codes.
        add_app(reviewer)
        page.goto(f"/cases/{case.pk}/sign/")
        page.fill("[name=password]", "000000")
        page.get_by_role("button", name=_("Sign"), exact=True).click()
        expect(page.locator(".field-error")).to_have_text(
            _("This is neither your password nor a current code; nothing was changed. Try again.")
        )
        code = code_now()
        page.fill("[name=password]", f"{code[:3]} {code[3:]}")
        # While the server works the button says so, and a second press does nothing.
        page.evaluate(WATCH_BUTTON)
        page.get_by_role("button", name=_("Sign"), exact=True).click()
        page.wait_for_url("**/versions/2/")
        assert page.evaluate("sessionStorage.getItem('button')") == "true true"
        expect(page.locator("tr[data-class=neutrophil] [data-count]")).to_have_text("5")
        expect(page.locator(".facts")).to_contain_text(_("second factor"))

        page.goto(f"/cases/{case.pk}/versions/1/")
        expect(page.locator("tr[data-class=neutrophil] [data-count]")).to_have_text("6")
        page.get_by_role("link", name=_("What changed since")).click()
        expect(page.get_by_text("Otra mirada")).to_be_visible()
        changed = page.locator("[data-classes] tr.changed")
        expect(changed).to_have_count(2)
        expect(page.locator("[data-cells] tbody tr")).to_have_count(1)
        names = [_("Neutrophil"), _("Monocyte")] if language == "en" else ["Neutrófilo", "Monocito"]
        for name in names:
            expect(page.locator("[data-cells] tbody tr")).to_contain_text(name)


def test_an_administrator_sets_a_range(
    open_page: Callable[..., Page], laboratory: Laboratory
) -> None:
    member(laboratory, "administrator", username="ada")
    page = open_page()
    log_in(page, "ada")
    page.goto(f"/laboratories/{laboratory.pk}/settings/")
    page.get_by_role("link", name="Add a range").click()
    page.select_option("[name=cell_class]", "lymphocyte")
    page.fill("[name=percent_low]", "50")
    page.fill("[name=percent_high]", "20")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The lowest value is above the highest one.")).to_be_visible()
    page.fill("[name=percent_low]", "20.5")
    page.fill("[name=percent_high]", "45")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("table")).to_contain_text("20.5 – 45")
