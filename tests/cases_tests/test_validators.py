"""Which files are taken, in which order they are checked and what is kept of them."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from io import BytesIO
from typing import Any

import numpy
import pytest
from PIL import Image, ImageCms, ImageFile, ImageOps, PngImagePlugin

from cases.validators import Rejected, display_name, read_capped, read_picture
from tests.conftest import PROJECT
from tests.factories import picture, picture_bytes

ORIENTATION = 0x0112


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, format=format, **options)
    return stream.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def refusal(data: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        read_picture(data)
    assert str(caught.value.message)
    return caught.value.code


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_every_accepted_format_becomes_an_rgb_picture(format: str) -> None:
    kept = read_picture(picture_bytes(format, size=(30, 20)))
    image = opened(kept.data)
    assert (image.mode, image.size) == ("RGB", (30, 20))
    assert (kept.width, kept.height) == (30, 20)
    assert kept.extension == {"JPEG": "jpg", "PNG": "png"}[image.format or ""]


@pytest.mark.parametrize("format", ["GIF", "ICO", "PPM", "TGA"])
def test_other_picture_formats_are_refused(format: str) -> None:
    assert refusal(encode(picture(), format)) == "not_an_image"


@pytest.mark.parametrize(
    "data",
    [
        b"This is a text.",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><html><body>hello</body></html>",
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.7",
        bytes(range(256)),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert refusal(data) in ("not_an_image", "unreadable")


def test_an_empty_file_and_one_above_the_cap_are_refused(settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 100
    for data, code in ((b"", "empty_file"), (b"x" * 101, "file_too_large")):
        with pytest.raises(Rejected) as caught:
            read_capped(BytesIO(data))
        assert caught.value.code == code
    assert read_capped(BytesIO(b"x" * 100)) == b"x" * 100


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is this large."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(11_000, 10_000), (60_000, 60_000), (2**31 - 1, 1)])
def test_pixels_are_capped_before_anything_is_decoded(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    assert refusal(png_that_claims(*size)) == "too_many_pixels"


def test_the_pixel_cap_is_the_setting(settings: Any) -> None:
    settings.UPLOAD_MAX_PIXELS = 24 * 24
    assert read_picture(picture_bytes(size=(24, 24))).width == 24
    assert refusal(picture_bytes(size=(25, 24))) == "too_many_pixels"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_pictures_are_refused(format: str, part: float) -> None:
    data = picture_bytes(format, size=(200, 200))
    assert refusal(data[: int(len(data) * part)]) in ("unreadable", "not_an_image")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_and_no_metadata_is_kept(format: str, orientation: int) -> None:
    # Four flat quarters survive lossy compression and tell all eight orientations apart.
    image = Image.new("RGB", (48, 32))
    for box, color in (
        ((0, 0, 24, 16), (220, 30, 30)),
        ((24, 0, 48, 16), (30, 220, 30)),
        ((0, 16, 24, 32), (30, 30, 220)),
        ((24, 16, 48, 32), (220, 220, 220)),
    ):
        image.paste(color, box)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010E] = "Patient: Jane Doe"
    data = encode(image, format, exif=exif)
    expected = image.copy()
    expected.getexif()[ORIENTATION] = orientation
    expected = ImageOps.exif_transpose(expected)

    kept = read_picture(data)
    result = opened(kept.data)
    assert b"Jane Doe" not in kept.data
    assert not result.getexif()
    assert result.size == expected.size == (kept.width, kept.height)
    for x, y in ((6, 6), (-7, 6), (6, -7), (-7, -7)):
        at = (x % result.width, y % result.height)
        difference = numpy.subtract(result.getpixel(at), expected.getpixel(at), dtype=int)
        assert abs(difference).max() < 40


def test_a_jpeg_loses_its_metadata_and_keeps_its_coded_picture() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "SECRET-EXIF"
    plain = picture_bytes("JPEG", size=(64, 64), quality=90)
    data = encode(
        opened(plain), "JPEG", quality="keep", exif=exif, comment=b"SECRET-COMMENT",
        icc_profile=profile,
    )  # fmt: skip
    data += b"SECRET-TAIL"
    kept = read_picture(data)
    assert kept.extension == "jpg"
    assert b"SECRET" not in kept.data
    assert opened(kept.data).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert numpy.array_equal(numpy.asarray(opened(kept.data)), numpy.asarray(opened(data)))


def test_progressive_jpegs_survive_the_cut() -> None:
    data = picture_bytes("JPEG", size=(64, 64), progressive=True, comment=b"SECRET")
    kept = read_picture(data)
    assert b"SECRET" not in kept.data
    assert numpy.array_equal(numpy.asarray(opened(kept.data)), numpy.asarray(opened(data)))


def test_a_png_loses_its_text() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", "SECRET")
    data = picture_bytes("PNG", pnginfo=text) + b"SECRET-TAIL"
    kept = read_picture(data)
    assert b"SECRET" not in kept.data
    assert numpy.array_equal(numpy.asarray(opened(kept.data)), numpy.asarray(picture()))


def test_original_cell_images_keep_their_coded_picture(pbc_images: Any) -> None:
    for paths in pbc_images.values():
        data = paths[0].read_bytes()
        kept = read_picture(data)
        assert kept.extension == "jpg"
        assert len(kept.data) <= len(data)
        assert numpy.array_equal(numpy.asarray(opened(kept.data)), numpy.asarray(opened(data)))


def test_cmyk_palette_and_grey_become_rgb() -> None:
    red = Image.new("RGB", (16, 16), (200, 40, 40))
    for data in (
        encode(red.convert("CMYK"), "JPEG", quality=95),
        encode(red.convert("CMYK"), "TIFF"),
        encode(red.quantize(8), "PNG"),
        encode(red.quantize(8), "BMP"),
    ):
        pixel = opened(read_picture(data).data).getpixel((8, 8))
        assert abs(numpy.subtract(pixel, (200, 40, 40), dtype=int)).max() < 8
    for mode in ("L", "1"):
        grey = opened(read_picture(encode(Image.new(mode, (8, 8), 255), "PNG")).data)
        assert (grey.mode, grey.getpixel((4, 4))) == ("RGB", (255, 255, 255))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_laid_on_white(format: str) -> None:
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 8, 16))
    options = {"lossless": True} if format == "WEBP" else {}
    result = opened(read_picture(encode(clear, format, **options)).data)
    assert result.getpixel((2, 2)) == (0, 0, 0)
    assert result.getpixel((12, 12)) == (255, 255, 255)


def test_transparent_palette_and_grey_are_laid_on_white() -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    for data in (
        encode(palette, "PNG", transparency=0),
        encode(Image.new("LA", (8, 8), (0, 0)), "PNG"),
        encode(Image.new("RGB", (8, 8), (9, 9, 9)), "PNG", transparency=(9, 9, 9)),
    ):
        assert opened(read_picture(data).data).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_grey_is_scaled_by_its_bit_depth(format: str, bits: int) -> None:
    top = 2**bits - 1
    values = numpy.array([[0, top // 2], [top // 4, top]], dtype="uint16")
    result = opened(read_picture(encode(Image.fromarray(values), format)).data)
    assert result.mode == "RGB"
    shades = [result.getpixel(at)[0] for at in ((0, 0), (1, 0), (0, 1), (1, 1))]
    assert shades[0] == 0
    assert shades[3] == 255
    assert abs(shades[1] - 127) <= 1
    assert abs(shades[2] - 63) <= 1


@pytest.mark.parametrize(
    ("values", "shades"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 128.0, 255.0], [0, 128, 255]),
        ([0.0, 32768.0, 65535.0], [0, 128, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, 1e6, 2e6], [0, 128, 255]),
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([0.0, float("inf"), 1.0], [0, 255, 255]),
    ],
)
def test_float_pictures_are_scaled(values: list[float], shades: list[int]) -> None:
    data = encode(Image.fromarray(numpy.array([values], dtype="float32")), "TIFF")
    result = opened(read_picture(data).data)
    assert [result.getpixel((x, 0))[0] for x in range(3)] == shades


def test_a_float_picture_without_a_number_is_refused() -> None:
    values = numpy.full((2, 2), numpy.nan, dtype="float32")
    assert refusal(encode(Image.fromarray(values), "TIFF")) == "unreadable"


@pytest.mark.parametrize("format", ["TIFF", "WEBP", "PNG"])
def test_files_with_several_pictures_are_refused(format: str) -> None:
    pages = [picture(seed=seed) for seed in range(3)]
    data = encode(pages[0], format, save_all=True, append_images=pages[1:])
    assert refusal(data) == "several_pictures"


def test_previews_behind_a_jpeg_are_cut_off() -> None:
    data = encode(picture(), "MPO", save_all=True, append_images=[picture(seed=1)])
    kept = read_picture(data)
    assert kept.extension == "jpg"
    assert opened(kept.data).format == "JPEG"
    assert len(kept.data) < len(data)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_are_answered_never_raised(seed: int) -> None:
    random = numpy.random.default_rng(seed)
    format = ["JPEG", "PNG", "BMP", "TIFF", "WEBP"][seed % 5]
    data = bytearray(picture_bytes(format, size=(64, 64)))
    for position in random.integers(0, len(data), 12):
        data[position] = int(random.integers(0, 256))
    outcome = outcome_of(bytes(data))
    assert outcome in ("RGB", "not_an_image", "unreadable", "too_many_pixels", "several_pictures")


def outcome_of(data: bytes) -> str:
    """The mode of the kept picture, or the code of the refusal."""
    try:
        return opened(read_picture(data).data).mode
    except Rejected as refused:
        return refused.code


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\cell.jpg", "cell.jpg"),
        ("célula β 细胞 خلية.jpg", "célula β 细胞 خلية.jpg"),
        ("a\x00b\r\nc.jpg", "abc.jpg"),
        ("\u202egpj.exe", "gpj.exe"),
        ("\ud800.png", ".png"),
        ("x" * 300 + ".png", "x" * 255),
        (None, ""),
    ],
)
def test_names_are_made_harmless(name: str | None, shown: str) -> None:
    assert display_name(name) == shown


@pytest.mark.parametrize("mode", ["I;16", "RGBA"])
def test_a_small_file_of_many_pixels_takes_few_bytes_for_each(mode: str) -> None:
    """A picture and its RGB form take 8 bytes a pixel; what is on the way must stay small."""
    side = 6000
    # Linux hands the peak of getrusage on to a child, here the whole suite's; VmHWM is its own.
    code = (
        "import io, pathlib, resource\n"
        "from PIL import Image\n"
        "from cases.pictures import make_picture\n"
        "stream = io.BytesIO()\n"
        f"Image.new({mode!r}, ({side}, {side})).save(stream, 'PNG', compress_level=1)\n"
        "make_picture(stream.getvalue(), formats=['PNG'], max_pixels=10**8)\n"
        "status = pathlib.Path('/proc/self/status')\n"
        "if status.exists():\n"
        "    line = next(x for x in status.read_text().splitlines() if x.startswith('VmHWM'))\n"
        "    print(int(line.split()[1]) * 1024)\n"
        "else:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    peak = int(run.stdout.split()[-1])
    assert peak < 120e6 + 12 * side**2
