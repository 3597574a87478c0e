"""Patients' names move to a table of their own. The former version cannot serve beside this one."""

import django.db.models.deletion
from django.db import migrations, models

ROWS = 2000


def move_names(apps, schema_editor):
    patients = apps.get_model("cases", "Patient").objects.exclude(name="").order_by("pk")
    record = apps.get_model("cases", "PatientName")
    batch = []
    for pk, name in patients.values_list("pk", "name").iterator(chunk_size=ROWS):
        batch.append(record(patient_id=pk, name=name))
        if len(batch) == ROWS:
            record.objects.bulk_create(batch)
            batch = []
    record.objects.bulk_create(batch)


def bring_names_back(apps, schema_editor):
    names = apps.get_model("cases", "PatientName").objects.filter(patient=models.OuterRef("pk"))
    apps.get_model("cases", "Patient").objects.exclude(name_record=None).update(
        name=models.Subquery(names.values("name"))
    )


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0017_magnification"),
    ]

    operations = [
        migrations.CreateModel(
            name="PatientName",
            fields=[
                (
                    "patient",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="name_record",
                        serialize=False,
                        to="cases.patient",
                        verbose_name="patient",
                    ),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
            ],
            options={
                "verbose_name": "patient's name",
                "verbose_name_plural": "patients' names",
            },
        ),
        migrations.RunPython(move_names, bring_names_back),
    ]
