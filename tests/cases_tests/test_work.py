"""The work list and who reads which case: the rules, the page and the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cases.models import CaseAssignment, Cell, CellClass, Laboratory, Role, SmearCase, User
from cases.services.corrections import correct_cells, undo_batch
from cases.services.errors import Conflict, NotAllowed, ServiceError
from cases.services.findings import set_analyser_wbc
from cases.services.flags import flag_cells
from cases.services.laboratory_settings import delete_range, save_range
from cases.services.range_flags import refresh_range_flags
from cases.services.results import case_result
from cases.services.revisions import next_revision
from cases.services.work import assign_case, set_priority
from cases.services.work_order import mend_work_order, refresh_work_order
from tests.cases_tests.api_client import API, assert_problem, client_of
from tests.cases_tests.pages import HTMX, logged_in, text_of
from tests.factories import CellFactory, LaboratoryFactory, SmearCaseFactory, member, named_cell

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(laboratory: Laboratory) -> User:
    return member(laboratory, Role.ADMINISTRATOR, username="adela")


def waiting(laboratory: Laboratory, number: str, doubtful: int = 0, **fields: Any) -> SmearCase:
    """A case in review with ``doubtful`` cells to review and one sure cell."""
    case: SmearCase = SmearCaseFactory(
        laboratory=laboratory, accession_number=number, status="in_review", **fields
    )
    named_cell(case, "neutrophil")
    for _ in range(doubtful):
        named_cell(case, "monocyte", confidence=0.4, review_state="needs_review")
    refresh_work_order(case_id=case.pk)
    return case


def take(case: SmearCase, user: User, expected: User | None = None) -> CaseAssignment:
    return assign_case(
        case_id=case.pk,
        user=user,
        assignee_id=user.pk,
        expected_assignee_id=expected.pk if expected else None,
    )


# --- the order -----------------------------------------------------------------------------------
def test_flags_come_first_then_urgent_then_most_to_review_then_the_oldest(
    laboratory: Laboratory,
) -> None:
    waiting(laboratory, "old")
    waiting(laboratory, "young")
    waiting(laboratory, "doubtful", doubtful=2)
    waiting(laboratory, "more doubtful", doubtful=3)
    flagged = waiting(laboratory, "flagged", doubtful=1)
    flagged.cells.filter(review_state="needs_review").update(flagged=True)
    assert mend_work_order() == 1
    settled = waiting(laboratory, "settled flag")
    settled.cells.update(flagged=True)
    assert mend_work_order() == 0
    waiting(laboratory, "urgent", priority="urgent")
    waiting(laboratory, "urgent and doubtful", priority="urgent", doubtful=1)
    for status in ("open", "signed_off"):
        SmearCaseFactory(laboratory=laboratory, status=status, priority="urgent")
    listed = SmearCase.objects.waiting().most_urgent_first()
    assert [each.accession_number for each in listed] == [
        "flagged", "urgent and doubtful", "urgent", "more doubtful", "doubtful", "old", "young",
        "settled flag",
    ]  # fmt: skip


def test_every_change_of_cells_keeps_the_place_of_its_case(
    laboratory: Laboratory, reviewer: User
) -> None:
    case = waiting(laboratory, "kept", doubtful=3)

    def place() -> tuple[int, bool]:
        case.refresh_from_db()
        assert not SmearCase.objects.out_of_order().exists()
        return case.cells_to_review, case.flag_waits

    def versions(*cells: Cell) -> dict[int, int]:
        return dict(
            Cell.objects.filter(pk__in=[each.pk for each in cells]).values_list("pk", "version")
        )

    sure, *doubtful = case.cells.order_by("id")
    assert place() == (3, False)
    batch = correct_cells(
        case_id=case.pk, user=reviewer, versions=versions(*doubtful[:2]), to_class="monocyte"
    )
    assert place() == (1, False)
    undo_batch(batch_id=batch.pk, user=reviewer)
    assert place() == (3, False)
    flag = {"case_id": case.pk, "user": reviewer}
    flag_cells(**flag, versions=versions(sure), raised=True)
    assert place() == (4, True)
    flag_cells(**flag, versions=versions(sure), raised=False)
    assert place() == (3, False)
    # What nobody counted is found and mended, by the daily look and where something changed.
    case.cells.update(review_state="confirmed")
    assert SmearCase.objects.out_of_order().get() == case
    refresh_range_flags()
    assert place() == (0, False)


def test_a_class_outside_its_range_brings_a_case_to_the_front(
    laboratory: Laboratory, administrator: User
) -> None:
    urgent = waiting(laboratory, "urgent", priority="urgent")
    case = waiting(laboratory, "outside")
    case.cells.all().delete()
    for _ in range(30):
        named_cell(case, "eosinophil")
    frozen: SmearCase = SmearCaseFactory(laboratory=laboratory, status="signed_off")
    assert refresh_range_flags() == 2
    assert refresh_range_flags() == 0  # nothing changed since

    def listed() -> list[str]:
        cases = SmearCase.objects.waiting().most_urgent_first()
        return [each.accession_number for each in cases]

    assert listed() == ["urgent", "outside"]
    limit = {"cell_class": CellClass.objects.get(code="eosinophil"), "percent_high": 5}
    row = save_range(user=administrator, laboratory=laboratory, source="own study", **limit)
    assert refresh_range_flags() == 2
    assert listed() == ["outside", "urgent"]
    client = logged_in(administrator)
    assert "1 class outside its range" in text_of(client.get("/work/"))
    rows = client_of(administrator).get(f"{API}/work-list/").json()["results"]
    assert [each["range_flags"] for each in rows] == [1, 0]

    # A correction asks for them anew: 29 of 30 still are outside, 1 of 30 is not.
    cells = list(case.cells.order_by("id"))
    versions = {each.pk: each.version for each in cells[1:]}
    correct_cells(case_id=case.pk, user=administrator, versions=versions, to_class="lymphocyte")
    assert refresh_range_flags() == 1
    assert listed() == ["urgent", "outside"]
    set_analyser_wbc(case=case, user=administrator, value=Decimal("6"))
    assert refresh_range_flags() == 1
    delete_range(user=administrator, laboratory=laboratory, range_id=row.pk)
    assert refresh_range_flags() == 2
    assert not SmearCase.objects.exclude(range_flags=0).exists()
    frozen.refresh_from_db()
    assert frozen.range_flags_due, "worked out once it waits again"
    assert urgent.pk


def test_a_change_while_range_flags_are_worked_out_asks_anew(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = waiting(laboratory, "outside")

    def changed_meanwhile(**kwargs: Any) -> Any:
        next_revision(case_id=case.pk)
        return case_result(**kwargs)

    monkeypatch.setattr("cases.services.range_flags.case_result", changed_meanwhile)
    assert refresh_range_flags() == 1
    case.refresh_from_db()
    assert case.range_flags_due


# --- the rules -----------------------------------------------------------------------------------
def test_a_reader_takes_a_case_and_gives_it_back_and_both_are_kept(
    case: SmearCase, reviewer: User
) -> None:
    take(case, reviewer)
    case.refresh_from_db()
    assert case.assignee == reviewer
    assign_case(case_id=case.pk, user=reviewer, assignee_id=None, expected_assignee_id=reviewer.pk)
    case.refresh_from_db()
    assert case.assignee is None
    kept = [(each.assignee, each.made_by) for each in CaseAssignment.objects.of_case(case.pk)]
    assert kept == [(None, reviewer), (reviewer, reviewer)]


def test_of_two_who_take_a_case_only_one_gets_it(
    case: SmearCase, reviewer: User, laboratory: Laboratory
) -> None:
    take(case, member(laboratory, Role.REVIEWER, first_name="Fast"))
    with pytest.raises(Conflict) as caught:
        take(case, reviewer)
    assert caught.value.code == "assigned_meanwhile"
    assert "Fast" in str(caught.value.message)
    assert CaseAssignment.objects.count() == 1


def test_only_administrators_decide_for_others(
    case: SmearCase, reviewer: User, administrator: User, laboratory: Laboratory
) -> None:
    other = member(laboratory, Role.REVIEWER)
    asked: dict[str, Any] = {"case_id": case.pk, "assignee_id": other.pk}
    with pytest.raises(NotAllowed) as caught:
        assign_case(user=reviewer, expected_assignee_id=None, **asked)
    assert caught.value.code == "assigns_others"
    assign_case(user=administrator, expected_assignee_id=None, **asked)
    with pytest.raises(NotAllowed):
        assign_case(case_id=case.pk, user=reviewer, assignee_id=None, expected_assignee_id=other.pk)


def test_a_case_is_assigned_only_to_who_may_read_it(
    case: SmearCase, administrator: User, technician: User
) -> None:
    elsewhere = member(LaboratoryFactory(), Role.REVIEWER)
    closed = member(case.laboratory, Role.REVIEWER, is_active=False)
    for person in (technician, elsewhere, closed):
        with pytest.raises(ServiceError) as caught:
            assign_case(
                case_id=case.pk,
                user=administrator,
                assignee_id=person.pk,
                expected_assignee_id=None,
            )
        assert caught.value.code == "not_a_reader"
    with pytest.raises(NotAllowed):
        take(case, technician)


def test_a_signed_off_case_changes_neither_reader_nor_priority(
    case: SmearCase, reviewer: User
) -> None:
    SmearCase.objects.update(status="signed_off")
    with pytest.raises(Conflict, match="case_signed_off"):
        take(case, reviewer)
    with pytest.raises(Conflict, match="case_signed_off"):
        set_priority(case_id=case.pk, user=reviewer, priority="urgent")


def test_assignments_are_kept_as_made(case: SmearCase, reviewer: User) -> None:
    kept = take(case, reviewer)
    with pytest.raises(TypeError):
        kept.save()
    with pytest.raises(TypeError):
        kept.delete()
    with pytest.raises(TypeError):
        CaseAssignment.objects.update(assignee=None)


@pytest.mark.parametrize(("who", "where"), [("reviewer", "/work/"), ("technician", "/cases/")])
def test_a_reader_begins_at_the_work_list(request: Any, who: str, where: str) -> None:
    assert logged_in(request.getfixturevalue(who)).get("/")["Location"] == where


# --- the page ------------------------------------------------------------------------------------
def test_the_page_shows_what_waits_and_filters_it(reviewer: User, laboratory: Laboratory) -> None:
    mine = waiting(laboratory, "26-mine", doubtful=2, priority="urgent")
    take(mine, reviewer)
    lost = waiting(laboratory, "26-free")
    CellFactory(case=lost, state="failed")
    waiting(LaboratoryFactory(), "26-elsewhere")
    client = logged_in(reviewer)
    words = text_of(client.get("/work/"))
    assert "2 to review" in words
    assert "1 failed" in words
    assert "urgent" in words
    assert "26-elsewhere" not in words
    assert "26-free" not in text_of(client.get("/work/?whose=mine"))
    unassigned = text_of(client.get("/work/?whose=unassigned"))
    assert "26-free" in unassigned
    assert "26-mine" not in unassigned
    assert client.get("/work/?whose=nonsense&page=99").status_code == 200
    part = client.get("/work/?part=rows", headers=HTMX)
    assert b"<html" not in part.content
    assert "26-free" in text_of(part)


@pytest.mark.parametrize("who", ["reviewer", "administrator"])
def test_the_page_asks_as_many_queries_for_many_cases_as_for_one(
    who: str, laboratory: Laboratory, request: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(28):
        waiting(laboratory, f"27-{number}", doubtful=1)
        member(laboratory, Role.REVIEWER)
    client = logged_in(request.getfixturevalue(who))
    with django_assert_max_num_queries(11):
        answer = client.get("/work/")
    assert "1 to 25 of 28" in text_of(answer)
    assert b"part=rows" not in answer.content.split(b'rel="next"')[0].rsplit(b"<a", 1)[1]


def test_cases_are_taken_and_made_urgent_on_pages(case: SmearCase, reviewer: User) -> None:
    client = logged_in(reviewer)
    back = {"next": "/work/?whose=unassigned"}
    form = {"assignee": reviewer.pk, "expected": ""}
    answer = client.post(f"/cases/{case.pk}/assignment/", form | back)
    assert answer["Location"] == "/work/?whose=unassigned"
    answer = client.post(f"/cases/{case.pk}/assignment/", form)
    assert answer.status_code == 409
    assert "rita has this case now" in text_of(answer)
    evil = {"priority": "urgent", "next": "https://elsewhere.example/"}
    assert client.post(f"/cases/{case.pk}/priority/", evil)["Location"] == "/work/"
    case.refresh_from_db()
    assert (case.assignee, case.priority) == (reviewer, "urgent")
    assert client.post(f"/cases/{case.pk}/priority/", {"priority": "soon"}).status_code == 400
    assert client.post(f"/cases/{case.pk}/assignment/", {"assignee": "x"}).status_code == 400
    assert "rita" in text_of(client.get(f"/cases/{case.pk}/assignment/"))


# --- the API -------------------------------------------------------------------------------------
def test_the_api_pages_through_the_work_list_in_order(
    reviewer: User, laboratory: Laboratory, django_assert_max_num_queries: Any
) -> None:
    for number in range(7):
        waiting(laboratory, f"27-{number}", doubtful=number % 3)
    waiting(laboratory, "27-urgent", priority="urgent")
    client = client_of(reviewer)
    found: list[str] = []
    url: str | None = f"{API}/work-list/?page_size=3"
    while url:
        with django_assert_max_num_queries(7):
            body = client.get(url).json()
        found += [each["accession_number"] for each in body["results"]]
        url = body["next"]
    assert found == [
        "27-urgent", "27-2", "27-5", "27-1", "27-4", "27-0", "27-3", "27-6",
    ]  # fmt: skip
    assert body["results"][-1]["cells"]["needs_review"] == 0


def test_the_api_filters_the_work_list(reviewer: User, laboratory: Laboratory) -> None:
    take(waiting(laboratory, "mine"), reviewer)
    waiting(laboratory, "free", priority="urgent")
    client = client_of(reviewer)
    for query, expected in {
        "mine=true": ["mine"],
        "mine=false": ["free"],
        "unassigned=true": ["free"],
        "assignee=rita": ["mine"],
        "priority=urgent": ["free"],
    }.items():
        body = client.get(f"{API}/work-list/?{query}").json()
        assert [each["accession_number"] for each in body["results"]] == expected, query
    assert_problem(client.get(f"{API}/work-list/?mine=perhaps"), 400)


def test_the_api_assigns_and_keeps_the_history(
    case: SmearCase, reviewer: User, administrator: User
) -> None:
    url = f"{API}/cases/{case.pk}/assignments/"
    answer = client_of(reviewer).post(url, {"assignee": "rita"}, format="json")
    assert answer.status_code == 201, answer.content
    body = {"assignee": "adela", "expected": None}
    assert_problem(
        client_of(administrator).post(url, body, format="json"), 409, "assigned_meanwhile"
    )
    body = {"assignee": "adela"}
    assert client_of(administrator).post(url, body, format="json").status_code == 201
    assert_problem(client_of(reviewer).post(url, {"assignee": None}, format="json"), 403)
    assert_problem(client_of(administrator).post(url, {"assignee": "ana"}, format="json"), 400)
    history = client_of(reviewer).get(url).json()["results"]
    assert [each["assignee"] for each in history] == ["adela", "rita"]


def test_the_api_sets_the_priority(case: SmearCase, technician: User) -> None:
    url = f"{API}/cases/{case.pk}/priority/"
    client = client_of(technician)
    assert client.put(url, {"priority": "urgent"}, format="json").json()["priority"] == "urgent"
    assert_problem(client.put(url, {"priority": "soon"}, format="json"), 400)
    assert client.get(f"{API}/cases/{case.pk}/").json()["priority"] == "urgent"


def test_a_corrected_cell_leaves_the_count(reviewer: User, laboratory: Laboratory) -> None:
    case = waiting(laboratory, "26-1", doubtful=1)
    client = client_of(reviewer)
    cell = Cell.objects.needing_review().get()
    client.post(f"{API}/cells/{cell.pk}/corrections/", {"to": "monocyte"}, format="json")
    (row,) = client.get(f"{API}/work-list/").json()["results"]
    assert (row["id"], row["cells"]["needs_review"]) == (case.pk, 0)
