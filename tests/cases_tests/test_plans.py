"""PostgreSQL's own plans for what readers ask for most, on a filled database: how much is read."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cases.models import Cell, Role, SmearCase
from scripts.fill_database import fill
from scripts.query_plans import ROWS_AT_MOST, addresses, plan_of, rows_met
from tests.factories import LaboratoryFactory, member

pytestmark = pytest.mark.django_db

# Enough cases that reading them all is not the cheapest way, and few enough cells to be made fast.
CASES, CELLS = 6_000, 60_000


@pytest.fixture
def client_of_many(client: Client) -> Client:
    if connection.vendor != "postgresql":
        pytest.skip("only for PostgreSQL")
    laboratory = LaboratoryFactory()
    reader = member(laboratory, Role.REVIEWER)
    fill(cases=CASES, cells=CELLS, laboratory_id=laboratory.pk, user_id=reader.pk)
    with connection.cursor() as cursor:
        # What VACUUM would write; it cannot run in the transaction of a test.
        cursor.execute("UPDATE pg_class SET relallvisible = relpages WHERE relname LIKE 'cases%'")
    client.force_login(reader)
    return client


def too_much(sql: str) -> list[tuple[int, str]]:
    return [each for each in rows_met(plan_of(sql, run=True)) if each[0] > ROWS_AT_MOST]


def test_plans_of_a_filled_database(client_of_many: Client) -> None:
    """One test, so that the database is filled once."""
    every_query_reads_a_bounded_number_of_rows_or_an_index_alone(client_of_many)
    counts_and_the_work_list_follow_their_index(client_of_many)
    a_query_that_reads_everything_is_noticed()


def every_query_reads_a_bounded_number_of_rows_or_an_index_alone(client_of_many: Client) -> None:
    assert (SmearCase.objects.count(), Cell.objects.count()) == (CASES, CELLS)
    case = SmearCase.objects.filter(status="in_review").order_by("pk")[0]
    found: dict[str, list[Any]] = {}
    asked = 0
    for name, address in addresses(case.pk).items():
        with CaptureQueriesContext(connection) as queries:
            answered = client_of_many.get(address)
        assert answered.status_code == 200, (name, answered.content)
        selects = [each["sql"] for each in queries if each["sql"].startswith("SELECT")]
        asked += len(selects)
        for statement in selects:
            if steps := too_much(statement):
                found.setdefault(name, []).append((steps, statement))
    assert asked > 50
    assert not found, found


def counts_and_the_work_list_follow_their_index(client_of_many: Client) -> None:
    case = SmearCase.objects.order_by("pk")[0]
    for address, index in (
        (f"/api/v1/cases/{case.pk}/counts/", "cell_tally_of_case"),
        ("/api/v1/work-list/", "case_work_order"),
        ("/work/?whose=unassigned", "case_work_order_of_reader"),
    ):
        with CaptureQueriesContext(connection) as queries:
            client_of_many.get(address)
        plans = [str(plan_of(each["sql"])) for each in queries if "SELECT" in each["sql"][:6]]
        assert any(f"'{index}'" in plan for plan in plans), (address, plans)


def a_query_that_reads_everything_is_noticed() -> None:
    assert too_much("SELECT count(*) FROM cases_cell WHERE width > 5")
    assert too_much("SELECT id FROM cases_smearcase ORDER BY stain LIMIT 5")
    assert not too_much("SELECT id, width FROM cases_cell ORDER BY id LIMIT 5")
