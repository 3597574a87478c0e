"""The database as the project sets it up, and as the suite finds it."""

from __future__ import annotations

import threading

import pytest
from django.db import close_old_connections, connection, connections, transaction

from cases.models import CellClass, Laboratory


@pytest.mark.django_db
def test_sqlite_is_set_up_to_hold() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only for SQLite: this run is on another database")
    with connection.cursor() as cursor:
        values = {
            name: cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        }
    assert values == {
        "journal_mode": "wal", "busy_timeout": 30_000, "foreign_keys": 1, "synchronous": 1,
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_writers_wait_for_each_other() -> None:
    """Two threads that read, then write, in a transaction: neither is told 'locked'."""
    laboratory = Laboratory.objects.create(name="0", slug="counter")
    problems: list[BaseException] = []
    start = threading.Barrier(2)

    def add_one_often() -> None:
        try:
            start.wait(10)
            for _ in range(25):
                with transaction.atomic():
                    row = Laboratory.objects.select_for_update().get(pk=laboratory.pk)
                    row.name = str(int(row.name) + 1)
                    row.save()
        except BaseException as error:
            problems.append(error)
        finally:
            close_old_connections()
            connections.close_all()

    threads = [threading.Thread(target=add_one_often) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    laboratory.refresh_from_db()
    assert not problems
    assert laboratory.name == "50"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", [1, 2])
def test_rows_of_migrations_are_there_after_tables_were_emptied(attempt: int) -> None:
    assert CellClass.objects.filter(predicted=True).count() == 8
