"""``manage.py backup``: the whole site as one encrypted, checked file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from cases.audit.models import Action
from cases.audit.services import record
from pbcsite.backup import asking
from pbcsite.backup.container import BackupError
from pbcsite.backup.restoring import examine
from pbcsite.backup.writing import write

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Write the archive, then read it through once more."""

    help = (
        "Write database, files and model bundles into one encrypted file, while the site runs. Run "
        "again after an interruption, it goes on where it stopped. SECRET_KEY and AUDIT_KEYS are "
        "not in it: keep them elsewhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("archive", type=Path, help="the file to write")
        parser.add_argument(
            "--verify", action="store_true", help="only read an existing archive through"
        )
        asking.add_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        archive: Path = options["archive"]
        verify: bool = options["verify"]
        try:
            passphrase = asking.passphrase(options["passphrase_file"], twice=not verify)
            if not verify:
                self._write(archive, passphrase)
            with archive.open("rb") as stream:
                _reader, found = examine(stream, passphrase)
        except BackupError as error:
            raise CommandError(str(error), returncode=2) from error
        except OSError as error:
            raise CommandError(
                f"{error}. What was written is kept; the same command goes on from there.",
                returncode=3,
            ) from error
        self.stdout.write(
            f"{archive} is whole: {sum(found.rows.values())} rows, {len(found.files)} files, "
            f"{len(found.bundles)} files of model bundles."
        )
        for name in found.missing:
            self.stderr.write(f"Not there when it was made: {name}")

    def _write(self, archive: Path, passphrase: str) -> None:
        report = write(target=archive, passphrase=passphrase, say=self.stdout.write)
        record(
            action=Action.COMMANDED,
            subject="backup",
            details={"archive": archive.name, "rows": sum(report.rows.values())},
        )
