"""The result page, signing, amending, versions and their differences, through the test client."""

from __future__ import annotations

import html
from datetime import date
from typing import Any

import pytest
from django.urls import reverse
from django.utils import translation

from cases.models import Cell, Finding, SignOff, SmearCase, User
from cases.services.corrections import correct_cell
from cases.services.signing import amend_case, sign_case
from tests.cases_tests.pages import HTMX, logged_in, text_of
from tests.factories import (
    PASSWORD,
    CaseImageFactory,
    LaboratorySettingsFactory,
    ReferenceRangeFactory,
    cell_class,
    member,
    named_cell,
)
from tests.field_rows import field_of, unsearched_field

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(case: SmearCase) -> SmearCase:
    """The case as the model left it, nothing to review."""
    for code, number in (("neutrophil", 6), ("lymphocyte", 3), ("erythroblast", 1)):
        for _ in range(number):
            named_cell(case, code, model_label=cell_class(code))
    SmearCase.objects.filter(pk=case.pk).update(status="in_review")
    return case


def test_the_result_page_says_everything(reviewer: User, read: SmearCase) -> None:
    ReferenceRangeFactory(laboratory=read.laboratory, percent_low=1, percent_high=20, source="x")
    ReferenceRangeFactory(
        laboratory=read.laboratory, cell_class=cell_class("lymphocyte"), percent_low=20,
        percent_high=45, absolute_high=4,
    )  # fmt: skip
    SmearCase.objects.filter(pk=read.pk).update(analyser_wbc=9)
    cell = read.cells.filter(label__code="lymphocyte").first()
    assert cell is not None
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="neutrophil")
    page = logged_in(reviewer).get(reverse("case_result", args=[read.pk]))
    words = text_of(page)
    assert "limited: 9 of 100 leukocytes" in words
    assert "7 77.8 40.0 – 97.2" in words  # neutrophils of nine leukocytes
    assert "6 · 66.7 % 29.9 – 92.5" in words  # before review
    assert "8.10" in words  # 9 corrected for 11.1 nRBC per 100 WBC
    assert "corrected for nRBC" in words
    assert 'data-flag="high"' in page.content.decode()
    assert "more leukocytes to settle" in words
    assert "11.1 /100 WBC" in words


def test_what_keeps_a_range_from_being_applied_is_said(reviewer: User, read: SmearCase) -> None:
    page = logged_in(reviewer).get(reverse("case_result", args=[read.pk]))
    assert "The laboratory keeps no reference ranges" in text_of(page)
    ReferenceRangeFactory(laboratory=read.laboratory, sex="male", age_from=18, percent_high=70)
    page = logged_in(reviewer).get(reverse("case_result", args=[read.pk]))
    words = html.unescape(text_of(page))
    assert "the patient's sex is not known; the patient's birth date is not known" in words


def test_the_white_cell_count_is_entered_in_the_readers_notation(
    technician: User, read: SmearCase
) -> None:
    client = logged_in(technician)
    address = reverse("case_white_cells", args=[read.pk])
    client.cookies["django_language"] = "es"
    assert client.post(address, {"analyser_wbc": "7,25"}).status_code == 302
    read.refresh_from_db()
    assert (float(read.analyser_wbc or 0), read.analyser_wbc_by) == (7.25, technician)
    for wrong in ("-1", "0", "many", "10000", "1.23456", "NaN", "1e9"):
        answer = client.post(address, {"analyser_wbc": wrong})
        assert answer.status_code == 400, wrong
        assert "field-error" in answer.content.decode()
    assert client.post(address, {"analyser_wbc": ""}).status_code == 302
    read.refresh_from_db()
    assert read.analyser_wbc is None
    SmearCase.objects.filter(pk=read.pk).update(status="signed_off")
    frozen = client.post(address, {"analyser_wbc": "5"})
    assert frozen.status_code == 400
    read.refresh_from_db()
    assert read.analyser_wbc is None


