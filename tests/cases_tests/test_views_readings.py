"""Two readers on pages and through the API."""

from __future__ import annotations

from typing import Any

import pytest

from cases.models import Adjudication, DoubleReading, Laboratory, ReadingLabel, Role, User
from tests.cases_tests.api_client import API, assert_problem, client_of
from tests.cases_tests.pages import HTMX, logged_in, text_of
from tests.factories import member
from tests.reading_rows import asked_for, case_to_read, cells_of, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(laboratory: Laboratory) -> dict[str, User]:
    return {
        name: member(laboratory, Role.REVIEWER, username=name)
        for name in ("asks", "first", "second")
    }


@pytest.fixture
def asked(case: Any, people: dict[str, User]) -> DoubleReading:
    return asked_for(case_to_read(case), people["asks"], (people["first"], people["second"]))


# --- pages ---------------------------------------------------------------------------------------
def test_two_readers_are_asked_on_a_page(case: Any, people: dict[str, User]) -> None:
    case_to_read(case)
    client = logged_in(people["asks"])
    url = f"/cases/{case.pk}/readings/"
    assert "only 4 such cells" in text_of(client.get(url))
    wrong = client.post(url, {"first": people["first"].pk, "second": people["first"].pk})
    assert wrong.status_code == 400
    assert "Choose two different readers." in text_of(wrong)
    assert client.post(url, {"first": people["first"].pk}).status_code == 400
    form = {"first": people["first"].pk, "second": people["second"].pk}
    assert client.post(url, form)["Location"] == url
    again = text_of(client.get(url))
    assert "being read" in again
    assert "No request can be made now" in again
    for name in ("first", "second"):
        work = text_of(logged_in(people[name]).get("/work/"))
        assert "Blinded reading" in work
        assert "0 of 4 named" in work
        answer = logged_in(people[name]).get(f"/cases/{case.pk}/")
        assert answer.status_code == 403
        assert "You read this case blind" in text_of(answer)


def test_a_page_reads_cell_after_cell(asked: DoubleReading, people: dict[str, User]) -> None:
    mine = asked.readings.get(number=1)
    client = logged_in(people["first"])
    url = f"/readings/{mine.pk}/"
    assert "Cell 1 of 4" in text_of(client.get(url))
    answer = client.post(url, {"position": 1, "label": "blast"})
    assert answer["Location"] == f"{url}?cell=2"
    # By a script the next cell comes alone; without asking for one it is the first without a name.
    part = client.post(url, {"position": 3, "label": "ig"}, headers=HTMX)
    assert b"<html" not in part.content
    assert "Cell 4 of 4" in text_of(part)
    assert "Cell 2 of 4" in text_of(client.get(url))
    assert 'aria-pressed="true"' in client.get(f"{url}?cell=1").content.decode()
    assert "Cell 2 of 4" in text_of(client.get(f"{url}?cell=99"))
    assert client.post(url, {"position": 1, "label": "basket"}).status_code == 400
    assert client.post(url, {"position": 9, "label": "ig"}).status_code == 404
    assert client.post(url, {"label": "ig"}).status_code == 400
    photo = client.get(f"{url}cells/2/photo/?size=768")
    assert photo["Content-Type"] == "image/jpeg"
    assert client.get(f"{url}cells/5/photo/").status_code == 404
    refused = client.post(f"{url}finish/")
    assert refused.status_code == 409
    assert "2 cells have no name yet." in text_of(refused)
    for position in (2, 4):
        client.post(url, {"position": position, "label": "ig"})
    assert client.post(f"{url}finish/")["Location"] == "/work/"
    closed = text_of(client.get(url))
    assert "This reading is closed" in closed
    assert client.post(url, {"position": 1, "label": "ig"}).status_code == 409
    assert ReadingLabel.objects.count() == 4


def test_nothing_is_shown_before_both_are_done(
    asked: DoubleReading, people: dict[str, User]
) -> None:
    read(asked.readings.get(number=1))
    words = text_of(logged_in(people["asks"]).get(f"/double-readings/{asked.pk}/"))
    assert "The readings are not both done yet" in words
    assert "Neutrophil" not in words
    assert "0 of 4 named" in words


def test_a_third_adjudicates_on_pages(asked: DoubleReading, people: dict[str, User]) -> None:
    cell = cells_of(asked.readings.get(number=1))[0]
    read(asked.readings.get(number=1), {cell.cell_id: "ig"})
    read(asked.readings.get(number=2), {cell.cell_id: "blast"})
    url = f"/double-readings/{asked.pk}/"
    client = logged_in(people["asks"])
    page = text_of(client.get(url))
    assert "1 cell named differently" in page
    assert "75.0 % 3 of 4 cells" in page
    assert "Limited" in page
    assert "Decide" not in text_of(logged_in(people["first"]).get(url)).split("Cells in dispute")[1]
    form = {"reading_cell": cell.pk, "label": "ig", "expected_version": cell.cell.version}
    assert client.post(f"{url}finish/").status_code == 409
    answer = client.post(f"{url}decide/", form)
    assert answer["Location"] == f"{url}?page=1#dispute-{cell.pk}"
    assert client.post(f"{url}decide/", form).status_code == 409  # the cell is another by now
    assert client.post(f"{url}decide/", {"label": "ig"}).status_code == 400
    assert client.post(f"{url}finish/")["Location"] == url
    assert "finished" in text_of(client.get(url))
    assert Adjudication.objects.get().correction.to_class.code == "ig"


