"""Small bundles with random weights, and pictures, for the model's side."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from ml.architectures import PREDICTION, weight_shapes
from ml.bundle import write_bundle
from ml.manifest import Manifest
from ml.predictor import Predictor
from ml.preprocessing import HALF_CHROMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLASSES = (
    "basophil", "eosinophil", "erythroblast", "ig",
    "lymphocyte", "monocyte", "neutrophil", "platelet",
)  # fmt: skip


def make_manifest(**changes: Any) -> Manifest:
    """A manifest at 64 pixels, so that a forward pass is short."""
    values: dict[str, Any] = {
        "name": "small",
        "architecture": "vgg19",
        "head": "gap",
        "classes": CLASSES,
        "input_size": 64,
        "crop": 0.75,
        "preprocessing_version": HALF_CHROMA,
        "temperature": 1.5,
        "review_threshold": 0.8,
        "data_licence": "none: random weights",
    }
    return Manifest(**(values | changes))


def make_weights(manifest: Manifest, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights that keep activations within reason (He et al., 2015)."""
    generator = np.random.default_rng(seed)
    shapes = weight_shapes(
        head=manifest.head, classes=len(manifest.classes), input_size=manifest.input_size
    )
    weights = {}
    for name, shape in shapes.items():
        if name.endswith("/bias"):
            weights[name] = generator.normal(0, 0.05, shape)
        else:
            gain = 2.0 if not name.startswith(PREDICTION) else 50.0
            scale = np.sqrt(gain / np.prod(shape[:-1]))
            weights[name] = generator.standard_normal(shape, np.float32) * scale
    # Pixels lie about 100 from the mean; the network's inner values should lie about 1.
    weights["block1_conv1/kernel"] /= 100
    return weights


def make_picture(seed: int = 0, *, size: tuple[int, int] = (90, 80), form: str = "PNG") -> bytes:
    """An encoded picture with structure at several scales."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (6, 6, 3), np.uint8))
    stream = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(stream, form)
    return stream.getvalue()


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole bundle with the gap head; not to be changed."""
    path = tmp_path_factory.mktemp("bundles") / "small"
    manifest = make_manifest()
    write_bundle(path, manifest, make_weights(manifest))
    return path


@pytest.fixture(scope="session")
def predictor(small_bundle: Path) -> Iterator[Predictor]:
    """A predictor of the small bundle in batches of four."""
    made = Predictor(small_bundle, batch_size=4)
    yield made
    made.close()