def test_findings_enter_no_count_and_are_withdrawn(reviewer: User, read: SmearCase) -> None:
    client = logged_in(reviewer)
    image = CaseImageFactory(case=read, number=500)
    elsewhere = CaseImageFactory(number=501)
    before = text_of(client.get(reverse("case_result", args=[read.pk])))
    address = reverse("finding_add", args=[read.pk])
    for wrong in ({}, {"cell_class": "dragon"}, {"text": "x", "image": elsewhere.number},
                  {"text": "x", "cell": 4000}, {"text": "x" * 501}):  # fmt: skip
        assert client.post(address, wrong).status_code == 400, wrong
    assert not Finding.objects.exists()
    sent = {"cell_class": "blast", "text": "At the edge", "image": image.number}
    assert client.post(address, sent).status_code == 302
    finding = Finding.objects.get()
    assert (finding.cell_class, finding.image, finding.made_by) == (
        cell_class("blast"), image, reviewer,
    )  # fmt: skip
    words = text_of(client.get(reverse("case_result", args=[read.pk])))
    assert "Blast · At the edge" in words
    assert words.count("66.7") == before.count("66.7")
    assert client.post(reverse("finding_withdraw", args=[finding.pk])).status_code == 302
    finding.refresh_from_db()
    assert finding.withdrawn_by == reviewer
    assert client.post(reverse("finding_withdraw", args=[finding.pk])).status_code == 409
    assert "At the edge" not in text_of(client.get(reverse("case_result", args=[read.pk])))


def test_what_is_left_to_do_leads_to_the_cells(reviewer: User, read: SmearCase) -> None:
    named_cell(read, "monocyte", review_state="needs_review")
    client = logged_in(reviewer)
    page = client.get(reverse("case_sign", args=[read.pk]))
    assert "1 cell needs review. Confirm or correct it." in text_of(page)
    assert f"/cases/{read.pk}/?review=1" in page.content.decode()
    assert "Your password" not in text_of(page)
    sent = {"password": PASSWORD, "seen": "whatever"}
    assert client.post(reverse("case_sign", args=[read.pk]), sent).status_code == 409
    assert not SignOff.objects.exists()


@pytest.mark.parametrize(
    ("state", "words"),
    [("queued", "1 field is still searched for cells."), ("failed", "1 field could not be")],
)
def test_a_field_in_the_way_is_led_to(
    reviewer: User, read: SmearCase, state: str, words: str
) -> None:
    image = unsearched_field(read, state=state)
    client = logged_in(reviewer)
    page = client.get(reverse("case_sign", args=[read.pk]))
    assert words in text_of(page)
    field = reverse("field", args=[read.pk, image.number])
    assert f'<a href="{field}">Field {image.number}</a>' in page.content.decode()
    assert client.get(field).status_code == 200
    assert "All fields" not in text_of(page)
    for _ in range(10):
        unsearched_field(read, state=state)
    page = client.get(reverse("case_sign", args=[read.pk]))
    assert text_of(page).count(" Field ") == 10
    assert f'<a href="{reverse("field_list", args=[read.pk])}">All fields</a>' in (
        page.content.decode()
    )


