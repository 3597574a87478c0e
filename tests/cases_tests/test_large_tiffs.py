"""Large TIFF fields: only their picture is kept, and every refusal says what to do."""

from __future__ import annotations

import hashlib
import lzma
import struct
import zlib
from collections.abc import Callable
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
from tests.factories import member, upload

pytestmark = pytest.mark.django_db

SECRET = "PEREZ GARCIA Maria"
SHAPE = (300, 410, 3)


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


def noise(shape: tuple[int, ...] = SHAPE, dtype: Any = np.uint8) -> Any:
    return np.random.default_rng(7).integers(0, 200, shape).astype(dtype)


def written(path: Path, pixels: Any = None, **options: Any) -> bytes:
    options = {"photometric": "rgb", **options}
    tifffile.imwrite(path, noise() if pixels is None else pixels, **options)
    return path.read_bytes()


def pillow(path: Path, compression: str, mode: str = "RGB") -> bytes:
    Image.fromarray(noise()).convert(mode).save(path, "TIFF", compression=compression)
    return path.read_bytes()


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


def cut_off(path: Path) -> bytes:
    return written(path, tile=(64, 64), compression="zlib")[:-5000]


def with_entry(data: bytes, tag: int, value: int, *, kind: int = 4, count: int = 1) -> bytes:
    """Overwrite one entry of the first directory of a little-endian classic TIFF."""
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, at)[0] == tag:
            return data[:at] + struct.pack("<HHII", tag, kind, count, value) + data[at + 12 :]
    raise AssertionError(f"no tag {tag}")


def damaged_middle(path: Path) -> bytes:
    """One bit of a tile's data behind the first is wrong: its checksum tells."""
    data = bytearray(written(path, tile=(64, 64), compression="zlib"))
    with tifffile.TiffFile(path) as file:
        at = file.pages[0].dataoffsets[7] + 200
    data[at] ^= 0x10
    return bytes(data)


def swapped(path: Path, made: bytes) -> bytes:
    """A TIFF whose fourth tile is other data, behind the end of the file."""
    data = written(path, tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        offsets, counts = page.tags[324].valueoffset, page.tags[325].valueoffset
        size = {3: "<H", 4: "<I"}[page.tags[325].dtype]
    out = bytearray(data + made)
    struct.pack_into("<I", out, offsets + 12, len(data))
    struct.pack_into(size, out, counts + 3 * struct.calcsize(size), len(made))
    return bytes(out)


REFUSED: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "lzw": (lambda path: pillow(path, "tiff_lzw"), "tiff_compression"),
    "jpeg": (lambda path: pillow(path, "jpeg"), "tiff_compression"),
    "grey-jpeg": (lambda path: pillow(path, "jpeg", "L"), "tiff_compression"),
    "unknown-compression": (
        lambda path: with_entry(written(path, tile=(64, 64), compression="zlib"), 259, 34712),
        "tiff_compression",
    ),
    "16-bit": (lambda path: written(path, noise(dtype=np.uint16)), "tiff_pixels"),
    "float": (lambda path: written(path, noise(dtype=np.float32)), "tiff_pixels"),
    "signed": (lambda path: written(path, noise(dtype=np.int8)), "tiff_pixels"),
    "one-bit": (lambda path: pillow(path, "raw", "1"), "tiff_pixels"),
    "palette": (lambda path: pillow(path, "raw", "P"), "tiff_pixels"),
    "inks": (lambda path: pillow(path, "raw", "CMYK"), "tiff_pixels"),
    "inverted": (
        lambda path: written(path, noise(SHAPE[:2]), photometric="miniswhite"), "tiff_pixels",
    ),
    "planes": (
        lambda path: written(path, noise((3, 300, 410)), planarconfig="separate"), "tiff_pixels",
    ),
    "stack": (
        lambda path: written(path, noise((4, *SHAPE)), ome=True, metadata={"axes": "ZYXS"}),
        "tiff_several",
    ),
    "channels-as-pages": (
        lambda path: written(path, noise((3, 300, 410)), photometric="minisblack"),
        "tiff_several",
    ),
    "cut-off": (cut_off, "tiff_unreadable"),
    "header-alone": (lambda path: b"II*\0" + b"\0" * 2000, "tiff_unreadable"),
    "directory-beyond-end": (
        lambda path: b"II*\0" + struct.pack("<I", 10**9) + b"\0" * 2000, "tiff_unreadable",
    ),
    "damaged-tile": (damaged_middle, "tiff_unreadable"),
    "bomb": (lambda path: swapped(path, zlib.compress(b"\0" * 50_000_000, 9)), "tiff_unreadable"),
    "unfinished-tile": (
        lambda path: swapped(path, zlib.compress(bytes(range(256)) * 40)[:-8]), "tiff_unreadable",
    ),
    "no-width": (lambda path: with_entry(written(path), 256, 0), "tiff_unreadable"),
    "no-rows-per-strip": (
        lambda path: with_entry(written(path, rowsperstrip=48, compression="zlib"), 278, 0),
        "tiff_unreadable",
    ),
    "more-rows-than-pieces": (
        lambda path: with_entry(written(path, tile=(64, 64), compression="zlib"), 257, 9000),
        "tiff_unreadable",
    ),
    "four-thousand-million-samples": (
        lambda path: with_entry(written(path), 277, 2**32 - 1), "tiff_pixels",
    ),
    "more-offsets-than-file": (
        lambda path: with_entry(
            written(path, tile=(64, 64), compression="zlib"), 324, 8, count=2**31
        ),
        "tiff_unreadable",
    ),
    "too-many-pixels": (
        lambda path: with_entry(with_entry(written(path), 256, 60_000), 257, 60_000),
        "field_too_many_pixels",
    ),
    "one-large-piece": (
        lambda path: with_entry(
            with_entry(
                with_entry(written(path, rowsperstrip=300, compression="zlib"), 256, 20_000),
                257, 20_000,
            ),
            278, 20_000,
        ),
        "tiff_one_piece",
    ),
    "big-tiff-cut-off": (
        lambda path: written(path, bigtiff=True)[:-5000], "tiff_unreadable",
    ),
}  # fmt: skip


# Those that ask for much: the helper's own limits have to hold.
MUCH = ("four-thousand-million-samples", "more-offsets-than-file", "bomb")


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


def test_lzma_is_counted_while_it_is_inflated(tmp_path: Path) -> None:
    path = tmp_path / "piece"
    path.write_bytes(lzma.compress(b"\0" * 9_000_000))
    with path.open("rb") as source, (tmp_path / "out").open("wb") as out:
        tiff_copy._copy_piece(source, out, path.stat().st_size, 34925, 9_000_000)
        source.seek(0)
        with pytest.raises(tiff_copy.Damaged):
            tiff_copy._copy_piece(source, out, path.stat().st_size, 34925, 8_999_999)
