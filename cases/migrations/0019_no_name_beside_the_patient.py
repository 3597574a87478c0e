"""In a migration of its own: PostgreSQL does not alter a table that has checks pending."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0018_patient_names"),
    ]

    operations = [
        migrations.RemoveField(model_name="patient", name="name"),
    ]
