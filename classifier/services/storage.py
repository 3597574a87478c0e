"""The whole look at stored files: images, and the tiles of large ones.

Tiles are drawn anew from their image, so what is missing of them is no loss: the pyramid is put
back into the queue by whoever asks for its retry.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.core.files.storage import default_storage
from django.utils import timezone

from cases.models import Housekeeping
from cases.models.image import IMAGES_FOLDER
from cases.services.housekeeping import note_done
from cases.services.storage_sweep import GRACE, StorageReport, sweep_storage
from classifier.models import TilePyramid
from classifier.privacy.removing import delete_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

CASE_FOLDER = re.compile("[0-9]{1,18}")


def look_through_storage(
    *, delete: bool = False, grace: timedelta = GRACE, now: datetime | None = None
) -> StorageReport:
    """Compare all files and rows, keep the numbers for the administrators, and report.

    Args:
        delete: remove files and folders of tiles that no row knows.
        grace: younger ones are left out of the account.
    """
    now = now or timezone.now()
    report = sweep_storage(delete=delete, grace=grace, now=now)
    _look_at_tiles(report, delete=delete, before=now - grace)
    note_done(Housekeeping.Job.STORAGE, report.numbers)
    return report


def _look_at_tiles(report: StorageReport, *, delete: bool, before: datetime) -> None:
    seen = set()
    for folder in _tile_folders():
        seen.add(folder)
        report.folders += 1
        if TilePyramid.objects.filter(folder=folder).exists() or not _is_old(folder, before):
            continue
        report.orphan_folders.append(folder)
        if delete:
            delete_folder(folder)
            report.removed_folders += 1
    ready = TilePyramid.objects.ready().order_by("pk").values_list("pk", "folder")
    report.missing_folders = {
        pk: folder
        for pk, folder in ready.iterator()
        # One that was finished after its folder had been looked for is asked for by itself.
        if folder not in seen and not default_storage.exists(f"{folder}/0/0_0.jpg")
    }


def _tile_folders() -> Iterator[str]:
    """Every folder that holds the tiles of one image."""
    try:
        cases = default_storage.listdir(IMAGES_FOLDER)[0]
    except FileNotFoundError:
        return
    for case in filter(CASE_FOLDER.fullmatch, sorted(cases)):
        tiles = f"{IMAGES_FOLDER}/{case}/tiles"
        try:
            folders = default_storage.listdir(tiles)[0]
        except FileNotFoundError:
            continue
        yield from (f"{tiles}/{each}" for each in sorted(folders))


def _is_old(folder: str, before: datetime) -> bool:
    """Whether nothing was written there lately; one file of each level is asked."""
    for level in default_storage.listdir(folder)[0]:
        for name in default_storage.listdir(f"{folder}/{level}")[1][-1:]:
            if default_storage.get_modified_time(f"{folder}/{level}/{name}") > before:
                return False
    return True
