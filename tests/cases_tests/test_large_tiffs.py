"""Large TIFF fields: only their picture is kept, and every refusal says what to do."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import translation
from PIL import Image

from cases import large_tiffs, tiff_copy, tiff_header
from cases.models import CaseImage, Role, SmearCase
from cases.services.uploads import store_images
from ml.detection.sources import TiffSource
from tests.cases_tests.tiff_files import (
    JPEG_FIELDS,
    REFUSED,
    SECRET,
    SHAPE,
    commented,
    noise,
    written,
)
from tests.factories import member, upload

pytestmark = pytest.mark.django_db


def in_this_process(module: str, source: str, *target: str, seconds: int) -> dict[str, Any]:
    """What the helper would say, without the seconds it takes to start."""
    if module == "cases.tiff_copy":
        return tiff_copy.copy_picture(Path(source), Path(target[0]))
    try:
        return tiff_header.look(Path(source))
    except Exception as error:
        return {"refused": "tiff_unreadable", "because": repr(error)}


@pytest.fixture(autouse=True)
def any_size_is_large(
    request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is above a kilobyte is kept as TIFF; the helper is a process where it matters."""
    settings.UPLOAD_MAX_BYTES = 1024
    if request.node.get_closest_marker("processes") is None:
        monkeypatch.setattr(large_tiffs, "_ask", in_this_process)


@pytest.fixture
def technician(case: SmearCase) -> Any:
    return member(case.laboratory, Role.TECHNICIAN)


def answer_of(case: SmearCase, user: Any, data: bytes) -> Any:
    (answer,) = store_images(case=case, user=user, files=[upload("field.ome.tif", data)])
    return answer


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 48, "compression": "zlib", "predictor": 2},
        {"tile": (128, 128), "compression": "zlib"},
        {"tile": (64, 192), "bigtiff": True},
        {"tile": (64, 64), "compression": "zlib", "byteorder": ">"},
        {"rowsperstrip": 100, "compression": "lzma"},
        {"rowsperstrip": 48, "compression": "lzw", "predictor": 2},
        {"tile": (128, 128), "compression": "lzw"},
        {"pixels": noise((*SHAPE[:2], 4)), "extrasamples": ["unassalpha"]},
        {"pixels": noise(SHAPE[:2]), "photometric": "minisblack", "tile": (128, 128)},
    ],
    ids=lambda options: "-".join(sorted(options)) or "plain",
)
@pytest.mark.parametrize("wide", [False, True], ids=["classic", "wide"])
def test_the_picture_is_kept_and_nothing_else(
    case: SmearCase,
    technician: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    wide: bool,
) -> None:
    """Description, names, private tags, a label behind the picture: none of it is in the file."""
    path = tmp_path / "field.ome.tif"
    options = dict(options)
    pixels = options.pop("pixels", noise())
    with tifffile.TiffWriter(
        path, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", "<")
    ) as file:
        file.write(
            pixels, description=SECRET, software=SECRET, metadata=None,
            extratags=[(315, "s", 0, SECRET, True), (65000, "s", 0, SECRET, True)],
            **{"photometric": "rgb", **options},
        )  # fmt: skip
        file.write(np.frombuffer(SECRET.encode() * 60, np.uint8).reshape(30, 36), metadata=None)
    data = path.read_bytes() + SECRET.encode()
    if wide:  # as where offsets need 64 bits
        monkeypatch.setattr(tiff_copy, "CLASSIC_MAX_BYTES", 0)
    answer = answer_of(case, technician, data)
    assert answer.outcome == "accepted", answer.message
    image = CaseImage.objects.get()
    assert (image.kind, image.width, image.height) == ("field", SHAPE[1], SHAPE[0])
    assert (image.sha256, image.byte_size) == (hashlib.sha256(data).hexdigest(), len(data))
    client = Client()
    client.force_login(technician)
    page = client.get(f"/images/{image.pk}/file/")
    served = b"".join(page.streaming_content)  # type: ignore[attr-defined]
    assert SECRET.encode() not in served
    assert "Content-Disposition" in page
    kept = tmp_path / "kept.tif"
    kept.write_bytes(served)
    with tifffile.TiffFile(kept) as file:
        assert len(file.pages) == 1
        assert file.is_bigtiff == wide
        assert np.array_equal(file.pages[0].asarray(), pixels)
        assert not {270, 305, 315, 65000} & set(file.pages[0].tags.keys())
    assert answer_of(case, technician, data).outcome == "duplicate"


