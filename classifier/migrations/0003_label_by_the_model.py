"""Note on every cell what the model called it, from the predictions there are."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.models import OuterRef, Subquery


def note(apps: Any, schema_editor: Any) -> None:
    cell = apps.get_model("cases", "Cell")
    latest = (
        apps.get_model("classifier", "Prediction")
        .objects.filter(cell_id=OuterRef("pk"))
        .order_by("-id")
        .values("predicted_class_id")[:1]
    )
    cell.objects.filter(predictions__isnull=False).update(model_label_id=Subquery(latest))


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0005_signing_and_ranges"),
        ("classifier", "0002_pause_after_failure"),
    ]
    operations = [migrations.RunPython(note, migrations.RunPython.noop)]
