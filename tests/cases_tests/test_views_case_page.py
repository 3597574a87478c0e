"""The case page and corrections made on it, through Django's test client."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from cases.models import Cell, CellClass, SmearCase, User
from cases.services.counts import case_counts
from cases.views import workspace
from cases.views.gallery import CELLS_PER_PAGE
from cases.views.workspace import SEED_CELLS
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
    assert workspace_of(answer)["counts"]["leukocytes"] == 9
    # The donut: a ring for each class that was met, as long as its share of the eleven cells.
    dashes = re.findall(r'stroke-dasharray="([\d.]+) ', answer.content.decode())
    assert dashes == ["54.545", "27.273", "9.091", "9.091"]


def workspace_of(answer: Any) -> dict[str, Any]:
    """What the page's scripts start with."""
    data = re.search(r'id="workspace-data"[^>]*>(.*?)</script>', answer.content.decode(), re.S)
    assert data is not None
    found: dict[str, Any] = json.loads(data[1])
    return found


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
    assert pushed == f"/cases/{case.pk}/gallery/?class=monocyte"
    # Without scripts it is a page of its own, and its links lead on within it.
    page = client.get(address, {"class": "monocyte"}).content.decode()
    assert f'action="{address}"' in page
    assert f'id="cell-{sure.pk}"' in page


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
    with django_assert_max_num_queries(14):
        answer = client.get(reverse("case_detail", args=[case.pk]))
    assert len(workspace_of(answer)["seed"]["cells"]) == SEED_CELLS
    with django_assert_max_num_queries(9):
        answer = client.get(reverse("case_gallery", args=[case.pk]))
    assert answer.content.count(b'class="cell-card') == CELLS_PER_PAGE
    assert "1 to 60 of 200" in text_of(answer)


def test_the_stream_of_cells_brings_each_once_in_reading_order(
    reviewer: User, case: SmearCase, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(workspace, "CELLS_PER_ANSWER", 7)
    for number in range(30):
        code = ("monocyte", "neutrophil", "blast")[number % 3]
        named_cell(case, code, confidence=(0.1 + 0.2, 0.9)[number % 2])
    waiting = [CellFactory(case=case) for _ in range(3)]
    client = logged_in(reviewer)
    address = reverse("case_cells", args=[case.pk])
    rows: list[Any] = []
    place: str | None = ""
    while place is not None:
        with django_assert_num_queries(6):  # session, user, memberships, readings, case, cells
            answer = client.get(address, {"from": place}).json()
        rows += answer["cells"]
        place = answer["next"]
    assert len({row[0] for row in rows}) == len(rows) == 33
    # Neutrophils, monocytes, blasts; then what has no name; of each the least certain first.
    assert [row[2] for row in rows] == [1] * 10 + [5] * 10 + [9] * 10 + [0] * 3
    assert [row[0] for row in rows[-3:]] == [cell.pk for cell in waiting]
    for start in (0, 10, 20):
        confidences = [row[5] for row in rows[start : start + 10]]
        assert confidences == sorted(confidences)
    for wrong in ("x", "1:2", "1:nan:2", "-1:0.5:2", "1:0.5:99999999999999999999", "1:inf:1"):
        refused = client.get(address, {"from": wrong}, headers={"Accept": "application/json"})
        assert refused.status_code == 400
        assert refused.json()["code"] == "invalid_place"


def test_the_page_opens_on_what_needs_review_most(reviewer: User, case: SmearCase) -> None:
    doubtful = {"review_state": "needs_review"}
    named_cell(case, "neutrophil", confidence=0.3)
    less = named_cell(case, "monocyte", confidence=0.6, **doubtful)
    more = named_cell(case, "ig", confidence=0.5, **doubtful)
    strange = CellFactory(case=case, confidence=0.9, unfamiliar=True, state="done", **doubtful)
    flagged = named_cell(case, "ig", confidence=0.99, flagged=True, **doubtful)
    page = logged_in(reviewer).get(reverse("case_detail", args=[case.pk]), {"review": "1"})
    seed = workspace_of(page)["seed"]
    assert [row[0] for row in seed["cells"]] == [c.pk for c in (flagged, strange, more, less)]
    assert seed["next"] == ""


def test_every_class_has_keys_of_its_own_and_none_is_a_command() -> None:
    CellClass.objects.create(
        code="hairy", name="Hairy", group="review", color="#000000", order=99, counted=False,
        predicted=False,
    )  # fmt: skip
    keys = workspace.class_keys(list(CellClass.objects.all()))
    every = [key for each in keys.values() for key in each]
    assert len(every) == len(set(every))
    assert not set(every) & set("huf")
    assert all(keys.values())
    assert [keys[code][0] for code in ("neutrophil", "blast", "smudge")] == ["1", "9", "s"]


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
    address = f"http://testserver/cases/{case.pk}/gallery/?class=monocyte"
    answer = correct(client, cell, "blast", **{"HX-Current-URL": address})
    content = answer.content.decode()
    assert f'id="cell-{cell.pk}"' in content
    assert re.search(r'id="gallery-filter"[^>]*hx-swap-oob', content)
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
    page = client.get(reverse("case_gallery", args=[case.pk])).content.decode()
    assert "data-reclassify" not in page
    answer = client.get(reverse("case_detail", args=[case.pk]))
    assert not workspace_of(answer)["mayCorrect"]
    assert b'data-command="confirm"' not in answer.content


def test_a_partial_sends_somebody_logged_out_to_the_log_in_page(case: SmearCase) -> None:
    answer = Client().get(
        reverse("case_progress", args=[case.pk]),
        headers={**HTMX, "HX-Current-URL": f"http://testserver/cases/{case.pk}/"},
    )
    assert answer["HX-Redirect"] == f"/login/?next=/cases/{case.pk}/"
