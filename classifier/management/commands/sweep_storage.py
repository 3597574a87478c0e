"""``manage.py sweep_storage``: files without a row, rows without their file."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext_lazy as _

from cases.services.storage_sweep import describe
from classifier.services.storage import look_through_storage

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Reports; removes nothing unless told to. Its status is 1 when something does not agree."""

    help = str(_("Report stored files without a row and rows without their file."))

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--delete", action="store_true", help=str(_("remove the files without a row"))
        )
        parser.add_argument(
            "--grace-minutes",
            type=int,
            default=60,
            help=str(_("leave younger files alone: their upload may be going on")),
        )
        parser.add_argument("--json", action="store_true", help=str(_("print JSON")))

    def handle(self, *args: Any, **options: Any) -> None:
        report = look_through_storage(
            delete=options["delete"], grace=timedelta(minutes=options["grace_minutes"])
        )
        self.stdout.write(json.dumps(asdict(report)) if options["json"] else describe(report))
        if report.left:
            raise SystemExit(1)
