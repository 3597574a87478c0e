"""The case page and corrections made on it, through Django's test client."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from cases.models import Cell, SmearCase, User
from cases.services.counts import case_counts
from cases.views.gallery import CELLS_PER_PAGE
from tests.cases_tests.pages import HTMX, logged_in, text_of
from tests.factories import (
    CaseImageFactory,
    CellFactory,
    named_cell,
)

pytestmark = pytest.mark.django_db


def test_the_case_page_shows_the_differential(reviewer: User, case: SmearCase) -> None:
    for code, count in (("neutrophil", 6), ("lymphocyte", 3), ("erythroblast", 1)):
        for _ in range(count):
            named_cell(case, code)
    named_cell(case, "blast", label_source="reviewer")
    answer = logged_in(reviewer).get(reverse("case_detail", args=[case.pk]))
    words = text_of(answer)
    assert "66.7" in words  # neutrophils of nine leukocytes
    assert "limited: 9 of 100 leukocytes" in words
    assert "11.1 /100 WBC" in words
    chart = re.search(r'id="donut-data"[^>]*>(.*?)</script>', answer.content.decode(), re.S)
    assert chart is not None
    assert {each["label"]: each["count"] for each in json.loads(chart[1])} == {
        "Neutrophil": 6,
        "Lymphocyte": 3,
        "Erythroblast": 1,
        "Blast": 1,
    }


def test_the_gallery_begins_with_the_least_certain_and_is_filtered(
    reviewer: User, case: SmearCase
) -> None:
    sure = named_cell(case, "monocyte", confidence=0.99)
    unsure = named_cell(case, "neutrophil", confidence=0.5, review_state="needs_review")
    waiting = CellFactory(case=case)
    client = logged_in(reviewer)
    address = reverse("case_gallery", args=[case.pk])

    def shown(**query: str) -> list[int]:
        page = client.get(address, query, headers=HTMX).content.decode()
        return [int(each) for each in re.findall(r'id="cell-(\d+)"', page)]

    assert shown() == [unsure.pk, sure.pk, waiting.pk]
    assert shown(review="1") == [unsure.pk]
    assert shown(**{"class": "monocyte"}) == [sure.pk]
    assert shown(**{"class": "unnamed"}) == [waiting.pk]
    assert shown(**{"class": "monocyte", "review": "1"}) == []
    assert shown(**{"class": "no-such-class"}) == []
    pushed = client.get(address, {"class": "monocyte"}, headers=HTMX)["HX-Push-Url"]
    assert pushed == f"/cases/{case.pk}/?class=monocyte"


def test_the_case_page_costs_the_same_however_many_cells_there_are(
    reviewer: User, case: SmearCase, django_assert_max_num_queries: Any
) -> None:
    image = CaseImageFactory(case=case)
    first = named_cell(case, "neutrophil", image=image)
    Cell.objects.bulk_create(
        Cell(
            case=case,
            image=image,
            number=first.number + number,
            left=0,
            top=0,
            width=24,
            height=24,
            label=first.label,
            label_source="model",
            state="done",
            confidence=number / 200,
        )
        for number in range(1, 200)
    )
    client = logged_in(reviewer)
    with django_assert_max_num_queries(8):
        answer = client.get(reverse("case_detail", args=[case.pk]))
    assert answer.content.count(b'class="cell-card') == CELLS_PER_PAGE
    assert "1 to 60 of 200" in text_of(answer)


def test_progress_polls_only_while_there_is_something_to_wait_for(
    reviewer: User, case: SmearCase
) -> None:
    cell = CellFactory(case=case)
    client = logged_in(reviewer)
    address = reverse("case_progress", args=[case.pk])
    waiting = client.get(address, {"seen": "0"}, headers=HTMX)
    assert "every 2s" in waiting.content.decode()
    assert "HX-Trigger" not in waiting
    Cell.objects.filter(pk=cell.pk).update(state="done")
    done = client.get(address, {"seen": "0"}, headers=HTMX)
    assert "every 2s" not in done.content.decode()
    assert "cellsChanged" in done["HX-Trigger"]
    assert done.content.decode().count("hx-swap-oob") >= 2


def correct(client: Client, cell: Cell, to_class: str, version: int = 0, **headers: str) -> Any:
    return client.post(
        reverse("cell_correct", args=[cell.pk]),
        {"to_class": to_class, "expected_version": version},
        headers={**HTMX, **headers},
    )


def test_a_correction_brings_the_new_counts_with_it(reviewer: User, case: SmearCase) -> None:
    cell = named_cell(case, "monocyte")
    client = logged_in(reviewer)
    dialog = client.get(reverse("cell_correct", args=[cell.pk]), headers=HTMX)
    assert dialog.content.decode().count('name="to_class"') == 13
    address = f"http://testserver/cases/{case.pk}/?class=monocyte"
    answer = correct(client, cell, "blast", **{"HX-Current-URL": address})
    content = answer.content.decode()
    assert f'id="cell-{cell.pk}"' in content
    assert re.search(r'id="case-counts"[^>]*hx-swap-oob', content)
    assert "?class=monocyte" in content  # the card still leads on within the filter
    assert "cellCorrected" in answer["HX-Trigger"]
    counts = {each.code: each.count for each in case_counts(case=case).classes}
    assert (counts["monocyte"], counts["blast"]) == (0, 1)


def test_who_comes_late_sees_the_present_state(reviewer: User, case: SmearCase) -> None:
    cell = named_cell(case, "monocyte")
    client = logged_in(reviewer)
    correct(client, cell, "smudge")
    late = correct(client, cell, "lymphocyte")
    assert late.status_code == 409
    words = text_of(late)
    assert "Somebody was faster" in words
    assert "Smudge cell" in words
    assert "by rita" in words
    assert 'name="expected_version" value="1"' in re.sub(r"\s+", " ", late.content.decode())
    cell.refresh_from_db()
    assert str(cell.label) == "Smudge cell"


@pytest.mark.parametrize(("to_class", "status"), [("", 400), ("no-such-class", 400)])
def test_an_unusable_correction_is_told(
    reviewer: User, case: SmearCase, to_class: str, status: int
) -> None:
    answer = correct(logged_in(reviewer), named_cell(case, "monocyte"), to_class)
    assert answer.status_code == status
    assert 'role="alert"' in answer.content.decode()


def test_a_technician_does_not_correct(technician: User, case: SmearCase) -> None:
    cell = named_cell(case, "monocyte")
    client = logged_in(technician)
    assert correct(client, cell, "blast").status_code == 403
    assert client.get(reverse("cell_correct", args=[cell.pk])).status_code == 403
    page = client.get(reverse("case_detail", args=[case.pk])).content.decode()
    assert "data-reclassify" not in page


def test_a_partial_sends_somebody_logged_out_to_the_log_in_page(case: SmearCase) -> None:
    answer = Client().get(
        reverse("case_progress", args=[case.pk]),
        headers={**HTMX, "HX-Current-URL": f"http://testserver/cases/{case.pk}/"},
    )
    assert answer["HX-Redirect"] == f"/login/?next=/cases/{case.pk}/"
