"""The tests of the heatmaps, on maps whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ml.cell_mask import cell_mask
from ml.faithfulness import View, deletion_insertion, energy_inside, gaussian_map, view_of
from ml.preprocessing import FULL_CHROMA, prepare

SIDE = 96


def painted(centre: tuple[float, float] = (48, 48), radius: float = 14) -> Image.Image:
    """A purple cell among pink red cells on a pale ground, with a little noise."""
    picture = Image.new("RGB", (SIDE, SIDE), (238, 222, 215))
    draw = ImageDraw.Draw(picture)
    for x, y in ((12, 14), (80, 12), (14, 82), (84, 80)):
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=(205, 165, 165))
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(90, 50, 130))
    noise = np.random.default_rng(0).integers(-4, 5, (SIDE, SIDE, 3))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def test_the_mask_is_the_stained_cell_with_a_margin() -> None:
    mask = cell_mask(np.asarray(painted()))
    assert mask is not None
    rows, columns = np.nonzero(mask)
    assert rows.mean() == pytest.approx(48, abs=1)
    assert columns.mean() == pytest.approx(48, abs=1)
    nucleus = np.pi * 14**2
    assert nucleus < mask.sum() < 2 * nucleus


def test_nothing_stained_gives_no_mask() -> None:
    assert cell_mask(np.full((SIDE, SIDE, 3), 220, np.uint8)) is None


def test_a_real_cell_of_every_class_is_found(pbc_images: dict[str, list[Path]]) -> None:
    for code, paths in pbc_images.items():
        with Image.open(paths[0]) as image:
            mask = cell_mask(prepare(image, size=160, crop=1.0))
        assert mask is not None, code
        assert 0.005 < mask.mean() < 0.5, code
        assert mask[64:96, 64:96].mean() > 0.5, code


def test_a_shift_moves_picture_and_mask_together() -> None:
    plain = view_of(painted(), size=72, crop=0.75, version=FULL_CHROMA)
    moved = view_of(painted(), size=72, crop=0.75, version=FULL_CHROMA, shift=(0.2, -0.1))
    assert plain is not None
    assert moved is not None
    right, down = round(0.2 * 72), round(-0.1 * 72)
    rolled = np.roll(plain.mask, (down, right), axis=(0, 1))
    np.testing.assert_array_equal(moved.mask, rolled)
    dark = moved.pixels[..., 1] < 100
    assert moved.mask[dark].all()


def test_energy_inside_by_hand() -> None:
    mask = np.zeros((4, 4), bool)
    mask[0, :2] = True
    heatmap = np.zeros((4, 4))
    heatmap[0, 0], heatmap[3, 3] = 3, 1
    assert energy_inside(heatmap, mask) == pytest.approx(0.75)
    assert energy_inside(np.ones((4, 4)), mask) == pytest.approx(2 / 16)
    assert np.isnan(energy_inside(np.zeros((4, 4)), mask))


def test_the_bell_has_a_quarter_of_the_side_as_deviation() -> None:
    bell = gaussian_map(81)
    assert bell[40, 40] == pytest.approx(1)
    assert bell[40, 40 + 20] == pytest.approx(np.exp(-0.5 * (20 / 20.25) ** 2))


class OneDarkCorner:
    """Answers like a predictor whose class 0 is the darkness of the upper left quarter."""

    batch_size = 32

    class manifest:
        input_size = 64
        temperature = 1.0

    def forward(self, batch: np.ndarray):
        darkness = (255 - batch[:, :16, :16].astype(float)).mean(axis=(1, 2, 3)) / 255
        maps = np.zeros((len(batch), 4, 4, 2), np.float32)
        maps[:, 0, 0, 0] = darkness
        logits = np.stack([12 * darkness - 4, np.zeros(len(batch))], axis=1)

        class Answer:
            heatmaps = maps

        Answer.logits = logits
        return Answer


def test_the_true_place_deletes_first_and_inserts_first() -> None:
    """A perfect map beats a bell, which reaches the corner last, and a shuffled order."""
    pixels = np.full((64, 64, 3), 250, np.uint8)
    pixels[:16, :16] = 20
    views = [View(pixels, pixels[..., 0] < 100)] * 4
    result = deletion_insertion(OneDarkCorner(), views, seed=1)
    for other in ("uniform", "gaussian"):
        assert result["gradcam"]["deletion"] < result[other]["deletion"]
        assert result["gradcam"]["insertion"] > result[other]["insertion"]
    assert result["gaussian"]["insertion"] < result["uniform"]["insertion"]