def test_a_version_differs_in_flags_fields_and_patient(reviewer: User, read: SmearCase) -> None:
    """What counts is the whole document: each part that changed is told, and only that."""
    limits = ReferenceRangeFactory(
        laboratory=read.laboratory, percent_low=None, percent_high=20, sex="male"
    )
    field_of(read)
    waiting = read.cells.filter(label=None, excluded="")
    for cell in waiting:
        correct_cell(cell_id=cell.pk, user=reviewer, to_class="lymphocyte")
    Cell.objects.filter(case=read).update(state="done", review_state="confirmed")
    first = sign_case(case_id=read.pk, user=reviewer, password=PASSWORD)
    assert first.snapshot["not_applied"] == ["sex_unknown"]
    amend_case(case_id=read.pk, user=reviewer, reason="The patient's data were missing.")
    address = reverse("case_version_diff", args=[read.pk, 1])
    client = logged_in(reviewer)
    same = client.get(address)
    assert "Patient, specimen and rules" not in text_of(same)
    assert 'class="changed"' not in same.content.decode()

    read.patient.sex, read.patient.birth_date = "male", date(1961, 4, 2)
    read.patient.save()
    limits.percent_low = 19
    limits.save()
    LaboratorySettingsFactory(laboratory=read.laboratory, platelet_factor=15000)
    platelet = read.images.get(kind="field").detections.get(kind="platelet")
    correct_cell(cell_id=platelet.cell_id, user=reviewer, to_class="artefact")
    second = sign_case(case_id=read.pk, user=reviewer, password=PASSWORD)
    flags = {each["code"]: each["percent_flag"] for each in second.snapshot["classes"]}
    assert flags["neutrophil"]["standing"] == "high"
    page = client.get(address)
    words = html.unescape(text_of(page))
    assert "Sex unknown male" in words
    assert "Birth date – 2 Apr 1961" in words
    assert "What some reference ranges lacked the patient's sex is not known –" in words
    assert "Platelets per microlitre for each platelet in a field – 15000" in words
    neutrophil = page.content.decode().split('data-class="neutrophil"')[1].split("</tr>")[0]
    assert 'class="changed"' in neutrophil
    assert neutrophil.count('data-flag="high"') == 1
    estimate = page.content.decode().split('data-kind="estimate"')[1].split("</tr>")[0]
    assert "15.0 (0.4 – 83.6)" in estimate
    with translation.override("es"):
        client.cookies["django_language"] = "es"
        spanish = html.unescape(text_of(client.get(address)))
    assert "Sexo desconocido masculino" in spanish
    assert "alto" in spanish


def test_sign_amend_sign_and_read_every_version(reviewer: User, read: SmearCase) -> None:
    client = logged_in(reviewer)
    address = reverse("case_sign", args=[read.pk])
    seen = client.get(address).context["state"].seen
    wrong = client.post(address, {"password": "not mine", "comment": "Kept.", "seen": seen})
    assert wrong.status_code == 403
    assert "This is not your password" in text_of(wrong)
    assert "Kept." in wrong.content.decode()
    assert "not mine" not in wrong.content.decode()
    done = client.post(address, {"password": PASSWORD, "comment": "First.", "seen": seen})
    assert done["Location"] == reverse("case_version", args=[read.pk, 1])
    words = text_of(client.get(done["Location"]))
    assert "First." in words
    assert "6 66.7 29.9 – 92.5" in words
    again = client.post(address, {"password": PASSWORD, "seen": seen})
    assert again.status_code == 409
    assert client.get(address).status_code == 302

    amend = reverse("case_amend", args=[read.pk])
    empty = client.post(amend, {"reason": " ", "version": 1})
    assert empty.status_code == 400
    assert client.post(amend, {"reason": "One was a monocyte.", "version": 1}).status_code == 302
    assert client.post(amend, {"reason": "Again.", "version": 1}).status_code == 409
    cell = read.cells.filter(label__code="neutrophil").first()
    assert cell is not None
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    pending = text_of(client.get(reverse("case_version_diff", args=[read.pk, 1])))
    assert "from version 1 to the present state" in pending
    sign_case(case_id=read.pk, user=reviewer, password=PASSWORD)
    changes = client.get(reverse("case_version_diff", args=[read.pk, 1]))
    words = text_of(changes)
    assert "from version 1 to version 2" in words
    assert "One was a monocyte." in words
    assert "1 cell changed" in words
    assert "Neutrophil · not reviewed Monocyte · corrected" in words
    assert "-1" in words
    assert "+1" in words
    first = text_of(client.get(reverse("case_version", args=[read.pk, 1])))
    assert "This version was amended. One was a monocyte." in first
    assert "6 66.7" in first
    assert "5 55.6" in text_of(client.get(reverse("case_version", args=[read.pk, 2])))
    for missing in ("?against=9", "?against=x", "?against=99999999999999999999"):
        gone = client.get(reverse("case_version_diff", args=[read.pk, 1]) + missing)
        assert gone.status_code == 404


