"""The closed form of Grad-CAM equals differentiation, for both heads, every class, odd maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ml.architectures import PREDICTION, build_vgg19
from ml.gradcam import class_maps, class_weights, decode_maps, encode_maps, split_model, tape_maps
from ml.preprocessing import decode, prepare
from tests.ml_tests.conftest import CLASSES, make_manifest, make_picture, make_weights

if TYPE_CHECKING:
    from pathlib import Path

    import keras


def built(head: str, size: int, weights: dict[str, np.ndarray]) -> keras.Model:
    model = build_vgg19(head=head, classes=len(CLASSES), input_size=size)
    for variable in model.weights:
        variable.assign(weights[variable.path].astype(np.float32))
    return model


def both_ways(model: keras.Model, head: str, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps (n, classes, H, W): the closed form's, and the tape's."""
    kernel = np.asarray(model.get_layer(PREDICTION).kernel)
    alpha = class_weights(kernel, head=head, input_size=batch.shape[1])
    closed = np.asarray(class_maps(model(batch)["features"], alpha))
    return np.moveaxis(closed, -1, 1), tape_maps(split_model(model), batch, range(len(CLASSES)))


def assert_same(closed: np.ndarray, taped: np.ndarray) -> None:
    assert closed.shape == taped.shape
    np.testing.assert_allclose(closed, taped, rtol=1e-4, atol=1e-5 * float(taped.max()))
    # A map of zeros everywhere would agree with anything.
    assert (taped.max(axis=(0, 2, 3)) > 0).all()


@pytest.mark.parametrize("size", [32, 64, 112, 120])
@pytest.mark.parametrize("head", ["gap", "flatten"])
def test_closed_form_equals_the_tape_on_synthetic_pictures(head: str, size: int) -> None:
    weights = make_weights(make_manifest(head=head, input_size=size), seed=size)
    # Mostly for a class, so that the rectifier leaves something of every class's map.
    weights[f"{PREDICTION}/kernel"] += 0.5 * weights[f"{PREDICTION}/kernel"].std()
    model = built(head, size, weights)
    batch = np.stack(
        [prepare(decode(make_picture(seed)), size=size, crop=1.0) for seed in range(4)]
    )
    closed, taped = both_ways(model, head, batch)
    assert closed.shape[2:] == (size // 16, size // 16)
    assert_same(closed, taped)


@pytest.mark.parametrize("size", [96, 112])
@pytest.mark.parametrize("head", ["gap", "flatten"])
def test_closed_form_equals_the_tape_on_real_pictures(
    head: str, size: int, shared_data: Path, pbc_images: dict[str, list[Path]]
) -> None:
    with np.load(shared_data / "weights" / "vgg19_warmstart.npz", allow_pickle=False) as archive:
        weights = dict(archive)
    if head == "flatten":
        # The trained features under a head whose weights differ from place to place.
        random = make_weights(make_manifest(head=head, input_size=size))
        weights |= {name: random[name] for name in random if name.startswith(PREDICTION)}
    batch = np.stack(
        [
            prepare(decode(pbc_images[each][0].read_bytes()), size=size, crop=0.75)
            for each in CLASSES
        ]
    )
    assert_same(*both_ways(built(head, size, weights), head, batch))


def test_strip_of_maps_comes_back_within_half_a_step() -> None:
    maps = np.random.default_rng(0).random((8, 7, 5)).astype(np.float32) * 3
    maps[2] = 0
    data, peaks = encode_maps(maps)
    assert peaks == pytest.approx(maps.max(axis=(1, 2)).tolist())
    assert peaks[2] == 0.0
    restored = decode_maps(data, peaks)
    assert restored.shape == maps.shape
    steps = np.asarray(peaks)[:, None, None] / 255
    assert (np.abs(restored - maps) <= steps * 0.501).all()


def test_strip_that_does_not_fit_is_refused() -> None:
    data, peaks = encode_maps(np.ones((8, 7, 7), np.float32))
    with pytest.raises(ValueError, match="56 rows cannot hold 9 maps"):
        decode_maps(data, [*peaks, 1.0])
