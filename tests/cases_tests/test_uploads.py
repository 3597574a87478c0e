"""Uploads: one answer per file, numbers without gaps, never half an image."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, connection
from PIL import Image

from cases.models import CaseImage, Cell, Role, SmearCase
from cases.services import uploads
from cases.services.errors import Conflict, NotAllowed, ServiceError
from cases.services.uploads import store_images
from tests.factories import (
    LaboratoryFactory,
    SmearCaseFactory,
    UserFactory,
    member,
    picture_bytes,
    upload,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def case() -> SmearCase:
    return SmearCaseFactory()


@pytest.fixture
def technician(case: SmearCase) -> Any:
    return member(case.laboratory, Role.TECHNICIAN)


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Every ring of the doorbell."""
    heard: list[None] = []
    monkeypatch.setattr(uploads, "ring_after_commit", lambda: heard.append(None))
    return heard


def stored_files() -> list[str]:
    def below(folder: str) -> list[str]:
        folders, files = default_storage.listdir(folder)
        found = [f"{folder}/{each}" for each in files]
        for each in folders:
            found += below(f"{folder}/{each}")
        return found

    return below("cases") if default_storage.exists("cases") else []


def archive(entries: dict[str, bytes], **options: Any) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as packed:
        for name, data in entries.items():
            packed.writestr(name, data)
    return stream.getvalue()


def codes(case: SmearCase, user: Any, *files: Any, **options: Any) -> list[str]:
    return [each.code for each in store_images(case=case, user=user, files=files, **options)]


def test_one_bad_file_never_spoils_the_rest(
    case: SmearCase, technician: Any, rings: list[None]
) -> None:
    answers = list(
        store_images(
            case=case,
            user=technician,
            files=[
                upload("one.png", seed=1),
                upload("text.jpg", b"This is a text."),
                upload("again.png", seed=1),
                upload("empty.png", b""),
                upload("two.png", seed=2),
            ],
        )
    )
    assert [each.outcome for each in answers] == [
        "accepted", "rejected", "duplicate", "rejected", "accepted",
    ]  # fmt: skip
    assert [each.name for each in answers][:2] == ["one.png", "text.jpg"]
    assert answers[2].duplicate_of == 1
    assert "image 1" in str(answers[2].message)
    assert "JPEG, PNG" in str(answers[1].message)
    cells = Cell.objects.filter(case=case).order_by("number")
    assert [(each.number, each.state, each.width) for each in cells] == [
        (1, "queued", 24),
        (2, "queued", 24),
    ]
    images = CaseImage.objects.filter(case=case)
    assert [each.number for each in images] == [1, 2]
    assert {each.file.name for each in images} == set(stored_files())
    case.refresh_from_db()
    assert case.status == "processing"
    assert rings


def test_nothing_is_rung_for_nothing(case: SmearCase, technician: Any, rings: list[None]) -> None:
    assert codes(case, technician, upload(data=b"text")) == ["not_an_image"]
    assert not rings


