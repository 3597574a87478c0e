"""VGG19 is VGG19, and its weights are known without building it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ml.architectures import build_vgg19, weight_shapes
from ml.preprocessing import FULL_CHROMA


@pytest.mark.parametrize(("head", "size"), [("gap", 64), ("flatten", 64), ("flatten", 112)])
def test_weight_shapes_are_those_of_the_built_model(head: str, size: int) -> None:
    model = build_vgg19(head=head, classes=5, input_size=size)
    built = {variable.path: tuple(variable.shape) for variable in model.weights}
    assert weight_shapes(head=head, classes=5, input_size=size) == built


def test_convolutions_are_interchangeable_with_keras() -> None:
    reference = keras.applications.VGG19(include_top=False, weights=None, input_shape=(64, 64, 3))
    model = build_vgg19(input_size=64, preprocessing_version=FULL_CHROMA)
    for variable in model.weights:
        if not variable.path.startswith("prediction"):
            variable.assign(keras.random.normal(variable.shape, stddev=0.03, seed=1))
            layer, _, name = variable.path.partition("/")
            getattr(reference.get_layer(layer), name).assign(variable)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    prepared = keras.applications.vgg19.preprocess_input(pictures.astype(np.float32))
    expected = np.asarray(reference(prepared)).mean(axis=(1, 2))
    embedding = np.asarray(model(pictures)["embedding"])
    np.testing.assert_allclose(embedding, expected, rtol=1e-3, atol=1e-5 * expected.max())
    assert expected.max() > 0


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_outputs_are_float32_and_have_the_promised_shapes(dtype: str) -> None:
    model = build_vgg19(head="gap", classes=8, input_size=112, dtype=dtype)
    outputs = model(np.zeros((3, 112, 112, 3), np.uint8))
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes == {"logits": (3, 8), "features": (3, 7, 7, 512), "embedding": (3, 512)}
    assert {keras.backend.standardize_dtype(each.dtype) for each in outputs.values()} == {"float32"}
    assert model.get_layer("block3_conv2").compute_dtype == dtype.removeprefix("mixed_")


@pytest.mark.parametrize(("head", "size"), [("mlp", 64), ("gap", 31)])
def test_refuses_what_cannot_be_built(head: str, size: int) -> None:
    with pytest.raises(ValueError, match=r"unknown head|too small"):
        build_vgg19(head=head, input_size=size)
    with pytest.raises(ValueError, match=r"unknown head|too small"):
        weight_shapes(head=head, classes=8, input_size=size)
