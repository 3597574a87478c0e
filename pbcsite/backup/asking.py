"""Where the passphrase of an archive comes from: never from the command line, others see it."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any

from pbcsite.backup.container import BackupError

VARIABLE = "BACKUP_PASSPHRASE"


def add_argument(parser: Any) -> None:
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        help=f"read the passphrase there; else from {VARIABLE}, else it is asked for",
    )


def passphrase(given: Path | None, *, twice: bool) -> str:
    """Read it, or ask for it.

    Raises:
        BackupError: ``no_passphrase``, ``passphrases_differ``.
    """
    if given is not None:
        try:
            found = given.read_text().strip("\r\n")
        except OSError as error:
            raise BackupError("no_passphrase", f"The passphrase cannot be read: {error}") from error
    else:
        found = os.environ.get(VARIABLE, "") or getpass.getpass("Passphrase of the archive: ")
        asked = VARIABLE not in os.environ
        if twice and asked and getpass.getpass("Again: ") != found:
            raise BackupError("passphrases_differ", "The two passphrases differ.")
    if not found:
        raise BackupError("no_passphrase", f"Give a passphrase, in a file or in {VARIABLE}.")
    return found
