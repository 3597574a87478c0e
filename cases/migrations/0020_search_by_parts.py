"""Indexes over parts of numbers and names, where PostgreSQL may have its extension for them."""

from django.db import DatabaseError, migrations, transaction

INDEXES = (
    ("case_number_parts", "cases_smearcase", "accession_number"),
    ("patient_identifier_parts", "cases_patient", "identifier"),
    ("patient_name_parts", "cases_patientname", "name"),
)


def index_parts(apps, schema_editor):
    """Without the right to make the extension, a search reads all rows, as on SQLite."""
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        try:
            with transaction.atomic(using=connection.alias):
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except DatabaseError:
            return
        for name, table, column in INDEXES:
            # As Django writes `icontains`.
            cursor.execute(
                f"CREATE INDEX {name} ON {table} USING gin (UPPER({column}::text) gin_trgm_ops)"
            )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        with schema_editor.connection.cursor() as cursor:
            for name, _table, _column in INDEXES:
                cursor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0019_no_name_beside_the_patient"),
    ]

    operations = [migrations.RunPython(index_parts, drop)]
