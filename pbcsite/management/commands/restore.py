"""``manage.py restore``: an archive back onto an empty, migrated site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cases.audit.models import Action, key_id_of
from cases.audit.services import record
from pbcsite.backup import asking
from pbcsite.backup.container import BackupError
from pbcsite.backup.restoring import restore

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """All of it or nothing."""

    help = (
        "Bring an archive of `manage.py backup` back onto an empty, migrated site, on SQLite or "
        "PostgreSQL whatever it was made on. Web and worker must not run. Nothing is replaced."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("archive", type=Path, help="the file to read")
        asking.add_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        archive: Path = options["archive"]
        try:
            passphrase = asking.passphrase(options["passphrase_file"], twice=False)
            found = restore(source=archive, passphrase=passphrase, say=self.stdout.write)
        except BackupError as error:
            raise CommandError(str(error), returncode=2) from error
        except OSError as error:
            raise CommandError(f"The archive cannot be read: {error}", returncode=3) from error
        record(
            action=Action.COMMANDED,
            subject="restore",
            details={"archive": archive.name, "made_at": found.start["made_at"]},
        )
        self.stdout.write(
            f"{sum(found.rows.values())} rows, {len(found.files)} files and "
            f"{len(found.bundles)} files of model bundles are back. Everybody has to log in anew."
        )
        for name in found.missing:
            self.stderr.write(f"Was not there when the archive was made: {name}")
        if found.start["audit_key"] not in {key_id_of(each) for each in settings.AUDIT_KEYS}:
            self.stderr.write(
                "The audit trail was signed with a key that AUDIT_KEYS does not hold: "
                "`manage.py verify_audit` fails until it is added."
            )
