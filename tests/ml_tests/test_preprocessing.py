"""The one road from a file to the network's input keeps its contract."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ml.preprocessing import (
    HALF_CHROMA,
    LUMA,
    TRAINING_FORM,
    VGG_MEAN_BGR,
    ViewSettings,
    decode,
    halve_chroma,
    network_view,
    normalise,
    prepare,
)
from tests.ml_tests.conftest import make_picture

if TYPE_CHECKING:
    from pathlib import Path


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def test_cuts_the_centred_square_of_the_shorter_side() -> None:
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[10:70, 30:90] = (10, 200, 30)  # the central 60 x 60 of an 80-pixel short side
    prepared = prepare(picture, size=30, crop=0.75)
    assert prepared.shape == (30, 30, 3)
    assert prepared.dtype == np.uint8
    # The filter lets the outermost pixels see a little beyond the square.
    assert (prepared[1:-1, 1:-1] == (10, 200, 30)).all()
    assert (prepared[0] != (10, 200, 30)).any()
    wider = prepare(picture, size=32, crop=1.0)
    assert (wider[0] == 0).all()
    assert (wider[16, 16] == (10, 200, 30)).all()


def test_same_size_and_whole_crop_change_nothing() -> None:
    picture = np.asarray(Image.open(io.BytesIO(make_picture(size=(48, 48)))))
    np.testing.assert_array_equal(prepare(picture, size=48, crop=1.0), picture)


@pytest.mark.parametrize("crop", [0.0, -0.5, 1.01])
def test_refuses_a_crop_outside_the_picture(crop: float) -> None:
    with pytest.raises(ValueError, match="crop"):
        prepare(np.zeros((40, 40, 3), np.uint8), size=32, crop=crop)


def test_applies_the_exif_orientation() -> None:
    image = Image.open(io.BytesIO(make_picture(size=(60, 40))))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter clockwise
    turned = decode(encode(image, exif=exif))
    assert turned.size == (40, 60)
    np.testing.assert_array_equal(np.asarray(turned), np.rot90(np.asarray(image), -1))


@pytest.mark.parametrize(
    ("mode", "form"), [("L", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("1", "TIFF")]
)
def test_every_mode_becomes_rgb(mode: str, form: str) -> None:
    image = Image.open(io.BytesIO(make_picture())).convert(mode)
    assert prepare(decode(encode(image, form)), size=32, crop=0.75).shape == (32, 32, 3)


def test_sixteen_bit_greys_keep_their_shades() -> None:
    shades = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    decoded = np.asarray(decode(encode(Image.fromarray(shades))))
    np.testing.assert_array_equal(decoded[..., 0], shades >> 8)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
def test_a_truncated_file_is_refused(form: str) -> None:
    data = make_picture(form=form)
    assert decode(data).size == (90, 80)
    with pytest.raises(OSError, match=r"truncated|identify|broken|failed|unrecognized|decod"):
        decode(data[: len(data) // 2])


def test_normalises_as_vgg_does() -> None:
    pixel = np.array([[[[200, 100, 50]]]], np.uint8)
    expected = np.array([50, 100, 200]) - np.array(VGG_MEAN_BGR)
    np.testing.assert_allclose(np.asarray(normalise(pixel))[0, 0, 0], expected, rtol=1e-6)


def test_halving_chroma_keeps_brightness_and_greys() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 7, 10, 3)).astype(np.uint8)
    halved = np.asarray(halve_chroma(pixels))
    np.testing.assert_allclose(halved @ LUMA, pixels @ np.array(LUMA), atol=1e-3)
    greys = np.repeat(pixels[..., :1], 3, axis=-1)
    np.testing.assert_allclose(np.asarray(halve_chroma(greys)), greys, atol=1e-3)
    flat = np.full((1, 8, 8, 3), (10, 200, 30), np.uint8)
    np.testing.assert_allclose(np.asarray(halve_chroma(flat)), flat, atol=1e-3)
    # A red dot leaves its brightness in its pixel and its colour in the four it is averaged over.
    dot = np.zeros((1, 8, 8, 3), np.uint8)
    dot[0, 4, 4, 0] = 255
    spread = np.asarray(halve_chroma(dot))[0]
    assert spread[..., 0].sum() == pytest.approx(255, rel=1e-4)
    assert np.abs(spread[4, 4] - dot[0, 4, 4]).max() > 100


def test_subsampled_colour_hardly_moves_what_the_network_sees(
    pbc_images: dict[str, list[Path]],
) -> None:
    moved = {1: 0.0, 2: 0.0}
    for files in pbc_images.values():
        with Image.open(files[0]) as image:
            original = image.convert("RGB").resize((224, 224), Image.Resampling.LANCZOS)
        seen = []
        for subsampling in ("4:4:4", "4:2:0"):
            data = io.BytesIO()
            original.save(data, "JPEG", quality=95, subsampling=subsampling)
            seen.append(prepare(decode(data.getvalue()), size=96, crop=0.75)[None])
        full, sub = (batch.astype(np.float32) for batch in seen)
        moved[1] += float(np.abs(full - sub).mean())
        moved[2] += float(np.abs(halve_chroma(full) - halve_chroma(sub)).mean())
    assert moved[2] < 0.6 * moved[1]


def test_an_original_and_its_small_copy_look_alike_to_the_network(
    pbc_images: dict[str, list[Path]],
) -> None:
    for files in pbc_images.values():
        with Image.open(files[0]) as image:
            original = image.convert("RGB")
        smaller = original.resize((224, 224), Image.Resampling.LANCZOS)
        difference = prepare(original, size=96, crop=0.75).astype(int)
        difference -= prepare(smaller, size=96, crop=0.75)
        assert np.abs(difference).mean() < 3


def test_a_larger_picture_takes_the_form_of_the_training_pictures() -> None:
    large = decode(make_picture(size=(363, 360)))
    known: ViewSettings = {"size": 160, "crop": 0.75, "version": TRAINING_FORM}
    copy = large.resize((226, 224), Image.Resampling.BICUBIC)
    kept = decode(encode(copy, "JPEG", quality=82, subsampling="4:2:0"))
    np.testing.assert_array_equal(network_view(large, **known), network_view(kept, **known))
    np.testing.assert_array_equal(network_view(kept, **known), prepare(kept, size=160, crop=0.75))
    # The versions before it leave the picture as it came.
    np.testing.assert_array_equal(
        network_view(large, size=160, crop=0.75, version=HALF_CHROMA),
        prepare(large, size=160, crop=0.75),
    )
    np.testing.assert_array_equal(
        network_view(np.asarray(large), **known), network_view(large, **known)
    )
