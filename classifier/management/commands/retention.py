"""``manage.py retention``: let go what the laboratories' rules let go, or only say what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from cases.models import Laboratory
from classifier.privacy import retention

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """What the scheduler does once a day, at once; a new rule is tried with --dry-run first."""

    help = "Remove what each laboratory's retention rules let go. A laboratory without keeps all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")
        parser.add_argument("--laboratory", help="short name of the only laboratory to look at")

    def handle(self, *args: Any, **options: Any) -> None:
        laboratories = Laboratory.objects.order_by("slug")
        if slug := options["laboratory"]:
            laboratories = laboratories.filter(slug=slug)
            if not laboratories:
                raise CommandError(f"There is no laboratory with the short name {slug}.")
        act = retention.due if options["dry_run"] else retention.apply
        word = "would go" if options["dry_run"] else "went"
        for laboratory in laboratories:
            found = act(laboratory=laboratory)
            self.stdout.write(
                f"{laboratory.slug}: {len(found.patients)} names, "
                f"{len(found.signed)} signed cases' pictures and cells, "
                f"{len(found.unsigned)} unsigned cases {word}; "
                f"{found.plan.total} rows and {found.plan.files} pictures."
            )
            for label, number in sorted(found.plan.rows.items()):
                self.stdout.write(f"  {label}: {number}")
