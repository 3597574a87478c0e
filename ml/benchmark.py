"""How fast serving is, against the bare network and against the article's way of doing it.

Three ways take the same pictures through the same Keras model in alternating rounds, so that other
work on the machine hits all of them alike; medians over the rounds are reported.

stream
    Encoded files in; probabilities, heatmaps of every class as stored, and embeddings out, through
    :meth:`ml.predictor.Predictor.predict_stream`.
forward
    The compiled model alone on prepared batches of the same size: what no server can beat.
article
    One picture at a time: decode, ``model.predict``, then a gradient-tape Grad-CAM of the predicted
    class, as in the Saturdays.AI article (2023); in its favour, the tape covers the layers after
    the last convolution only.
"""

from __future__ import annotations

import io
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ml.gradcam import split_model, tape_maps
from ml.preprocessing import decode, network_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ml.predictor import Predictor


@dataclass(frozen=True)
class BenchmarkResult:
    """Medians over the rounds; every rate in pictures per second.

    Attributes:
        images_per_second: of the stream, end to end.
        forward_images_per_second: of the bare forward pass.
        ratio_to_forward: the first over the second.
        article_images_per_second: of the article's way.
        ratio_to_article: the first over the last.
        batch: pictures in one forward pass.
        images: pictures in one round of the stream and of the forward pass.
        article_images: pictures in one round of the article's way.
        rounds: repetitions.
        input_size: side of the network's input in pixels.
        device: kind, name and precision.
        model: name of the bundle.
    """

    images_per_second: float
    forward_images_per_second: float
    ratio_to_forward: float
    article_images_per_second: float
    ratio_to_article: float
    batch: int
    images: int
    article_images: int
    rounds: int
    input_size: int
    device: str
    model: str


def read_pictures(folder: Path) -> list[bytes]:
    """Read every JPEG below a folder, or draw synthetic ones when there are none."""
    files = sorted(folder.rglob("*.jpg"))
    return [file.read_bytes() for file in files] or [_synthetic(seed) for seed in range(16)]


def measure(
    predictor: Predictor,
    pictures: Sequence[bytes],
    *,
    images: int,
    rounds: int,
    article_images: int = 4,
) -> BenchmarkResult:
    """Time the three ways.

    Args:
        predictor: whose batch size is used.
        pictures: encoded files, repeated in turn up to the number asked for.
        images: pictures in one round of the stream and of the forward pass.
        rounds: repetitions, each with the three ways in another order.
        article_images: pictures in one round of the article's way, which is slow.

    Raises:
        ValueError: when there is nothing to measure.
    """
    if min(len(pictures), images, rounds, article_images) < 1:
        raise ValueError("at least one picture and one round are needed")
    batch = predictor.batch_size
    sources = [pictures[index % len(pictures)] for index in range(images)]
    batches = [sources[start : start + batch] for start in range(0, images, batch)]
    ways = [
        (_stream(predictor, batches), images),
        (_forward(predictor, batches), images),
        (_article(predictor, sources[:article_images]), min(article_images, images)),
    ]
    for way, _ in ways:
        way()  # compiles, and fills the caches
    seconds: list[list[float]] = [[] for _ in ways]
    for turn in range(rounds):
        for offset in range(len(ways)):
            index = (turn + offset) % len(ways)
            way, count = ways[index]
            start = time.perf_counter()
            way()
            seconds[index].append((time.perf_counter() - start) / count)
    stream, forward, article = (1 / statistics.median(each) for each in seconds)
    return BenchmarkResult(
        images_per_second=round(stream, 3),
        forward_images_per_second=round(forward, 3),
        ratio_to_forward=round(stream / forward, 4),
        article_images_per_second=round(article, 3),
        ratio_to_article=round(stream / article, 4),
        batch=batch,
        images=images,
        article_images=min(article_images, images),
        rounds=rounds,
        input_size=predictor.manifest.input_size,
        device=predictor.device,
        model=predictor.manifest.name,
    )


def _stream(predictor: Predictor, batches: list[list[bytes]]) -> Callable[[], None]:
    def way() -> None:
        for answers in predictor.predict_stream(batches):
            for answer in answers:
                answer.heatmap_strip()
                answer.embedding_bytes()

    return way


def _forward(predictor: Predictor, batches: list[list[bytes]]) -> Callable[[], None]:
    import tensorflow as tf

    tensors = [
        tf.constant(
            np.stack([network_view(decode(data), **predictor.manifest.view) for data in batch])
        )
        for batch in batches
    ]
    compiled: Any = tf.function(
        lambda batch: predictor.model(batch, training=False)
    ).get_concrete_function(tf.TensorSpec((None, *tensors[0].shape[1:]), tf.uint8))

    def way() -> None:
        for tensor in tensors:
            compiled(tensor)["logits"].numpy()

    return way


def _article(predictor: Predictor, pictures: list[bytes]) -> Callable[[], None]:
    parts = split_model(predictor.model)

    def way() -> None:
        for data in pictures:
            picture = network_view(decode(data), **predictor.manifest.view)[None]
            logits = predictor.model.predict(picture, verbose=0)["logits"]
            tape_maps(parts, picture, [int(logits[0].argmax())])

    return way


def _synthetic(seed: int) -> bytes:
    """Draw a stained disc on a pale, grainy ground, 360 x 363 as in PBC."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:363, :360]
    disc = (rows - 181) ** 2 + (columns - 180) ** 2 < generator.integers(60, 120) ** 2
    colours = np.where(disc[..., None], generator.integers(60, 160, 3), [230, 205, 205])
    noisy = colours + generator.normal(0, 8, (363, 360, 3))
    stream = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()
