"""Very large TIFFs: kept as they came, sized without decoding, shown from their tiles."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from cases.models import CaseImage, Role, SmearCase, User
from cases.services.large_fields import is_large_field, tiff_size
from cases.services.uploads import store_images
from classifier.services import tiles
from tests.factories import CellFactory, LaboratoryFactory, SmearCaseFactory, member

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.django_db
WIDTH, HEIGHT = 2600, 1800


def scenery() -> NDArray[np.uint8]:
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    planes = (x * 255 // WIDTH, y * 255 // HEIGHT, np.full_like(x, 90))
    return np.stack(planes, axis=-1).astype(np.uint8)


def tiff(**options: Any) -> bytes:
    buffer = io.BytesIO()
    settings = {"photometric": "rgb", "compression": "zlib", "tile": (256, 256)} | options
    tifffile.imwrite(buffer, scenery(), **settings)
    return buffer.getvalue()


@pytest.fixture
def case() -> SmearCase:
    return SmearCaseFactory(laboratory=LaboratoryFactory())


@pytest.fixture
def technician(case: SmearCase) -> User:
    return member(case.laboratory, Role.TECHNICIAN)


@pytest.fixture(autouse=True)
def _small_limits(settings: Any) -> None:
    """So that nothing has to be large to be too large to decode."""
    settings.UPLOAD_MAX_PIXELS = 1_000_000


@pytest.mark.parametrize(
    "options",
    [{}, {"bigtiff": True}, {"byteorder": ">"}, {"byteorder": ">", "bigtiff": True}, {"ome": True}],
)
def test_a_tiff_tells_its_size_undecoded(options: dict[str, Any]) -> None:
    assert tiff_size(io.BytesIO(tiff(**options))) == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "data",
    [b"", b"II*\x00", b"II*\x00\xff\xff\xff\xff", b"\x89PNG\r\n\x1a\n" + bytes(50), tiff()[:20]],
)
def test_what_is_no_whole_tiff_has_no_size(data: bytes) -> None:
    assert tiff_size(io.BytesIO(data)) is None
    assert not is_large_field(SimpleUploadedFile("field.tif", data))


def test_a_large_tiff_becomes_a_field_shown_from_tiles(
    case: SmearCase, technician: User, client: Client
) -> None:
    data = tiff(ome=True)
    (answer,) = store_images(
        case=case, user=technician, files=[SimpleUploadedFile("slide.ome.tif", data)]
    )
    assert answer.outcome == "accepted"
    image = CaseImage.objects.get(case=case)
    assert (image.kind, image.width, image.height) == ("field", WIDTH, HEIGHT)
    assert (image.byte_size, image.state, image.file.name[-4:]) == (len(data), "queued", ".tif")
    with image.file.open("rb") as file:
        assert file.read() == data
    (again,) = store_images(
        case=case, user=technician, files=[SimpleUploadedFile("again.tif", data)]
    )
    assert again.outcome == "duplicate"

    cell = CellFactory(case=case, image=image, number=7, left=500, top=490, width=60, height=50)
    client.force_login(technician)
    assert client.get(f"/cells/{cell.pk}/photo/").status_code == 404  # no tiles yet
    assert tiles.build_waiting() == 1
    photo = client.get(f"/cells/{cell.pk}/photo/?size=96")
    with Image.open(io.BytesIO(photo.content)) as picture:
        seen = np.asarray(picture.convert("RGB")).astype(int)
    # The window lies across four tiles.
    wanted = scenery()[490:540, 500:560].astype(int)
    assert seen.shape == wanted.shape
    assert np.abs(seen - wanted).mean() < 3
    # No browser is shown a TIFF of somebody: it is handed out as a file.
    original = client.get(f"/images/{image.pk}/file/")
    assert original["Content-Disposition"].startswith("attachment")


def test_limits_of_large_tiffs_are_told(case: SmearCase, technician: User, settings: Any) -> None:
    def code(**options: Any) -> str:
        (answer,) = store_images(
            case=case,
            user=technician,
            files=[SimpleUploadedFile("slide.tif", tiff())],
            **options,
        )
        return answer.code

    assert code(kind="single_cell") == "too_large_for_a_cell"
    settings.FIELD_MAX_PIXELS = 2_000_000
    assert code() == "too_many_pixels"
    settings.FIELD_MAX_PIXELS, settings.FIELD_MAX_BYTES = 10**9, 1000
    assert code() == "file_too_large"
    assert not CaseImage.objects.filter(case=case).exists()


def test_a_large_tiff_that_cannot_be_read_fails_with_a_reason(
    case: SmearCase, technician: User
) -> None:
    whole = tiff()
    broken = whole[: len(whole) // 3] + bytes(len(whole) - len(whole) // 3)
    if tiff_size(io.BytesIO(broken)) is None:  # the directory lies at the end
        broken = whole[:400] + b"\xff" * 5000 + whole[5400:]
    (answer,) = store_images(
        case=case, user=technician, files=[SimpleUploadedFile("slide.tif", broken)]
    )
    assert answer.outcome == "accepted"
    tiles.build_waiting()
    image = CaseImage.objects.get(case=case)
    assert (image.pyramid.state, image.pyramid.failure_code) == ("failed", "undecodable")