def test_a_request_is_withdrawn_on_a_page(asked: DoubleReading, people: dict[str, User]) -> None:
    client = logged_in(people["asks"])
    assert client.post(f"/double-readings/{asked.pk}/withdraw/").status_code == 302
    assert client.post(f"/double-readings/{asked.pk}/withdraw/").status_code == 409
    assert "withdrawn" in text_of(client.get(f"/double-readings/{asked.pk}/")).lower()
    assert logged_in(people["first"]).get(f"/cases/{asked.case_id}/").status_code == 200


@pytest.mark.parametrize("cells", [3, 60])
def test_pages_ask_as_many_queries_for_many_cells_as_for_few(
    case: Any, people: dict[str, User], cells: int, django_assert_max_num_queries: Any
) -> None:
    case_to_read(case, cells)
    asked = asked_for(case, people["asks"], (people["first"], people["second"]))
    first, second = asked.readings.order_by("number")
    reader, asks = logged_in(people["first"]), logged_in(people["asks"])
    with django_assert_max_num_queries(11):
        reader.get(f"/readings/{first.pk}/")
    other = {each.cell_id: "blast" for each in cells_of(first)}
    read(first)
    read(second, other)
    for client, url, most in (
        (asks, f"/double-readings/{asked.pk}/", 18),
        (asks, f"/cases/{case.pk}/readings/", 16),
        (client_of(people["asks"]), f"{API}/double-readings/{asked.pk}/comparison/", 12),
        (client_of(people["asks"]), f"{API}/double-readings/{asked.pk}/cells/", 14),
        (client_of(people["first"]), f"{API}/readings/{first.pk}/cells/", 8),
    ):
        with django_assert_max_num_queries(most):
            assert client.get(url).status_code == 200


# --- the API -------------------------------------------------------------------------------------
def test_the_whole_road_through_the_api(case: Any, people: dict[str, User]) -> None:
    case_to_read(case)
    asks = client_of(people["asks"])
    url = f"{API}/cases/{case.pk}/double-readings/"
    assert_problem(asks.post(url, {"readers": ["first"]}, format="json"), 400)
    assert_problem(asks.post(url, {"readers": ["first", "nobody"]}, format="json"), 400)
    body = {"readers": ["first", "second"]}
    made = asks.post(url, body, format="json")
    assert made.status_code == 201, made.content
    assert_problem(asks.post(url, body, format="json"), 409, "double_reading_under_way")
    (listed,) = asks.get(url).json()["results"]
    assert [each["reader"] for each in listed["readings"]] == ["first", "second"]
    where = f"{API}/double-readings/{listed['id']}"

    for name, label in (("first", "ig"), ("second", "blast")):
        client = client_of(people[name])
        (mine,) = client.get(f"{API}/readings/").json()["results"]
        reading = f"{API}/readings/{mine['id']}"
        cells = client.get(f"{reading}/cells/?page_size=3").json()
        assert [each["position"] for each in cells["results"]] == [1, 2, 3]
        assert client.get(cells["results"][0]["photo"])["Content-Type"] == "image/jpeg"
        assert len(client.get(cells["next"]).json()["results"]) == 1
        assert_problem(client.post(f"{reading}/finish/"), 409, "cells_unnamed")
        assert_problem(
            client.post(f"{reading}/labels/", {"position": 1, "label": "no"}, format="json"), 400
        )
        assert_problem(asks.get(f"{where}/comparison/"), 409, "readings_open")
        assert_problem(asks.get(f"{where}/cells/"), 409, "readings_open")
        for position in range(1, 5):
            given = label if position == 1 else "neutrophil"
            answer = client.post(
                f"{reading}/labels/", {"position": position, "label": given}, format="json"
            )
            assert answer.status_code == 201
        assert client.get(f"{reading}/").json()["labelled"] == 4
        assert client.post(f"{reading}/finish/").status_code == 200

    found = asks.get(f"{where}/comparison/").json()
    assert found["cells"] == 4
    assert len(found["table"]) == len(found["classes"])
    assert sum(map(sum, found["table"])) == 4
    disputed = asks.get(f"{where}/cells/?disputed=true").json()["results"]
    assert len(disputed) == found["cells"] - found["agreed"]
    assert len(asks.get(f"{where}/cells/").json()["results"]) == 4
    first = client_of(people["first"])
    decision = {"id": disputed[0]["id"], "label": "ig"}
    assert_problem(
        first.post(f"{where}/decisions/", decision, format="json"), 403, "adjudicates_own"
    )
    assert_problem(asks.post(f"{where}/finish/"), 409, "cells_in_dispute")
    for each in disputed:
        answer = asks.post(f"{where}/decisions/", {"id": each["id"], "label": "ig"}, format="json")
        assert answer.status_code == 201, answer.content
    assert asks.get(f"{where}/cells/?disputed=1").json()["results"][0]["decided"] == "ig"
    assert asks.post(f"{where}/finish/").json()["state"] == "finished"
    assert_problem(asks.post(f"{where}/withdraw/"), 409, "double_reading_closed")
    counts = asks.get(f"{API}/cases/{case.pk}/counts/").json()
    assert sum(each["by_reviewer"] for each in counts["classes"]) == 4
