"""What the work list orders by becomes a column that an index can follow."""

import django.db.models.expressions
import django.db.models.functions
from django.db import migrations, models

WAITING = models.Q(("status__in", ("processing", "in_review", "amended")))
TO_REVIEW = models.Q(("excluded", ""), ("review_state", "needs_review"))


def count_cells(apps, schema_editor):
    """In one statement, over the index that was just made."""
    cells = apps.get_model("cases", "Cell").objects.filter(TO_REVIEW, case_id=models.OuterRef("pk"))
    number = cells.order_by().values("case_id").annotate(number=models.Count("pk"))
    apps.get_model("cases", "SmearCase").objects.filter(WAITING).update(
        cells_to_review=models.functions.Coalesce(
            models.Subquery(number.values("number")), models.Value(0)
        ),
        flag_waits=models.Exists(cells.filter(flagged=True)),
    )


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0014_field_images"),
    ]

    operations = [
        migrations.AddField(
            model_name="smearcase",
            name="cells_to_review",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="smearcase",
            name="flag_waits",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddIndex(
            model_name="cell",
            index=models.Index(
                condition=TO_REVIEW, fields=["case", "flagged"], name="cell_to_review"
            ),
        ),
        migrations.RunPython(count_cells, migrations.RunPython.noop),
        migrations.AddField(
            model_name="smearcase",
            name="work_order",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.db.models.expressions.CombinedExpression(
                    django.db.models.expressions.CombinedExpression(
                        models.Case(
                            models.When(
                                models.Q(
                                    ("range_flags__gt", 0), ("flag_waits", True), _connector="OR"
                                ),
                                then=models.Value(0),
                            ),
                            default=models.Value(20000000000),
                            output_field=models.BigIntegerField(),
                        ),
                        "+",
                        models.Case(
                            models.When(priority="urgent", then=models.Value(0)),
                            default=models.Value(10000000000),
                            output_field=models.BigIntegerField(),
                        ),
                    ),
                    "-",
                    models.F("cells_to_review"),
                ),
                output_field=models.BigIntegerField(),
            ),
        ),
        migrations.AddIndex(
            model_name="smearcase",
            index=models.Index(
                fields=["laboratory", "status", "-created_at", "-id"],
                name="case_by_lab_status_and_time",
            ),
        ),
        migrations.AddIndex(
            model_name="smearcase",
            index=models.Index(
                condition=WAITING,
                fields=["laboratory", "work_order", "id"],
                name="case_work_order",
            ),
        ),
        migrations.AddIndex(
            model_name="smearcase",
            index=models.Index(
                condition=WAITING,
                fields=["laboratory", "assignee", "work_order", "id"],
                name="case_work_order_of_reader",
            ),
        ),
        migrations.AddIndex(
            model_name="smearcase",
            index=models.Index(
                condition=WAITING,
                fields=["laboratory", "priority", "work_order", "id"],
                name="case_work_order_by_priority",
            ),
        ),
    ]
