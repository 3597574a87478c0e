"""Random views: what moves together, and what each change does to a picture."""

from __future__ import annotations

import numpy as np
import pytest

from ml.augmentation import Augmentation, augment

STILL = {
    "scale": (1.0, 1.0), "shift": 0.0, "stain": 0.0,
    "brightness": 0.0, "contrast": 0.0, "blur": 0.0,
}  # fmt: skip


def frames() -> np.ndarray:
    """Two pictures with structure at every scale but the finest."""
    import tensorflow as tf

    coarse = np.random.default_rng(4).integers(60, 200, (2, 16, 16, 3)).astype(np.float32)
    return tf.image.resize(coarse, (128, 128), method="bicubic").numpy().clip(0, 255).astype("u1")


def cut(seed: int = 1, **changes: object) -> np.ndarray:
    import tensorflow as tf

    settings = Augmentation(**{**STILL, **changes})  # type: ignore[arg-type]
    views, _masks = augment(frames(), size=96, settings=settings, seed=tf.constant([seed, 0]))
    return views.numpy()


def test_a_mask_moves_with_its_picture() -> None:
    import tensorflow as tf

    rows, columns = np.mgrid[:128, :128]
    disc = ((rows - 50) ** 2 + (columns - 70) ** 2 <= 15**2).astype(np.uint8) * 255
    pictures = np.repeat(disc[None, ..., None], 3, axis=3)
    settings = Augmentation(
        scale=(0.7, 1.3), shift=0.2, stain=0.0, brightness=0.0, contrast=0.0, blur=0.0
    )
    for draw in range(8):
        seed = tf.constant([3, draw])
        views, moved = augment(pictures, size=96, settings=settings, seed=seed, masks=disc[None])
        assert moved.shape == (1, 96, 96)
        np.testing.assert_allclose(moved[0], views[0, ..., 0].numpy() / 255.0, atol=0.02)
    _views, nothing = augment(pictures, size=96, settings=settings, seed=seed)
    assert nothing is None


def test_the_same_seed_gives_the_same_views() -> None:
    whole = Augmentation(jpeg=0.5)
    strengths = {name: getattr(whole, name) for name in STILL} | {"jpeg": 0.5}
    np.testing.assert_array_equal(cut(7, **strengths), cut(7, **strengths))
    assert not np.array_equal(cut(7, **strengths), cut(8, **strengths))


@pytest.mark.parametrize(
    ("name", "strength", "least"),
    [
        ("stain", 0.2, 1.0), ("brightness", 0.08, 1.0), ("contrast", 0.15, 0.5),
        ("blur", 0.8, 0.0), ("jpeg", 1.0, 0.2),
    ],
)  # fmt: skip
def test_each_change_alters_the_colours_a_little(name: str, strength: float, least: float) -> None:
    """Flips and turns go by the same seed, so that a still view can be set beside a changed one."""
    changed, still = cut(**{name: strength}), cut()
    assert changed.min() >= 0
    assert changed.max() <= 255
    difference = np.abs(changed - still).mean()
    assert least <= difference < 30
    assert difference > 0
