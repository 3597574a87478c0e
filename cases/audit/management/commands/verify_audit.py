"""``manage.py verify_audit``: whether every row of the trail is as it was written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from cases.audit.services import verify

if TYPE_CHECKING:
    from argparse import ArgumentParser

SHOWN = 100


class Command(BaseCommand):
    """Names every entry that was edited, removed or put in."""

    help = (
        "Check the audit trail's chain. Keep the head it prints somewhere else and give it to the "
        "next check as --expect: that also finds a trail put back to an older copy."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--expect", default="", metavar="SEQUENCE:DIGEST")

    def handle(self, *args: Any, **options: Any) -> None:
        expected = options["expect"]
        if expected and not re.fullmatch(r"[0-9]{1,18}:[0-9a-f]{64}", expected):
            raise CommandError("--expect takes what an earlier check printed: SEQUENCE:DIGEST.")
        verdict = verify(expected_head=expected)
        for each in verdict.faults[:SHOWN]:
            self.stderr.write(each)
        self.stdout.write(f"{verdict.entries} entries, head {verdict.head}")
        if verdict.faults:
            raise CommandError(f"The trail is not whole: {len(verdict.faults)} faults.")
        self.stdout.write("The trail is whole.")
