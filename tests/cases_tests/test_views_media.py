"""Images and photos of cells: served only to members, and harmless whatever they hold."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from cases.models import Cell, Laboratory, SmearCase
from cases.services.uploads import store_images
from tests.factories import LaboratoryFactory, SmearCaseFactory, member, picture, upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def laboratory(db: None) -> Laboratory:
    return LaboratoryFactory()


@pytest.fixture
def client(laboratory: Laboratory) -> Client:
    client = Client()
    client.force_login(member(laboratory, "technician"))
    return client


@pytest.fixture
def cell(laboratory: Laboratory) -> Cell:
    """A cell whose photograph came with a place and a camera in its EXIF."""
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    picture(seed=3, size=(300, 200)).save(stream, "JPEG", exif=exif, quality=95)
    user = member(laboratory, "technician")
    case = SmearCaseFactory(laboratory=laboratory)
    (answer,) = store_images(case=case, user=user, files=[upload("a.jpg", stream.getvalue())])
    assert answer.image is not None
    return answer.image.cells.get()


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_an_image_is_served_without_its_metadata_and_harmless(client: Client, cell: Cell) -> None:
    answer = client.get(reverse("image_file", args=[cell.image_id]))
    content = body(answer)
    assert answer["Content-Type"] == "image/jpeg"
    assert b"Secret Camera" not in content
    assert Image.open(io.BytesIO(content)).size == (300, 200)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "private" in answer["Cache-Control"]
    assert answer["Content-Disposition"].startswith("inline")


def test_an_image_can_be_downloaded_under_the_servers_own_name(client: Client, cell: Cell) -> None:
    answer = client.get(reverse("image_file", args=[cell.image_id]), {"download": "1"})
    name = f"image-{cell.case_id}-{cell.image.number}.jpg"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    ("asked", "longest"), [("96", 96), ("100", 192), ("", 192), ("9999", 300), ("x", 192)]
)
def test_photos_come_in_few_sizes(client: Client, cell: Cell, asked: str, longest: int) -> None:
    answer = client.get(reverse("cell_photo", args=[cell.pk]), {"size": asked})
    photo = Image.open(io.BytesIO(answer.content))
    assert photo.format == "JPEG"
    assert max(photo.size) == longest
    assert photo.size[0] * 2 == photo.size[1] * 3


def test_a_photo_shows_the_cells_box_alone(client: Client, cell: Cell) -> None:
    Cell.objects.filter(pk=cell.pk).update(left=10, top=20, width=60, height=40)
    answer = client.get(reverse("cell_photo", args=[cell.pk]), {"size": "96"})
    assert Image.open(io.BytesIO(answer.content)).size == (60, 40)


def test_a_photo_is_sent_again_only_when_it_changed(client: Client, cell: Cell) -> None:
    address = reverse("cell_photo", args=[cell.pk])
    tag = client.get(address)["ETag"]
    again = client.get(address, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    Cell.objects.filter(pk=cell.pk).update(width=100)
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 200


def test_a_missing_file_is_not_found(client: Client, cell: Cell) -> None:
    cell.image.file.storage.delete(cell.image.file.name)
    assert client.get(reverse("cell_photo", args=[cell.pk])).status_code == 404
    assert client.get(reverse("image_file", args=[cell.image_id])).status_code == 404


def test_media_has_no_other_address(client: Client, cell: Cell) -> None:
    assert SmearCase.objects.exists()
    assert client.get(f"/media/{cell.image.file.name}").status_code == 404
