"""Compare the stored files with the rows that name them.

A file without a row is left behind by a process that dies between writing the file and committing
its row; a row without its file by a disk or a person. Neither is mended by itself: a file may only
be removed by ``manage.py sweep_storage --delete``, and a row is a reader's evidence.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.mail import send_mail
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from cases.models import CaseImage, User
from cases.models.image import IMAGES_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.core.files.storage import Storage

logger = logging.getLogger(__name__)

# An upload that is just going on has written its file and not yet its row.
GRACE = timedelta(hours=1)
LEFTOVER_AGE = timedelta(days=1)
NAMED_IN_REPORTS = 20


@dataclass
class StorageReport:
    """What a sweep found.

    Attributes:
        files: how many files there are.
        rows: how many rows name one.
        orphans: names of files no row knows, older than the grace.
        missing: names that rows give and the storage does not have, by the image's key.
        removed: how many orphans were removed.
        folders: how many folders of tiles there are.
        orphan_folders: those no row knows, older than the grace.
        missing_folders: those that rows give and the storage does not have, by the row's key.
        removed_folders: how many folders were removed.
    """

    files: int = 0
    rows: int = 0
    orphans: list[str] = field(default_factory=list)
    missing: dict[int, str] = field(default_factory=dict)
    removed: int = 0
    folders: int = 0
    orphan_folders: list[str] = field(default_factory=list)
    missing_folders: dict[int, str] = field(default_factory=dict)
    removed_folders: int = 0

    @property
    def is_clean(self) -> bool:
        found = self.orphans, self.missing, self.orphan_folders, self.missing_folders
        return not any(found)

    @property
    def left(self) -> int:
        """What still does not agree."""
        there = len(self.orphans) + len(self.orphan_folders)
        gone = len(self.missing) + len(self.missing_folders)
        return there + gone - self.removed - self.removed_folders

    @property
    def numbers(self) -> dict[str, int]:
        """The same without names."""
        return {
            "files": self.files,
            "rows": self.rows,
            "orphans": len(self.orphans) - self.removed,
            "missing": len(self.missing),
            "folders": self.folders,
            "orphan_folders": len(self.orphan_folders) - self.removed_folders,
            "missing_folders": len(self.missing_folders),
        }


def sweep_storage(
    *, delete: bool = False, grace: timedelta = GRACE, now: datetime | None = None
) -> StorageReport:
    """Look at every stored image and every image's row, a folder at a time.

    Args:
        delete: remove the files no row knows.
        grace: younger files are left out of the account.
    """
    now = now or timezone.now()
    report = StorageReport()
    seen: set[int] = set()
    for folder, names in _folders(default_storage):
        case_id = int(folder) if folder.isascii() and folder.isdigit() else None
        rows = _rows_of(case_id) if case_id is not None else {}
        if case_id is not None:
            seen.add(case_id)
        report.files += len(names)
        found = {f"{IMAGES_FOLDER}/{folder}/{name}" if folder else name for name in names}
        report.rows += len(rows)
        report.missing.update({pk: name for name, pk in rows.items() if name not in found})
        for name in sorted(found - rows.keys()):
            _look_at(report, name, delete=delete, before=now - grace)
    for case_id in CaseImage.objects.order_by().values_list("case_id", flat=True).distinct():
        if case_id not in seen:
            rows = _rows_of(case_id)
            report.rows += len(rows)
            report.missing.update({pk: name for name, pk in rows.items()})
    # Some were committed after their folder had been listed: each is asked for by itself.
    report.missing = {
        pk: name for pk, name in report.missing.items() if not default_storage.exists(name)
    }
    return report


def _folders(storage: Storage) -> Iterator[tuple[str, list[str]]]:
    """Every case's folder with its files; files beside the folders come under ''."""
    try:
        folders, beside = storage.listdir(IMAGES_FOLDER)
    except FileNotFoundError:
        return
    if beside:
        yield "", [f"{IMAGES_FOLDER}/{each}" for each in beside]
    for folder in sorted(folders):
        yield folder, storage.listdir(f"{IMAGES_FOLDER}/{folder}")[1]