@pytest.mark.parametrize("name", JPEG_FIELDS)
def test_a_picture_in_jpeg_pieces_keeps_its_colours_and_loses_what_is_beside_them(
    case: SmearCase, technician: Any, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "field.tif"
    y, x = np.mgrid[:300, :410]
    drawn = np.stack([x * 0.6, y * 0.8, 255 - x * 0.3], axis=-1).astype(np.uint8)
    drawn[90:160, 100:200] = (150, 40, 190)
    JPEG_FIELDS[name](path, drawn)
    data = commented(path)
    assert SECRET.encode() in data
    answer = answer_of(case, technician, data)
    assert answer.outcome == "accepted", answer.message
    kept = Path(default_storage.path(CaseImage.objects.get().file.name))
    assert SECRET.encode() not in kept.read_bytes()
    with TiffSource(path) as before, TiffSource(kept) as after:
        was, now = (each.read(30, 20, 300, 270) for each in (before, after))
    assert np.array_equal(was, now)
    expected = np.asarray(Image.open(path).convert("RGB"))[20:290, 30:330]
    # libtiff brings halved colours back to size more simply.
    assert np.abs(now.astype(int) - expected).mean() < 1.5
    if "grey" not in name:
        assert np.abs(now.astype(int) - drawn[20:290, 30:330]).mean() < 4


# Those that ask for much: the helper's own limits have to hold.
MUCH = (
    "four-thousand-million-samples", "more-offsets-than-file", "bomb", "lzw-bomb",
    "jpeg-of-a-giant", "jpeg-picture-among-tables",
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.processes] if name in MUCH else []) for name in REFUSED],
)
def test_what_cannot_be_kept_is_refused_with_the_way_out(
    case: SmearCase, technician: Any, tmp_path: Path, name: str
) -> None:
    make, code = REFUSED[name]
    answer = answer_of(case, technician, make(tmp_path / "field.tif"))
    assert (answer.outcome, answer.code) == ("rejected", code)
    english = str(answer.message)
    with translation.override("es"):
        assert str(answer.message) not in ("", english)
    assert not CaseImage.objects.exists()
    assert not [each for each in Path(default_storage.path("")).rglob("*") if each.is_file()]


def test_pieces_that_lie_upon_each_other_are_not_copied_over_and_over(
    case: SmearCase, technician: Any, tmp_path: Path
) -> None:
    """A small file whose thousand tiles are all the same bytes would fill a disk."""
    path = tmp_path / "field.tif"
    data = bytearray(written(path, noise((512, 512, 3)), tile=(64, 64)))
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        at, first = page.tags[324].valueoffset, page.dataoffsets[0]
    struct.pack_into("<64I", data, at, *[first] * 64)
    answer = answer_of(case, technician, bytes(data[: len(data) // 2]))
    assert answer.code == "tiff_unreadable"


@pytest.mark.processes
def test_a_disk_that_is_full_is_not_the_files_fault(
    case: SmearCase, technician: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = large_tiffs._ask

    def to_a_full_disk(module: str, source: str, *target: str, seconds: int) -> dict[str, Any]:
        return asked(module, source, *["/dev/full" for _ in target], seconds=seconds)

    monkeypatch.setattr(large_tiffs, "_ask", to_a_full_disk)
    answer = answer_of(case, technician, written(tmp_path / "field.tif", tile=(64, 64)))
    assert (answer.outcome, answer.code) == ("rejected", "not_stored")
