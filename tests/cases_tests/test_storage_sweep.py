"""Files without a row and rows without their file are found, named and told."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone, translation

from cases.models import CaseImage, Role, SmearCase
from cases.services.storage_sweep import (
    describe,
    remove_leftovers,
    report_to_administrators,
    sweep_storage,
)
from cases.services.uploads import store_images
from classifier.models import TilePyramid
from classifier.services.storage import look_through_storage
from classifier.tasks import sweep_storage as task
from tests.cases_tests.pages import logged_in, text_of
from tests.factories import SmearCaseFactory, UserFactory, member, upload

pytestmark = pytest.mark.django_db

LATER = timedelta(hours=2)


@pytest.fixture
def images(case: SmearCase) -> list[CaseImage]:
    """Three of one case and one of another, all in order."""
    other = SmearCaseFactory()
    for which, seeds in ((case, range(3)), (other, range(1))):
        files = [upload(seed=each) for each in seeds]
        list(store_images(case=which, user=member(which.laboratory), files=files))
    return list(CaseImage.objects.order_by("pk"))


def orphan(name: str) -> str:
    return default_storage.save(name, ContentFile(b"left behind"))


def test_nothing_is_found_where_all_is_in_order(images: list[CaseImage]) -> None:
    report = sweep_storage(now=timezone.now() + LATER)
    assert (report.files, report.rows, report.is_clean) == (4, 4, True)


def test_orphans_and_gaps_are_named_and_only_orphans_removed(images: list[CaseImage]) -> None:
    left = {
        orphan(f"cases/{images[0].case_id}/left.png"),  # in a folder with rows
        orphan("cases/999999/left.png"),  # in a folder of no case
        orphan("cases/strange/left.png"),
        orphan("cases/left.png"),
    }
    default_storage.delete(images[1].file.name)  # one of three
    default_storage.delete(images[3].file.name)  # the only one of its case
    gaps = {images[1].pk: images[1].file.name, images[3].pk: images[3].file.name}
    now = timezone.now() + LATER
    for _ in range(2):  # a dry run changes nothing
        report = sweep_storage(now=now)
        assert set(report.orphans) == left
        assert (report.missing, report.files, report.rows) == (gaps, 6, 4)
    assert all(default_storage.exists(each) for each in left)
    report = sweep_storage(delete=True, now=now)
    assert report.removed == 4
    assert not any(default_storage.exists(each) for each in left)
    report = sweep_storage(now=now)
    assert (report.orphans, report.missing, report.files, report.rows) == ([], gaps, 2, 4)
    assert CaseImage.objects.count() == 4


def test_the_file_of_an_upload_going_on_is_left_alone(images: list[CaseImage]) -> None:
    orphan(f"cases/{images[0].case_id}/just-now.png")
    assert sweep_storage(delete=True).is_clean
    assert sweep_storage(now=timezone.now() + LATER).files == 5


def test_the_command_reports_and_its_status_tells(images: list[CaseImage]) -> None:
    name = orphan("cases/999999/left.png")
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("sweep_storage", "--grace-minutes=0", stdout=out)
    assert name in out.getvalue()
    assert default_storage.exists(name)
    call_command("sweep_storage", "--grace-minutes=0", "--delete", stdout=StringIO())
    assert not default_storage.exists(name)
    out = StringIO()
    call_command("sweep_storage", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {
        "files": 4, "rows": 4, "orphans": [], "missing": {}, "removed": 0,
        "folders": 0, "orphan_folders": [], "missing_folders": {}, "removed_folders": 0,
    }  # fmt: skip


def test_tiles_without_a_row_and_rows_without_their_tiles_are_found(
    images: list[CaseImage],
) -> None:
    def tiles(image: CaseImage, name: str, state: str = "done") -> TilePyramid:
        folder = f"cases/{image.case_id}/tiles/{name}"
        row = TilePyramid(image=image, folder=folder, tiles_total=2, state=state)
        row.save()
        return row

    whole = tiles(images[0], "whole")
    gone = tiles(images[1], "gone")
    tiles(images[2], "not made yet", "queued")
    kept = orphan(whole.tile_name(0, 0, 0))
    left = [orphan(f"cases/{images[0].case_id}/tiles/left/{each}/0_0.jpg") for each in range(2)]
    folder = f"cases/{images[0].case_id}/tiles/left"
    now = timezone.now() + LATER
    assert look_through_storage().orphan_folders == [], "younger than the grace"
    report = look_through_storage(now=now)
    assert (report.folders, report.orphan_folders) == (2, [folder])
    assert report.missing_folders == {gone.pk: gone.folder}
    assert "Folders of tiles without a row: 1." in describe(report)
    report = look_through_storage(delete=True, now=now)
    assert (report.removed, report.removed_folders, report.left) == (0, 1, 1)
    assert not any(default_storage.exists(each) for each in left)
    assert default_storage.exists(kept)
    # Administrators see the numbers of the last look, and no name.
    page = logged_in(member(images[0].case.laboratory, Role.ADMINISTRATOR)).get("/operations/")
    said = text_of(page)
    assert "Files and rows compared look at it" in said
    assert "folders of tiles without a row 0 rows without their tiles 1" in said
    assert "Retention rules applied not yet" in said
    assert "tiles/gone" not in said


def test_the_scheduler_writes_to_administrators_only_when_there_is_something(
    images: list[CaseImage], settings: Any
) -> None:
    UserFactory(is_superuser=True, email="chief@example.org")
    UserFactory(is_superuser=True, email="")
    UserFactory(email="reader@example.org")
    task()
    assert mail.outbox == []
    default_storage.delete(images[0].file.name)
    task()
    (letter,) = mail.outbox
    assert letter.to == ["chief@example.org"]
    assert images[0].file.name in letter.body
    scheduled = [each["task"] for each in settings.CELERY_BEAT_SCHEDULE.values()]
    assert "classifier.tasks.sweep_storage" in scheduled


def test_reports_are_translated(images: list[CaseImage]) -> None:
    default_storage.delete(images[0].file.name)
    report = sweep_storage()
    assert report_to_administrators(report) == 0  # nobody has an address
    with translation.override("es"):
        assert "Filas sin su archivo: 1." in describe(report)


def test_what_a_dead_process_left_of_an_upload_goes_after_a_day(settings: Any) -> None:
    left = Path(settings.FILE_UPLOAD_TEMP_DIR) / "left.upload.tif"
    left.write_bytes(b"half a field")
    assert remove_leftovers() == 0
    assert left.exists()
    assert remove_leftovers(now=timezone.now() + timedelta(hours=25)) == 1
    assert not left.exists()
