"""What a bundle's network answers to a folder of labelled pictures, for the tools that judge it.

The road is that of serving: :func:`ml.preprocessing.decode`,
:func:`ml.preprocessing.network_view`, then :meth:`ml.predictor.Predictor.look`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.data import open_picture, progress
from ml.preprocessing import network_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from ml.data import LabelledFiles
    from ml.predictor import Predictor


@dataclass(frozen=True)
class Outputs:
    """The network's answers to n pictures.

    Attributes:
        logits: float32 (n, classes), not divided by the temperature.
        embeddings: float32 (n, 512).
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]


def run_files(predictor: Predictor, files: LabelledFiles, *, title: str = "classifying") -> Outputs:
    """Run the network over files.

    Args:
        predictor: of the bundle that is judged.
        files: the pictures.
        title: shown before the progress bar.

    Raises:
        ValueError: naming the first file that cannot be opened.
    """
    pictures = (open_picture(path) for path in progress(files.paths, title=title))
    return run_pictures(predictor, pictures)


def run_pictures(
    predictor: Predictor, pictures: Iterator[Image.Image] | Sequence[Image.Image]
) -> Outputs:
    """Run the network over upright RGB pictures, one batch after another."""
    logits, embeddings = [], []
    for batch in _batches(predictor, pictures):
        answer = predictor.look(batch)
        logits.append(answer.logits)
        embeddings.append(answer.embeddings)
    return Outputs(np.concatenate(logits), np.concatenate(embeddings))


def _batches(
    predictor: Predictor, pictures: Iterator[Image.Image] | Sequence[Image.Image]
) -> Iterator[NDArray[np.uint8]]:
    batch: list[NDArray[np.uint8]] = []
    for picture in pictures:
        batch.append(network_view(picture, **predictor.manifest.view))
        if len(batch) == predictor.batch_size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
