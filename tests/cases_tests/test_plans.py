"""PostgreSQL's plans for what readers ask for most: an index each, and work that has a bound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cases.models import Cell, Role, SmearCase
from scripts.fill_database import fill
from scripts.query_plans import addresses, plan_of, unbounded
from tests.factories import LaboratoryFactory, member

pytestmark = pytest.mark.django_db

CASES, CELLS = 200, 10_000


@pytest.fixture
def client_of_many(client: Client) -> Client:
    if connection.vendor != "postgresql":
        pytest.skip("only for PostgreSQL")
    laboratory = LaboratoryFactory()
    reader = member(laboratory, Role.REVIEWER)
    fill(cases=CASES, cells=CELLS, laboratory_id=laboratory.pk, user_id=reader.pk)
    client.force_login(reader)
    return client


@contextmanager
def without(*ways: str) -> Iterator[None]:
    """Plan without these; the checks of foreign keys at the end of the test plan as ever."""
    with connection.cursor() as cursor:
        for way in ways:
            cursor.execute(f"SET enable_{way} = off")
        yield
        for way in ways:
            cursor.execute(f"RESET enable_{way}")


def test_every_query_enters_by_an_index(client_of_many: Client) -> None:
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
        # On so few rows reading all is cheapest; here the question is whether there is another way.
        with without("seqscan", "hashjoin", "mergejoin"):
            for statement in selects:
                if steps := unbounded(plan_of(statement)):
                    found.setdefault(name, []).append((steps, statement))
    assert asked > 50
    assert not found, found


def test_counts_read_the_index_alone(client_of_many: Client) -> None:
    case = SmearCase.objects.order_by("pk")[0]
    with CaptureQueriesContext(connection) as queries:
        client_of_many.get(f"/api/v1/cases/{case.pk}/counts/")
    tallies = [each["sql"] for each in queries if "GROUP BY" in each["sql"]]
    # Nothing was vacuumed in this transaction, so the planner would not trust the index alone.
    with without("seqscan", "bitmapscan", "indexscan"):
        plans = [str(plan_of(sql)) for sql in tallies]
    alone = [each for each in plans if "Index Only Scan" in each and "cell_tally_of_case" in each]
    assert alone, plans


def test_a_query_without_an_index_is_noticed(client_of_many: Client) -> None:
    plan = plan_of("SELECT count(*) FROM cases_cell WHERE width > 5")
    assert unbounded(plan)
    assert not unbounded(plan_of("SELECT id FROM cases_cell ORDER BY id LIMIT 5"))
