"""Tile pyramids: what the tiles hold, how little memory they take, and the worker's rules."""

from __future__ import annotations

import io
import tracemalloc
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from PIL import Image

from cases import failures
from cases.models import CaseImage, SmearCase
from cases.models.image import WorkState
from cases.services.errors import NotAllowed
from classifier.models import TilePyramid
from classifier.services import tiles
from classifier.tiles.pyramid import TILE, build, count_tiles, halved, levels_of
from tests.factories import (
    CaseImageFactory,
    CellFactory,
    LaboratoryFactory,
    SmearCaseFactory,
    member,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.django_db

WIDTH, HEIGHT = 2400, 1700  # just above four megapixels, and odd numbers of tiles


def scenery(width: int, height: int) -> NDArray[np.uint8]:
    """Colours that tell every place apart and survive JPEG."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    planes = (x * 255 // width, y * 255 // height, (x + y) // 16 % 256)
    return np.stack(planes, axis=-1).astype(np.uint8)


class Shelf(dict[tuple[int, int, int], bytes]):
    """Tiles in memory."""

    def read(self, level: int, x: int, y: int) -> bytes:
        return self[level, x, y]

    def write(self, level: int, x: int, y: int, data: bytes) -> None:
        self[level, x, y] = data


def field(case: SmearCase, pixels: NDArray[np.uint8], **attributes: Any) -> CaseImage:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    height, width = pixels.shape[:2]
    given = {"kind": "field", "state": "done", "width": width, "height": height, **attributes}
    file = ContentFile(buffer.getvalue(), name="field.png")
    return CaseImageFactory(case=case, file=file, **given)


@pytest.fixture
def case() -> SmearCase:
    laboratory = LaboratoryFactory()
    return SmearCaseFactory(laboratory=laboratory)


@pytest.fixture
def large(case: SmearCase) -> CaseImage:
    return field(case, scenery(WIDTH, HEIGHT))


# --- the pyramid itself ---
def test_levels_halve_until_one_tile_shows_all() -> None:
    levels = levels_of(2401, 1700)
    assert [(each.number, each.width, each.height) for each in levels] == [
        (3, 2401, 1700),
        (2, 1201, 850),
        (1, 601, 425),
        (0, 301, 213),
    ]
    assert [(each.columns, each.rows) for each in levels] == [(5, 4), (3, 2), (2, 1), (1, 1)]
    assert count_tiles(2401, 1700) == 20 + 6 + 2 + 1
    assert count_tiles(TILE, TILE) == 1


def test_halving_is_the_mean_of_four_pixels() -> None:
    pixels = np.array([[0, 4, 10], [8, 8, 20], [1, 2, 3]], np.uint8)[..., None].repeat(3, axis=2)
    assert halved(pixels)[..., 0].tolist() == [[5, 15], [2, 3]]


def test_every_tile_shows_its_place() -> None:
    from ml.detection.sources import ArraySource

    pixels = scenery(1300, 1100)
    shelf = Shelf()
    assert sum(build(ArraySource(pixels), shelf)) == count_tiles(1300, 1100) == len(shelf)
    for level in levels_of(1300, 1100):
        step = 2 ** (levels_of(1300, 1100)[0].number - level.number)
        for y in range(level.rows):
            for x in range(level.columns):
                with Image.open(io.BytesIO(shelf[level.number, x, y])) as tile:
                    assert tile.size == level.size_of(x, y)
                    seen = np.asarray(tile).astype(int)
                top, left = y * TILE * step, x * TILE * step
                wanted = pixels[top : top + TILE * step, left : left + TILE * step][::step, ::step]
                # The first of the pixels a tile's pixel stands for is near their mean.
                assert np.abs(seen[..., :2] - wanted[..., :2]).mean() < 3, (level, x, y)


@pytest.mark.slow
def test_a_hundred_megapixels_take_little_memory(tmp_path: Path) -> None:
    from ml.detection.sources import open_source

    path, side = tmp_path / "large.tif", 10_000
    row = scenery(side, 256)

    def pieces() -> Iterator[NDArray[np.uint8]]:
        for _top in range(0, side, 256):
            for left in range(0, side, 256):
                piece = np.zeros((256, 256, 3), np.uint8)
                part = row[:, left : left + 256]
                piece[:, : part.shape[1]] = part
                yield piece

    tifffile.imwrite(
        path, pieces(), shape=(side, side, 3), dtype=np.uint8, tile=(256, 256), photometric="rgb",
        compression="zlib", compressionargs={"level": 1},
    )  # fmt: skip

    class Folder:
        def read(self, level: int, x: int, y: int) -> bytes:
            return (tmp_path / f"{level}-{x}-{y}").read_bytes()

        def write(self, level: int, x: int, y: int, data: bytes) -> None:
            (tmp_path / f"{level}-{x}-{y}").write_bytes(data)

    source = open_source(path)
    tracemalloc.start()
    made = sum(build(source, Folder()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made == count_tiles(side, side) == 539
    assert peak < 150e6  # the image itself has 300 MB


# --- the worker ---
def test_only_large_fields_get_tiles(case: SmearCase, large: CaseImage) -> None:
    small = field(case, scenery(64, 48))
    single = field(case, scenery(64, 48), kind="single_cell", width=WIDTH, height=HEIGHT)
    assert tiles.waiting_exists()
    assert tiles.build_waiting() == 1
    pyramid = TilePyramid.objects.get()
    assert pyramid.image == large
    assert pyramid.state == WorkState.DONE
    assert pyramid.progress == 100
    assert pyramid.tiles_done == pyramid.tiles_total == count_tiles(WIDTH, HEIGHT)
    assert pyramid.folder.startswith(f"cases/{case.pk}/")
    assert not tiles.waiting_exists()
    assert {small.pk, single.pk}.isdisjoint(TilePyramid.objects.values_list("image_id", flat=True))


def test_a_worker_that_leaves_goes_on_where_it_was(large: CaseImage) -> None:
    # Asked before the claim, after each of two rows, and before the next claim.
    asked = iter([False, False, True, True])
    tiles.build_waiting(should_stop=lambda: next(asked))
    pyramid = TilePyramid.objects.get()
    assert (pyramid.state, pyramid.rows_done, pyramid.attempts) == (WorkState.QUEUED, 2, 0)
    assert 0 < pyramid.progress < 100
    first = pyramid.tile_name(3, 0, 0)
    written = default_storage.get_modified_time(first)
    assert tiles.build_waiting() == 1
    pyramid.refresh_from_db()
    assert (pyramid.state, pyramid.tiles_done) == (WorkState.DONE, pyramid.tiles_total)
    assert default_storage.get_modified_time(first) == written  # not begun anew
    assert default_storage.exists(pyramid.tile_name(0, 0, 0))


def test_a_half_written_tile_of_a_dead_worker_is_replaced(large: CaseImage) -> None:
    tiles.enqueue_missing()
    pyramid = TilePyramid.objects.get()
    default_storage.save(pyramid.tile_name(3, 0, 0), ContentFile(b"half"))
    long_ago = timezone.now() - timedelta(hours=1)
    TilePyramid.objects.update(state="processing", attempts=1, lease_expires_at=long_ago)
    assert tiles.build_waiting() == 1
    with default_storage.open(pyramid.tile_name(3, 0, 0)) as file, Image.open(file) as tile:
        assert tile.size == (TILE, TILE)
    assert len(default_storage.listdir(f"{pyramid.folder}/3")[1]) == 20


def test_nothing_is_stored_without_the_lease(large: CaseImage) -> None:
    def other_worker() -> bool:
        TilePyramid.objects.update(lease_token=None)
        return False

    assert tiles.build_waiting(should_stop=other_worker) == 0
    assert TilePyramid.objects.get().state == WorkState.PROCESSING


@pytest.mark.parametrize(
    ("damage", "code"),
    [("missing", failures.FILE_MISSING), ("broken", failures.UNDECODABLE)],
)
def test_a_file_that_cannot_be_read_is_told_and_can_be_retried(
    large: CaseImage, damage: str, code: str
) -> None:
    name = large.file.name
    with default_storage.open(name, "rb") as file:
        whole = file.read()
    default_storage.delete(name)
    if damage == "broken":
        default_storage.save(name, ContentFile(whole[:4000]))
    assert tiles.build_waiting() == 1
    pyramid = TilePyramid.objects.get()
    assert (pyramid.state, pyramid.failure_code) == (WorkState.FAILED, code)
    assert not tiles.waiting_exists()
    technician = member(large.case.laboratory)
    with pytest.raises(NotAllowed):
        tiles.retry(user=member(LaboratoryFactory()), image=large)
    default_storage.delete(name)
    default_storage.save(name, ContentFile(whole))
    assert tiles.retry(user=technician, image=large)
    assert tiles.build_waiting() == 1
    pyramid.refresh_from_db()
    assert (pyramid.state, pyramid.failure_code) == (WorkState.DONE, "")
    assert not tiles.retry(user=technician, image=large)


def test_a_storage_that_fails_is_tried_again_later(
    large: CaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(tiles.StoredTiles, "write", full)
    assert tiles.build_waiting() == 0
    pyramid = TilePyramid.objects.get()
    assert (pyramid.state, pyramid.attempts) == (WorkState.QUEUED, 1)
    assert pyramid.not_before is not None


def test_a_storage_without_paths_will_do(large: CaseImage, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_path(file: File[bytes]) -> str:
        raise NotImplementedError

    monkeypatch.setattr("django.db.models.fields.files.FieldFile.path", property(no_path))
    assert tiles.build_waiting() == 1
    assert TilePyramid.objects.get().state == WorkState.DONE


# --- the addresses ---
def test_tiles_are_handed_out_once_the_pyramid_is_whole(large: CaseImage, client: Client) -> None:
    client.force_login(member(large.case.laboratory))
    address = f"/images/{large.pk}/tiles/3/4_3.jpg"
    assert client.get(address).status_code == 404
    assert client.get(f"/images/{large.pk}/thumbnail.jpg").status_code == 404
    tiles.build_waiting()
    answer = client.get(address)
    with Image.open(io.BytesIO(answer.content)) as tile:
        assert tile.format == "JPEG"
        assert tile.size == (WIDTH - 4 * TILE, HEIGHT - 3 * TILE)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
    again = client.get(address, headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for beyond in ("3/5_0", "3/0_4", "4/0_0", "0/1_0"):
        assert client.get(f"/images/{large.pk}/tiles/{beyond}.jpg").status_code == 404
    thumbnail = client.get(f"/images/{large.pk}/thumbnail.jpg")
    with Image.open(io.BytesIO(thumbnail.content)) as small:
        assert small.size == (300, 213)


def test_a_small_field_is_its_own_thumbnail(case: SmearCase, client: Client) -> None:
    image = field(case, scenery(800, 600))
    client.force_login(member(case.laboratory))
    answer = client.get(f"/images/{image.pk}/thumbnail.jpg")
    with Image.open(io.BytesIO(answer.content)) as small:
        assert small.size == (384, 288)
    client.force_login(member(LaboratoryFactory()))
    assert client.get(f"/images/{image.pk}/thumbnail.jpg").status_code == 404


def test_a_cell_is_shown_from_tiles(
    large: CaseImage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across four tiles, without the large picture being decoded again."""
    cell = CellFactory(
        case=large.case, image=large, left=482, top=482, width=60, height=60, frame_side=96
    )
    client.force_login(member(large.case.laboratory))
    address = f"/cells/{cell.pk}/photo/?size=96"
    decoded = np.asarray(Image.open(io.BytesIO(client.get(address).content))).astype(int)
    tiles.build_waiting()

    def never(*args: Any) -> None:
        raise AssertionError("the field was decoded")

    monkeypatch.setattr("classifier.fields.frames.source_of", never)
    shown = np.asarray(Image.open(io.BytesIO(client.get(address).content))).astype(int)
    assert shown.shape == decoded.shape == (96, 96, 3)
    assert np.abs(shown - decoded)[..., :2].mean() < 3
