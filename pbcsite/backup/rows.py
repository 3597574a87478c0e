"""Rows of every table as JSON lines that SQLite and PostgreSQL both take back.

The first line names the columns, each further one is a row in their order. Values go through
Django's fields, so a time, a number or a blob is written the same whatever the database was.
"""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from django.db.models.query import QuerySet

from pbcsite.backup.container import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    Model = type[models.Model]

BATCH = 200
# Sessions somebody ended would live again; tiles are drawn anew from their images by a worker.
LEFT_OUT = {"sessions.Session", "usersessions.UserSession", "classifier.TilePyramid"}


def tables() -> list[Model]:
    """Every table of the site but those of LEFT_OUT, those behind many-to-many fields included."""
    found = apps.get_models(include_auto_created=True)
    kept = [each for each in found if each._meta.managed and not each._meta.proxy]
    return sorted(
        (each for each in kept if each._meta.label not in LEFT_OUT),
        key=lambda each: each._meta.label,
    )


def applied_migrations() -> list[str]:
    """What the tables look like, by name."""
    from django.db.migrations.recorder import MigrationRecorder

    return sorted(
        f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()
    )


@contextmanager
def one_moment() -> Iterator[None]:
    """Read all tables as they are at this moment, while others go on writing."""
    if connection.vendor == "postgresql":
        from django.db import transaction

        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    # Django's transactions on SQLite keep others from writing; a plain one reads its snapshot.
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def columns_of(model: Model) -> list[Any]:
    """The columns that hold what was given; generated ones are worked out by the database."""
    return [each for each in model._meta.concrete_fields if not each.generated]


def dump(model: Model) -> Iterator[bytes]:
    """The table as JSON lines, in the order of its keys."""
    fields = columns_of(model)
    yield _line([each.column for each in fields])
    # Not the model's manager: some translate columns or leave rows out.
    rows: Any = QuerySet(model).order_by("pk").values_list(*[each.attname for each in fields])
    for row in rows.iterator(chunk_size=BATCH):
        yield _line([_written(value) for value in row])


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, cls=DjangoJSONEncoder, separators=(",", ":")).encode() + b"\n"


def _written(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if hasattr(value, "isoformat"):
        return value.isoformat()  # the encoder would cut microseconds off
    return value


def load(model: Model, lines: Iterator[bytes]) -> int:
    """Insert the rows as they were, in the caller's transaction; returns how many.

    Raises:
        BackupError: ``other_columns``.
    """
    fields = columns_of(model)
    named = json.loads(next(lines))
    if named != [each.column for each in fields]:
        raise BackupError(
            "other_columns",
            f"The archive's table {model._meta.db_table} has other columns than the site's.",
        )
    quote = connection.ops.quote_name
    columns = ", ".join(quote(each.column) for each in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({places})"  # noqa: S608 # nosec B608
    number = 0
    batch: list[list[Any]] = []
    with connection.cursor() as cursor:
        for line in lines:
            batch.append(
                [
                    _prepared(field, value)
                    for field, value in zip(fields, json.loads(line), strict=True)
                ]
            )
            if len(batch) == BATCH:
                cursor.executemany(statement, batch)
                number, batch = number + len(batch), []
        if batch:
            cursor.executemany(statement, batch)
            number += len(batch)
    return number


def _prepared(field: Any, value: Any) -> Any:
    while field.remote_field is not None:
        field = field.target_field
    if value is not None and isinstance(field, models.BinaryField):
        value = base64.b64decode(value)
    elif value is not None and not isinstance(field, models.JSONField):
        value = field.to_python(value)
    return field.get_db_prep_save(value, connection)


def empty(models_: list[Model]) -> None:
    """Remove the rows that migrations made, so that those of the archive take their place."""
    with connection.cursor() as cursor:
        for model in models_:
            if QuerySet(model).exists():
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608 # nosec B608


def reset_sequences(models_: list[Model]) -> None:
    """Let the next key follow the greatest one."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models_):
            cursor.execute(statement)


def file_names(model: Model) -> Iterator[str]:
    """Names of the stored files that the table's rows know."""
    for field in model._meta.concrete_fields:
        if isinstance(field, models.FileField):
            names: Any = QuerySet(model).order_by("pk").values_list(field.attname, flat=True)
            yield from (each for each in names.iterator(chunk_size=2000) if each)