def _rows_of(case_id: int) -> dict[str, int]:
    rows = CaseImage.objects.filter(case_id=case_id).values_list("file", "pk")
    return dict(rows)


def _look_at(report: StorageReport, name: str, *, delete: bool, before: datetime) -> None:
    """Enter a file that no row of its case names, unless it is young or has gone."""
    try:
        if default_storage.get_modified_time(name) > before:
            return
    except FileNotFoundError:
        return
    # Its row may have come since its case's rows were read.
    if CaseImage.objects.filter(file=name).exists():
        return
    report.orphans.append(name)
    if delete:
        default_storage.delete(name)
        report.removed += 1


def remove_leftovers(*, now: datetime | None = None) -> int:
    """Remove what processes that died left of uploads that were not kept yet; returns how many.

    A process that ends in order removes its own. Younger ones than a day may still be sent.
    """
    before = ((now or timezone.now()) - LEFTOVER_AGE).timestamp()
    removed = 0
    for path in Path(str(settings.FILE_UPLOAD_TEMP_DIR)).iterdir():
        try:
            if path.is_file() and path.stat().st_mtime < before:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    if removed:
        logger.warning("%s uploads that a dead process had left were removed.", removed)
    return removed


def report_to_administrators(report: StorageReport) -> int:
    """Write to the site's administrators, each in the site's language; returns how many letters.

    Nothing is sent when all is in order. The log says it in any case.
    """
    if report.is_clean:
        logger.info("Storage: %s files, %s rows, all in order.", report.files, report.rows)
        return 0
    logger.warning(
        "Storage: %s files and %s folders of tiles without a row, %s rows without their file, "
        "%s without their tiles.",
        len(report.orphans),
        len(report.orphan_folders),
        len(report.missing),
        len(report.missing_folders),
    )
    addresses = (
        User.objects.filter(is_active=True, is_superuser=True)
        .exclude(email="")
        .order_by("pk")
        .values_list("email", flat=True)
    )
    with translation.override(settings.LANGUAGE_CODE):
        subject, body = _("Stored images and their rows differ"), describe(report)
    sent = 0
    for address in addresses:
        sent += send_mail(
            f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{subject}",
            body,
            None,
            [address],
            fail_silently=True,
        )
    return sent


def describe(report: StorageReport) -> str:
    """The report as lines of text, in the active language."""
    lines = [
        _("%(files)s files, %(rows)s rows.") % {"files": report.files, "rows": report.rows},
        _("Files without a row: %(number)s.") % {"number": len(report.orphans)},
        *[f"  {name}" for name in report.orphans[:NAMED_IN_REPORTS]],
        _("Rows without their file: %(number)s.") % {"number": len(report.missing)},
        *[f"  {pk}: {name}" for pk, name in list(report.missing.items())[:NAMED_IN_REPORTS]],
    ]
    if report.orphan_folders:
        number = len(report.orphan_folders)
        lines.append(_("Folders of tiles without a row: %(number)s.") % {"number": number})
        lines.extend(f"  {name}" for name in report.orphan_folders[:NAMED_IN_REPORTS])
    if report.missing_folders:
        number = len(report.missing_folders)
        lines.append(_("Rows without their tiles: %(number)s.") % {"number": number})
        missing = list(report.missing_folders.items())[:NAMED_IN_REPORTS]
        lines.extend(f"  {pk}: {name}" for pk, name in missing)
    if report.removed or report.removed_folders:
        lines.append(
            _("Removed: %(files)s files, %(folders)s folders of tiles.")
            % {"files": report.removed, "folders": report.removed_folders}
        )
    elif report.orphans or report.orphan_folders:
        lines.append(_("`manage.py sweep_storage --delete` removes the files without a row."))
    if report.missing:
        lines.append(_("Restore the missing files from a backup, or have the images sent again."))
    return "\n".join(lines)
