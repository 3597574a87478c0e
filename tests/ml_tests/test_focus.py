"""The loss that keeps a class's map on the cell: its masks, its share, and a run that uses it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.data import frames_of
from ml.focus import energy_outside, masks_of
from ml.preprocessing import FULL_CHROMA
from ml.recipes import RECIPES, Recipe

PINK, PURPLE = (226, 170, 190), (96, 50, 140)


def picture(centre: tuple[int, int], radius: int, side: int = 96) -> Image.Image:
    """A purple disc on pink."""
    rows, columns = np.mgrid[:side, :side]
    disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2
    return Image.fromarray(np.where(disc[..., None], PURPLE, PINK).astype(np.uint8))


def test_masks_are_found_once_and_lie_on_the_cell(tmp_path: Path) -> None:
    blank = Image.new("RGB", (96, 96), PINK)
    paths = []
    for name, image in {"cell": picture((40, 52), 14), "blank": blank}.items():
        paths.append(tmp_path / f"{name}.png")
        image.save(paths[-1])
    frames = frames_of(paths, size=96, crop=1.0, version=FULL_CHROMA, cache=tmp_path / "cache")
    masks = masks_of(frames)
    assert masks.shape == (2, 96, 96)
    assert masks[0, 40, 52] == 255
    assert masks[0, 5, 5] == 0
    disc = np.pi * 14**2
    assert disc <= (masks[0] > 0).sum() <= 2 * disc
    assert (masks[1] == 255).all(), "a picture without a cell must add nothing to the loss"
    (kept,) = (tmp_path / "cache").glob("masks-*.npy")
    before = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(masks_of(frames), masks)
    assert kept.stat().st_mtime_ns == before


def test_what_is_missing_is_that_of_the_true_class() -> None:
    """Two channels, a map of 2 x 2: channel 0 fires in the cell's corner, channel 1 elsewhere."""
    features = np.zeros((3, 2, 2, 2), np.float32)
    features[:, 0, 0, 0] = 3.0
    features[:, 1, 1, 1] = 1.0
    kernel = np.array([[1.0, -1.0], [1.0, 1.0]], np.float32)  # rows: channels, columns: classes
    target = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    masks = np.zeros((3, 32, 32), np.float32)
    masks[:2, :16, :16] = 1.0
    masks[2] = 1.0
    found = energy_outside(features, kernel, target, masks).numpy()
    # Class 0 has means of 3/4 inside and 1/4 outside; class 1 only what is outside, its -3 inside
    # held back; in the third picture all is cell. 0.1 is the least evidence, 0.05 the leak.
    expected = [1 - 0.75 / 1.1, 1 + 0.05 * 0.75 / 0.35, 1 - 1.0 / 1.1]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    strong = energy_outside(features * 1000, kernel, target, masks).numpy()
    np.testing.assert_allclose(strong[[0, 2]], [0.25, 0.0], atol=1e-3)


def test_an_empty_map_is_the_worst_and_has_a_way_back() -> None:
    import tensorflow as tf

    features = tf.Variable(np.full((1, 2, 2, 1), 0.2, np.float32))
    target, masks = np.array([[1.0, 0.0]], np.float32), np.ones((1, 32, 32), np.float32)
    kernel = np.array([[-1.0, 1.0]], np.float32)
    with tf.GradientTape() as tape:
        missing = energy_outside(features, kernel, target, masks)
    assert float(missing[0]) > 1.0
    assert float(tf.reduce_min(tape.gradient(missing, features))) > 0, "less of what speaks against"
    nothing = energy_outside(features * 0, kernel, target, masks)
    assert float(nothing[0]) == pytest.approx(1.0)


def test_focus_needs_a_linear_head() -> None:
    with pytest.raises(ValueError, match="gap"):
        Recipe(name="flat", head="flatten", focus=0.5)
    with pytest.raises(ValueError, match="focus"):
        Recipe(name="negative", focus=-1.0)
    assert RECIPES["article"].focus == 0