def test_a_case_that_changed_is_shown_anew_before_it_is_signed(
    reviewer: User, read: SmearCase
) -> None:
    client = logged_in(reviewer)
    address = reverse("case_sign", args=[read.pk])
    seen = client.get(address).context["state"].seen
    cell = read.cells.filter(label__code="neutrophil").first()
    assert cell is not None
    correct_cell(cell_id=cell.pk, user=reviewer, to_class="monocyte")
    late = client.post(address, {"password": PASSWORD, "seen": seen})
    assert late.status_code == 409
    assert "The case has changed since you looked at it." in text_of(late)
    fresh = late.context["form"]["seen"].value()
    assert client.post(address, {"password": PASSWORD, "seen": fresh}).status_code == 302


def test_a_signed_version_reads_in_spanish(reviewer: User, read: SmearCase) -> None:
    sign_case(case_id=read.pk, user=reviewer, password=PASSWORD)
    client = logged_in(reviewer)
    client.cookies["django_language"] = "es"
    with translation.override("es"):
        words = text_of(client.get(reverse("case_version", args=[read.pk, 1])))
    assert "Neutrófilo" in words
    assert "66,7" in words
    assert "Neutrophil" not in words


def test_pages_cost_the_same_however_many_cells_and_ranges(
    reviewer: User, read: SmearCase, django_assert_max_num_queries: Any
) -> None:
    image = CaseImageFactory(case=read, number=900)
    neutrophil = cell_class("neutrophil")
    Cell.objects.bulk_create(
        Cell(
            case=read, image=image, number=1000 + number, left=0, top=0, width=9, height=9,
            label=neutrophil, model_label=neutrophil, label_source="model", state="done",
        )
        for number in range(250)
    )  # fmt: skip
    for code in ("neutrophil", "lymphocyte", "monocyte", "blast"):
        ReferenceRangeFactory(
            laboratory=read.laboratory, cell_class=cell_class(code), percent_high=50
        )
    client = logged_in(reviewer)
    with django_assert_max_num_queries(16):
        client.get(reverse("case_result", args=[read.pk]))
    with django_assert_max_num_queries(16):
        client.get(reverse("case_result_panel", args=[read.pk]), headers=HTMX)
    with django_assert_max_num_queries(20):
        client.get(reverse("case_sign", args=[read.pk]))
    sign_case(case_id=read.pk, user=reviewer, password=PASSWORD)
    with django_assert_max_num_queries(8):
        page = client.get(reverse("case_version", args=[read.pk, 1]))
    assert "1 to 100 of 260" in text_of(page)
    amend_case(case_id=read.pk, user=reviewer, reason="Again.")
    for cell in read.cells.all()[:3]:
        correct_cell(cell_id=cell.pk, user=reviewer, to_class="basophil")
    with django_assert_max_num_queries(18):
        changes = client.get(reverse("case_version_diff", args=[read.pk, 1]))
    assert "3 cells changed" in text_of(changes)


