"""Triggers that refuse to change or remove rows of the trail, whoever asks."""

from __future__ import annotations

from typing import Any

TABLE = "audit_auditentry"
WORDS = "The audit trail is append-only."

SQLITE = {
    f"{TABLE}_no_{operation}": (
        f"CREATE TRIGGER {TABLE}_no_{operation} BEFORE {operation.upper()} ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
    )
    for operation in ("update", "delete")
}
POSTGRESQL_FUNCTION = (
    f"CREATE OR REPLACE FUNCTION {TABLE}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{WORDS}'; END $$"
)
POSTGRESQL = {
    f"{TABLE}_no_change": (
        f"CREATE TRIGGER {TABLE}_no_change BEFORE UPDATE OR DELETE ON {TABLE} "
        f"FOR EACH ROW EXECUTE FUNCTION {TABLE}_refuse()"
    ),
    f"{TABLE}_no_truncate": (
        f"CREATE TRIGGER {TABLE}_no_truncate BEFORE TRUNCATE ON {TABLE} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_refuse()"
    ),
}


def triggers_of(connection: Any) -> dict[str, str]:
    return POSTGRESQL if connection.vendor == "postgresql" else SQLITE


def install(connection: Any) -> None:
    """Create the triggers."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_FUNCTION)
        for statement in triggers_of(connection).values():
            cursor.execute(statement)


def remove(connection: Any) -> None:
    """Drop the triggers, as tests that empty all tables must."""
    place = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for name in triggers_of(connection):
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{place}")


def installed(connection: Any) -> set[str]:
    """Names of those triggers that are there."""
    query = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {name for (name,) in cursor.fetchall()} & triggers_of(connection).keys()