def test_a_stored_image_keeps_what_identifies_the_original(
    case: SmearCase, technician: Any
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = picture_bytes("JPEG", size=(40, 20), exif=exif)
    (answer,) = store_images(case=case, user=technician, files=[upload("../../Zelle ä.jpg", data)])
    image = CaseImage.objects.get(pk=answer.image.pk if answer.image else 0)
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert image.byte_size == len(data)
    assert (image.width, image.height) == (20, 40)
    assert image.original_name == "Zelle ä.jpg"
    assert image.uploaded_by == technician
    assert "Zelle" not in image.file.name
    assert Image.open(image.file.open()).size == (20, 40)


def test_a_small_tiff_takes_the_usual_road(case: SmearCase, technician: Any) -> None:
    """Looked at for its size first, it is read from its beginning all the same."""
    data = picture_bytes("TIFF", seed=8)
    assert codes(case, technician, upload("cell.tif", data)) == ["accepted"]
    image = CaseImage.objects.get(case=case)
    assert (image.kind, image.width, image.file.name[-4:]) == ("single_cell", 24, ".png")
    assert codes(case, technician, upload("again.tif", data)) == ["duplicate"]


def test_the_same_file_is_welcome_in_another_case(case: SmearCase, technician: Any) -> None:
    other = SmearCaseFactory(laboratory=case.laboratory)
    assert codes(case, technician, upload(seed=1)) == ["accepted"]
    assert codes(other, technician, upload(seed=1)) == ["accepted"]


def test_a_field_waits_for_its_search_and_says_so(
    case: SmearCase, technician: Any, rings: list[None]
) -> None:
    (answer,) = store_images(case=case, user=technician, files=[upload()], kind="field")
    assert answer.image is not None
    assert (answer.image.kind, answer.image.state) == ("field", "queued")
    assert "cells are looked for now" in str(answer.message)
    assert not Cell.objects.filter(case=case).exists()
    case.refresh_from_db()
    assert (case.status, case.last_image_number, case.last_cell_number) == ("processing", 1, 0)


def test_kinds_and_people_and_frozen_cases_are_refused(case: SmearCase, technician: Any) -> None:
    with pytest.raises(ServiceError) as caught:
        store_images(case=case, user=technician, files=[upload()], kind="movie")
    assert caught.value.code == "unknown_kind"
    for stranger in (member(LaboratoryFactory(), Role.ADMINISTRATOR), UserFactory()):
        with pytest.raises(NotAllowed):
            store_images(case=case, user=stranger, files=[upload()])
    SmearCase.objects.filter(pk=case.pk).update(status="signed_off")
    with pytest.raises(Conflict) as conflict:
        store_images(case=case, user=technician, files=[upload()])
    assert conflict.value.code == "case_signed_off"
    assert not stored_files()


def test_a_case_signed_off_in_mid_upload_takes_no_more(case: SmearCase, technician: Any) -> None:
    answers = store_images(case=case, user=technician, files=[upload(seed=1), upload(seed=2)])
    assert next(answers).outcome == "accepted"
    SmearCase.objects.filter(pk=case.pk).update(status="signed_off")
    assert [each.code for each in answers] == ["case_signed_off"]
    assert len(stored_files()) == CaseImage.objects.filter(case=case).count() == 1


def test_an_amended_case_stays_amended(case: SmearCase, technician: Any) -> None:
    SmearCase.objects.filter(pk=case.pk).update(status="amended")
    assert codes(case, technician, upload()) == ["accepted"]
    case.refresh_from_db()
    assert case.status == "amended"


def test_the_file_goes_when_its_row_cannot_be_written(
    case: SmearCase, technician: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(Cell.objects, "create", fail)
        assert codes(case, technician, upload(seed=1)) == ["not_stored"]
    assert not stored_files()
    assert not CaseImage.objects.filter(case=case).exists()
    # The numbers were rolled back with it.
    assert codes(case, technician, upload(seed=1)) == ["accepted"]
    assert CaseImage.objects.get(case=case).number == 1


def test_no_row_without_its_file(
    case: SmearCase, technician: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(FileSystemStorage, "_save", fail)
    assert codes(case, technician, upload(seed=1)) == ["not_stored"]
    assert not CaseImage.objects.filter(case=case).exists()


def test_an_interrupted_upload_leaves_no_file(
    case: SmearCase, technician: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Cell.objects, "create", interrupt)
    with pytest.raises(KeyboardInterrupt):
        codes(case, technician, upload(seed=1))
    assert not stored_files()


def test_a_zip_is_known_by_its_content_and_answers_for_every_entry(
    case: SmearCase, technician: Any
) -> None:
    data = archive(
        {
            "folder/": b"",
            "folder/one.png": picture_bytes(seed=1),
            "../../../etc/two.png": picture_bytes(seed=2),
            "C:\\windows\\three.png": picture_bytes(seed=3),
            "notes.txt": b"hello",
            "__MACOSX/folder/._one.png": b"clutter",
            "folder/.DS_Store": b"clutter",
            "folder/again.png": picture_bytes(seed=1),
            "empty.png": b"",
        }
    )
    answers = list(store_images(case=case, user=technician, files=[upload("cells.jpg", data)]))
    assert [(each.name, each.code) for each in answers] == [
        ("one.png", "accepted"),
        ("two.png", "accepted"),
        ("three.png", "accepted"),
        ("notes.txt", "not_an_image"),
        ("again.png", "duplicate"),
        ("empty.png", "empty_file"),
    ]
    assert all(each.startswith(f"cases/{case.pk}/") for each in stored_files())


def test_a_zip_inside_a_zip_is_answered_and_not_opened(case: SmearCase, technician: Any) -> None:
    inner = archive({"one.png": picture_bytes(seed=1)})
    data = archive({"inner.png": inner, "two.png": picture_bytes(seed=2)})
    assert codes(case, technician, upload("a.zip", data)) == ["entry_is_archive", "accepted"]


def with_flags(data: bytes, name: bytes, flags: int, method: int | None = None) -> bytes:
    """Change flags, and the method, of an entry in both of its headers."""
    changed = bytearray(data)
    for signature, flag_at, name_at in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        start = -1
        while (start := changed.find(signature, start + 1)) >= 0:
            if changed[start + name_at :].startswith(name):
                changed[start + flag_at] |= flags
                if method is not None:
                    changed[start + flag_at + 2] = method
    return bytes(changed)


def test_encrypted_and_exotic_entries_are_answered(case: SmearCase, technician: Any) -> None:
    data = archive({"a.png": picture_bytes(seed=1), "b.png": picture_bytes(seed=2)})
    locked = with_flags(data, b"a.png", 1)
    assert codes(case, technician, upload("a.zip", locked)) == ["entry_encrypted", "accepted"]
    exotic = archive({"c.png": picture_bytes(seed=3)}, compression=zipfile.ZIP_LZMA)
    assert codes(case, technician, upload("b.zip", exotic)) == ["entry_method"]
    unknown = with_flags(data, b"a.png", 0, method=98)
    assert codes(case, technician, upload("c.zip", unknown)) == ["entry_method", "duplicate"]


def test_a_zip_bomb_is_weighed_before_it_is_inflated(
    case: SmearCase, technician: Any, settings: Any
) -> None:
    bomb = archive({"bomb.png": b"\0" * 5_000_000, "ok.png": picture_bytes(seed=1)},
                   compression=zipfile.ZIP_DEFLATED)  # fmt: skip
    assert codes(case, technician, upload("a.zip", bomb)) == ["entry_ratio", "accepted"]
    settings.ZIP_MAX_RATIO = 10_000
    settings.UPLOAD_MAX_BYTES = 1_000_000
    assert codes(case, technician, upload("a.zip", bomb)) == ["file_too_large", "duplicate"]


def test_a_zip_that_lies_about_its_sizes_is_not_believed(case: SmearCase, technician: Any) -> None:
    content = b"\0" * 5_000_000
    data = bytearray(archive({"lie.png": content}, compression=zipfile.ZIP_DEFLATED))
    central = data.find(b"PK\x01\x02")
    data[central + 24 : central + 28] = (3000).to_bytes(4, "little")
    assert codes(case, technician, upload("a.zip", bytes(data))) == ["entry_damaged"]


def test_all_entries_together_are_capped(case: SmearCase, technician: Any, settings: Any) -> None:
    pictures = {f"{seed}.png": picture_bytes(seed=seed) for seed in range(4)}
    settings.ZIP_MAX_TOTAL_BYTES = sum(len(each) for each in list(pictures.values())[:2]) + 10
    assert codes(case, technician, upload("a.zip", archive(pictures))) == [
        "accepted", "accepted", "archive_total", "archive_total",
    ]  # fmt: skip


def test_too_many_entries_and_too_large_archives_are_refused_whole(
    case: SmearCase, technician: Any, settings: Any
) -> None:
    data = archive({f"{seed}.png": picture_bytes(seed=seed) for seed in range(4)})
    settings.ZIP_MAX_ENTRIES = 3
    assert codes(case, technician, upload("a.zip", data)) == ["archive_too_many_entries"]
    settings.ZIP_MAX_ENTRIES = 4
    settings.ZIP_MAX_BYTES = len(data) - 1
    assert codes(case, technician, upload("a.zip", data)) == ["archive_too_large"]
    assert not stored_files()


def test_an_endless_central_directory_is_not_read(
    case: SmearCase, technician: Any, settings: Any
) -> None:
    settings.ZIP_MAX_ENTRIES = 10
    data = archive({f"{'x' * 200}{number}": b"" for number in range(2000)})
    assert codes(case, technician, upload("a.zip", data)) == ["archive_damaged"]


@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_a_broken_zip_is_one_rejected_file(case: SmearCase, technician: Any, part: float) -> None:
    data = archive({f"{seed}.png": picture_bytes(seed=seed) for seed in range(3)})
    broken = data[: int(len(data) * part)]
    files = [upload("a.zip", broken), upload(seed=9)]
    assert codes(case, technician, *files) == ["archive_damaged", "accepted"]
    assert codes(case, technician, upload("b.zip", archive({}))) == ["archive_empty"]


def test_a_damaged_entry_does_not_spoil_the_others(case: SmearCase, technician: Any) -> None:
    first, second = picture_bytes(seed=1), picture_bytes(seed=2)
    data = bytearray(archive({"a.png": first, "b.png": second}))
    data[data.find(first) + 100] ^= 0xFF
    assert codes(case, technician, upload("a.zip", bytes(data))) == ["entry_damaged", "accepted"]


def test_names_written_as_utf8_without_saying_so_are_read(case: SmearCase, technician: Any) -> None:
    data = archive({"célula.png": picture_bytes(seed=1)})
    stripped = bytearray(data)
    for signature, flag_at in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        stripped[stripped.find(signature) + flag_at] &= 0xF7
    (answer,) = store_images(case=case, user=technician, files=[upload("a.zip", bytes(stripped))])
    assert answer.name == "célula.png"


@pytest.mark.django_db(transaction=True)
def test_uploads_at_once_get_numbers_without_gaps_or_twins(case: SmearCase) -> None:
    technician = member(case.laboratory)

    def send(start: int) -> list[str]:
        try:
            files = [upload(seed=start * 100 + number) for number in range(5)]
            return [each.outcome for each in store_images(case=case, user=technician, files=files)]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        outcomes = [each for some in pool.map(send, range(4)) for each in some]
    assert outcomes == ["accepted"] * 20
    assert sorted(CaseImage.objects.values_list("number", flat=True)) == list(range(1, 21))
    assert sorted(Cell.objects.values_list("number", flat=True)) == list(range(1, 21))


@pytest.mark.django_db(transaction=True)
def test_a_racing_duplicate_is_answered_as_duplicate(
    case: SmearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    technician = member(case.laboratory)
    both_looked = threading.Barrier(2, timeout=20)
    look = uploads.read_picture

    def look_together(data: bytes) -> Any:
        both_looked.wait()
        return look(data)

    monkeypatch.setattr(uploads, "read_picture", look_together)

    def send(_: int) -> Any:
        try:
            (answer,) = store_images(case=case, user=technician, files=[upload(seed=1)])
            return answer
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(send, range(2)), key=lambda each: each.outcome)
    assert [each.outcome for each in answers] == ["accepted", "duplicate"]
    assert answers[1].duplicate_of == 1
    assert len(stored_files()) == 1
    case.refresh_from_db()
    assert (case.last_image_number, case.last_cell_number) == (1, 1)