def test_administrators_set_rules_and_ranges(case: SmearCase) -> None:
    laboratory = case.laboratory
    client = logged_in(member(laboratory, "administrator", username="ada"))
    settings = reverse("laboratory_settings", args=[laboratory.pk])
    assert "There is no reference range yet" in text_of(client.get(settings))
    assert client.post(settings, {"nrbc_threshold": "-1"}).status_code == 400
    assert client.post(settings, {"nrbc_threshold": ""}).status_code == 400
    sent = {"nrbc_threshold": "10", "require_all_reviewed": "on"}
    assert client.post(settings, sent).status_code == 302
    rules = laboratory.settings
    assert (float(rules.nrbc_threshold), rules.require_all_reviewed) == (10, True)
    assert not rules.analyser_excludes_nrbc
    assert rules.updated_by.username == "ada"

    add = reverse("range_add", args=[laboratory.pk])
    form = {
        "cell_class": "neutrophil", "sex": "any",
        "age_from": "18", "age_to": "", "age_unit": "year",
        "percent_low": "40", "percent_high": "75", "absolute_low": "", "absolute_high": "7.5",
        "source": "Own study, 2025",
    }  # fmt: skip
    assert client.post(add, form).status_code == 302
    assert "any, ≥ 18 years" in text_of(client.get(settings))
    wrong = {
        "percent_low": ("80", "The lowest value is above the highest one."),
        "percent_high": ("101", "A percentage of leukocytes cannot be above 100."),
        "age_from": ("30", "Another range of this class covers some of the same patients."),
        "age_to": ("17", "The age from must be below the age to."),
        "cell_class": ("platelet", "Select a valid choice."),
        "absolute_high": ("-2", "A limit cannot be below zero."),
        "age_unit": ("century", "Select a valid choice."),
    }
    for name, (value, message) in wrong.items():
        answer = client.post(add, {**form, name: value})
        assert answer.status_code == 400, name
        assert message in text_of(answer), name
    none = {**form, "percent_low": "", "percent_high": "", "absolute_high": ""}
    assert "Give at least one limit" in text_of(client.post(add, none))
    row = laboratory.reference_ranges.get()
    edit = reverse("range_edit", args=[laboratory.pk, row.pk])
    assert 'value="7.500"' in client.get(edit).content.decode()
    assert client.post(edit, {**form, "percent_high": "70"}).status_code == 302
    row.refresh_from_db()
    assert row.percent_high == 70
    elsewhere = ReferenceRangeFactory(percent_high=3)
    assert client.get(reverse("range_edit", args=[laboratory.pk, elsewhere.pk])).status_code == 404
    remove = reverse("range_delete", args=[laboratory.pk, row.pk])
    assert client.post(remove).status_code == 302
    assert not laboratory.reference_ranges.exists()


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ({}, {}, True),
        ({"sex": "female"}, {"sex": "male"}, False),
        ({"sex": "female"}, {}, True),
        ({"age_to": 18}, {"age_from": 18}, False),
        ({"age_to": 19}, {"age_from": 18}, True),
        ({"age_to": 12, "age_unit": "month"}, {"age_from": 1}, False),
        ({"age_to": 13, "age_unit": "month"}, {"age_from": 1}, True),
        ({"age_to": 28, "age_unit": "day"}, {"age_from": 1, "age_unit": "month"}, False),
        # A month after the first of February is over after 28 days.
        ({"age_to": 29, "age_unit": "day"}, {"age_from": 1, "age_unit": "month"}, True),
        ({"age_to": 365, "age_unit": "day"}, {"age_from": 1}, False),
        ({"age_to": 366, "age_unit": "day"}, {"age_from": 1}, True),
    ],
)
def test_ranges_that_overlap(
    case: SmearCase, first: dict[str, Any], second: dict[str, Any], overlap: bool
) -> None:
    one = ReferenceRangeFactory.build(laboratory=case.laboratory, percent_high=5, **first)
    other = ReferenceRangeFactory.build(laboratory=case.laboratory, percent_high=9, **second)
    assert one.overlaps(other) is overlap
    assert other.overlaps(one) is overlap


def test_unsaved_rules_are_the_defaults(reviewer: User, read: SmearCase) -> None:
    assert "threshold 5 per 100 WBC" not in text_of(
        logged_in(reviewer).get(reverse("case_result", args=[read.pk]))
    )
    SmearCase.objects.filter(pk=read.pk).update(analyser_wbc=9)
    LaboratorySettingsFactory(laboratory=read.laboratory, analyser_excludes_nrbc=True)
    words = text_of(logged_in(reviewer).get(reverse("case_result", args=[read.pk])))
    assert "not corrected: the analyser already excludes nRBC (threshold 5 per 100 WBC)" in words
