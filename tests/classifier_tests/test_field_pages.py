"""Pages of fields: who sees what, the rows the viewer reads, trying again, correcting the kind."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cases.models import CaseImage, Cell, Detection, Role, SmearCase
from cases.services.fields import remove_detection
from classifier.field_pages import boxes
from classifier.models import TilePyramid
from tests.factories import (
    CellFactory,
    LaboratoryFactory,
    LaboratorySettingsFactory,
    SmearCaseFactory,
    member,
)
from tests.field_rows import FOUND, RED, WHITE, field_of, unsearched_field

if TYPE_CHECKING:
    from cases.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def case() -> SmearCase:
    return SmearCaseFactory(laboratory=LaboratoryFactory())


@pytest.fixture
def field(case: SmearCase) -> CaseImage:
    """As a counting chamber's rule has it: what the right and lower edges cut does not count."""
    LaboratorySettingsFactory(laboratory=case.laboratory, border_rule="left_top")
    return field_of(case)


@pytest.fixture
def reviewer(case: SmearCase) -> User:
    return member(case.laboratory, Role.REVIEWER)


@pytest.fixture
def reader(client: Client, reviewer: User) -> Client:
    client.force_login(reviewer)
    return client


def rows_of(client: Client, image: CaseImage, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/cases/{image.case_id}/fields/{image.number}/boxes/", query)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_all_boxes_come_as_compact_rows(reader: Client, field: CaseImage) -> None:
    answer = rows_of(reader, field)
    assert answer["total"] == len(answer["boxes"]) == len(FOUND)
    assert not answer["partial"]
    assert answer["may"]
    first = Detection.objects.get(image=field, number=1)
    cell = first.cell
    assert cell is not None
    assert answer["boxes"][0] == [
        first.pk, 1, 0, *FOUND[0][1], 0, 0, 0, 0, 0,
        [cell.pk, cell.number, cell.label.order, 1, 0, 0.9],
    ]  # fmt: skip
    by_number = {row[1]: row for row in answer["boxes"]}
    assert by_number[2][7] == boxes.EXCLUSIONS.index("border")  # cut by the right edge
    assert by_number[2][9] == 4
    assert by_number[3][9] == 1
    assert by_number[5][2] == 2
    assert by_number[5][12] == 0  # a red cell is no cell of the case


def test_switches_count_classes_kinds_and_what_does_not_count(
    reader: Client, field: CaseImage
) -> None:
    neutrophil, platelet = (
        Cell.objects.filter(image=field, label__code=code).first().label.order  # type: ignore[union-attr]
        for code in ("neutrophil", "platelet")
    )
    assert rows_of(reader, field)["groups"] == [
        [str(neutrophil), 2],
        [str(platelet), 1],
        ["red_cell", 5],
        ["excluded", 2],
    ]


def test_only_what_changed_is_sent_again(reader: Client, field: CaseImage, reviewer: User) -> None:
    known = rows_of(reader, field)["revision"]
    again = rows_of(reader, field, since=known)
    assert (again["unchanged"], again["boxes"]) == (True, [])
    row = Detection.objects.get(image=field, number=5)
    remove_detection(user=reviewer, detection=row, version=row.version)
    changed = rows_of(reader, field, since=known)
    assert [each[1] for each in changed["boxes"]] == [5]
    assert changed["boxes"][0][7] == boxes.EXCLUSIONS.index("removed")
    assert changed["total"] == len(FOUND)


def test_very_many_boxes_come_by_what_is_in_sight(
    reader: Client, field: CaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "MOST_BOXES", 6)
    first = rows_of(reader, field)
    assert first["partial"]
    assert len(first["boxes"]) == 6
    # White cells and platelets are shown before red ones when not all can be.
    assert {row[2] for row in first["boxes"][:4]} == {0, 1}
    seen = rows_of(reader, field, rectangle="0,110,80,310")
    assert sorted(row[1] for row in seen["boxes"]) == [3, 5]
    assert seen["total"] == len(FOUND)
    for wrong in ("1,2,3", "a,b,c,d", "1,2,3,99999999999"):
        answer = reader.get(
            f"/cases/{field.case_id}/fields/{field.number}/boxes/",
            {"rectangle": wrong},
            headers={"Accept": "application/json"},
        )
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_rectangle"


def test_the_dialog_asks_for_one_kind(reader: Client, field: CaseImage) -> None:
    assert {row[2] for row in rows_of(reader, field, kind=WHITE)["boxes"]} == {0}


def test_questions_do_not_grow_with_the_cells(reader: Client, case: SmearCase) -> None:
    small, large = field_of(case, FOUND[:1]), field_of(case, FOUND * 8)
    counted = []
    for image in (small, large):
        for address in ("", "boxes/"):
            with CaptureQueriesContext(connection) as queries:
                reader.get(f"/cases/{case.pk}/fields/{image.number}/{address}")
            counted.append(len(queries))
    assert counted[:2] == counted[2:]
    reader.get(f"/cases/{case.pk}/fields/")
    with CaptureQueriesContext(connection) as two:
        reader.get(f"/cases/{case.pk}/fields/")
    for _ in range(4):
        field_of(case)
    with CaptureQueriesContext(connection) as six:
        answer = reader.get(f"/cases/{case.pk}/fields/")
    assert len(two) == len(six)
    assert answer.content.count(b'class="field-card-link"') == 6


def test_the_page_opens_on_the_cell_of_the_address(reader: Client, field: CaseImage) -> None:
    place = f"/cases/{field.case_id}/fields/{field.number}/"
    row = Detection.objects.get(image=field, number=4)
    assert row.cell is not None
    for query, chosen in (
        (f"?cell={row.cell.number}", row.pk),
        ("?box=4", row.pk),
        ("?cell=999", None),
        ("?cell=x", None),
    ):
        page = reader.get(place + query).content.decode()
        data = page.split('id="field-data" type="application/json">')[1].split("</script>")[0]
        assert json.loads(data)["chosen"] == chosen


def test_progress_and_failures_are_told(reader: Client, case: SmearCase) -> None:
    image = unsearched_field(case, state="processing", search_progress=40)
    assert rows_of(reader, image)["state"] == {
        "search": {"state": "processing", "progress": 40},
        "picture": {"state": "done", "progress": 100},
    }
    CaseImage.objects.filter(pk=image.pk).update(
        state="failed", failure_code="worker_died", width=4000, height=2000
    )
    pyramid = TilePyramid.objects.create(
        image=image, folder="cases/x", tiles_total=50, tiles_done=10, state="processing"
    )
    state = rows_of(reader, image)["state"]
    assert state["search"]["state"] == "failed"
    assert "worker stopped" in state["search"]["failure"]
    assert (state["picture"]["state"], state["picture"]["progress"]) == ("processing", 20)
    TilePyramid.objects.update(state="failed", failure_code="undecodable")
    retry = f"/cases/{case.pk}/fields/{image.number}/retry/"
    assert reader.post(retry).status_code == 302
    pyramid.refresh_from_db()
    image.refresh_from_db()
    assert (pyramid.state, pyramid.failure_code) == ("queued", "")
    assert (image.state, image.failure_code) == ("queued", "")


def test_the_kind_of_an_image_can_be_corrected_both_ways(reader: Client, case: SmearCase) -> None:
    cell = CellFactory(case=case)
    answer = reader.get(f"/cells/{cell.pk}/")
    assert f"/images/{cell.image_id}/kind/".encode() in answer.content
    to_field = reader.post(f"/images/{cell.image_id}/kind/", {"kind": "field"})
    assert to_field.status_code == 302
    assert to_field["Location"] == f"/cases/{case.pk}/fields/{cell.image.number}/"
    assert reader.get(to_field["Location"]).status_code == 200
    assert Cell.objects.get(pk=cell.pk).excluded == "other_kind"
    back = reader.post(f"/images/{cell.image_id}/kind/", {"kind": "single_cell"})
    assert back["Location"] == f"/cases/{case.pk}/fields/"
    assert Cell.objects.get(pk=cell.pk).excluded == ""
    assert reader.post(f"/images/{cell.image_id}/kind/", {"kind": "star"}).status_code == 400


def test_a_signed_case_is_read_only(reader: Client, field: CaseImage) -> None:
    place = f"/cases/{field.case_id}/fields/{field.number}/"
    assert b'data-command="draw"' in reader.get(place).content
    SmearCase.objects.filter(pk=field.case_id).update(status="signed_off")
    page = reader.get(place).content
    assert b'data-command="draw"' not in page
    assert b'data-command="remove"' not in page
    assert not rows_of(reader, field)["may"]
    technician = member(field.case.laboratory)
    SmearCase.objects.filter(pk=field.case_id).update(status="in_review")
    reader.force_login(technician)
    assert b'data-command="draw"' not in reader.get(place).content


def test_a_case_of_fields_without_cells_leads_to_them(reader: Client, case: SmearCase) -> None:
    assert "No images yet" in reader.get(f"/cases/{case.pk}/").content.decode()
    unsearched_field(case)
    page = reader.get(f"/cases/{case.pk}/").content.decode()
    assert "No images yet" not in page
    assert f'href="/cases/{case.pk}/fields/"' in page


def test_no_field_no_page(reader: Client, case: SmearCase, field: CaseImage) -> None:
    single = CellFactory(case=case, image__number=90).image  # its cell has the same number
    assert reader.get(f"/cases/{case.pk}/fields/{single.number}/").status_code == 404
    assert reader.get(f"/cases/{case.pk}/fields/99/").status_code == 404
    empty = SmearCaseFactory(laboratory=case.laboratory)
    assert "No fields yet" in reader.get(f"/cases/{empty.pk}/fields/").content.decode()
    reds = Detection.objects.filter(image=field, kind=RED, excluded="").count()
    listed = reader.get(f"/cases/{case.pk}/fields/").content.decode()
    counts = listed.split('class="field-card-counts"')[1].split("</dl>")[0]
    assert re.findall(r"<dd>\s*(\d+)", counts) == ["2", str(reds), "1"]
