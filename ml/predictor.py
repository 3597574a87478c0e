"""Serving: encoded pictures in, probabilities, heatmaps and embeddings out, from one forward pass.

A :class:`Predictor` belongs to the process that made it: a worker that forks makes one in each
child, after the fork. Within a process it may be shared between threads.
"""

from __future__ import annotations

import logging
import math
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from ml.architectures import PREDICTION
from ml.bundle import build_model, load_weights, read_manifest
from ml.device import find_device
from ml.gradcam import class_maps, class_weights, encode_maps
from ml.preprocessing import decode, network_view
from ml.unfamiliar import detector_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Source = bytes | NDArray[np.uint8] | Image.Image

logger = logging.getLogger(__name__)

# The codes of CellPrediction.error.
UNDECODABLE = "undecodable"
MODEL_ERROR = "model_error"


@dataclass(frozen=True, eq=False)
class CellPrediction:
    """What the model says of one picture.

    Attributes:
        predicted_class: code of the most probable class.
        confidence: its probability.
        probabilities: float32 (classes,), in the manifest's order; they sum to one.
        heatmap_classes: codes of the classes explained.
        heatmaps: float32 (len(heatmap_classes), H, W), Grad-CAM at feature-map resolution (H and W
            are a sixteenth of the input's side), in units of the logit, not negative.
        embedding: float32 (512,), the mean of block5_pool.
        unfamiliarity: how little the picture resembles what the network learnt, in the units of the
            bundle's detector; not a number without a detector.
        unfamiliar: whether that lies above the bundle's threshold: such a cell is not to be counted
            without a reviewer.
        error: empty, or why there is no prediction: ``undecodable`` when the picture could not be
            decoded, ``model_error`` when the network's answer was not finite. With an error the
            arrays have length zero, the class is empty and the confidence is not a number.
    """

    predicted_class: str
    confidence: float
    probabilities: NDArray[np.float32]
    heatmap_classes: tuple[str, ...]
    heatmaps: NDArray[np.float32]
    embedding: NDArray[np.float32]
    error: str = ""
    unfamiliarity: float = math.nan
    unfamiliar: bool = False

    def heatmap_strip(self) -> tuple[bytes, list[float]]:
        """Return the maps as one 8-bit PNG, one below the other, and each map's maximum."""
        return encode_maps(self.heatmaps)

    def embedding_bytes(self) -> bytes:
        """Return the embedding as little-endian float16, 1024 bytes."""
        return self.embedding.astype("<f2").tobytes()


class ForwardPass(NamedTuple):
    """The network's answer to a batch of n pictures.

    Attributes:
        logits: float32 (n, classes).
        heatmaps: float32 (n, H, W, classes).
        embeddings: float32 (n, 512).
    """

    logits: NDArray[np.float32]
    heatmaps: NDArray[np.float32]
    embeddings: NDArray[np.float32]


class Predictor:
    """A model bundle ready to name cells.

    Attributes:
        manifest: the bundle's.
        model: the Keras model.
        detector: the bundle's detector of unfamiliar pictures, or None.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        *,
        precision: str = "auto",
        batch_size: int = 16,
        decoders: int = 2,
        pad_batches: bool | None = None,
    ) -> None:
        """Load and compile; nothing is computed yet, see :meth:`warm_up`.

        The network is traced once, for any number of pictures.

        Args:
            bundle: the bundle's folder.
            precision: ``auto`` (float32 on a CPU, mixed float16 on a GPU), ``float32``,
                ``bfloat16`` (faster on CPUs with AVX512-BF16 or AMX) or ``float16``.
            batch_size: most pictures in one forward pass; larger requests are cut.
            decoders: threads that decode and resize.
            pad_batches: fill batches up to a power of two, since cuDNN searches its algorithms
                anew for each size; on a GPU only when None. A CPU would compute the filling.

        Raises:
            ml.bundle.BundleError: when the bundle cannot be used.
            ValueError: for an unknown precision or a batch size below one.
        """
        if batch_size < 1:
            raise ValueError(f"batch size {batch_size} is too small")
        self.manifest = read_manifest(bundle)
        weights = load_weights(bundle, self.manifest)
        self.detector = detector_of(self.manifest, weights.unfamiliar, Path(bundle))
        self._device = find_device(precision)
        self.model = build_model(self.manifest, weights, dtype=self._device.policy)
        self._batch_size = batch_size
        self._pad = self._device.kind == "gpu" if pad_batches is None else pad_batches
        self._decoders = ThreadPoolExecutor(decoders, thread_name_prefix="decode")
        alpha = class_weights(
            weights.model[f"{PREDICTION}/kernel"],
            head=self.manifest.head,
            input_size=self.manifest.input_size,
        )

        import tensorflow as tf

        side = self.manifest.input_size

        @tf.function(input_signature=[tf.TensorSpec((None, side, side, 3), tf.uint8)])
        def serve(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            outputs = self.model(batch, training=False)
            maps = class_maps(outputs["features"], alpha)
            return outputs["logits"], maps, outputs["embedding"]

        # Tracing is not safe between threads; calling a traced function is.
        self._serve = serve.get_concrete_function()
        logger.info("%s from %s runs on %s", self.manifest.name, bundle, self.device)

    @property
    def device(self) -> str:
        """Kind, name and precision of the device, for instance ``CPU AMD EPYC 9V74, float32``."""
        return str(self._device)

    @property
    def batch_size(self) -> int:
        """Most pictures in one forward pass."""
        return self._batch_size

    def operations(self) -> list[str]:
        """Return the types of the traced network's operations, to see what a pass consists of."""
        definition = self._serve.graph.as_graph_def()
        nested = (node for function in definition.library.function for node in function.node_def)
        return [node.op for node in (*definition.node, *nested)]

    def warm_up(self) -> None:
        """Run one empty picture and one full batch: the first runs are the slowest."""
        side = self.manifest.input_size
        for size in sorted({1, self._batch_size}):
            self.forward(np.zeros((size, side, side, 3), np.uint8))

    def close(self) -> None:
        """Stop the decoding threads; further requests raise RuntimeError."""
        self._decoders.shutdown()

    def forward(self, batch: NDArray[np.uint8]) -> ForwardPass:
        """Run the network once on prepared pictures.

        Args:
            batch: RGB bytes (n, input_size, input_size, 3), of
                :func:`ml.preprocessing.network_view`.
        """
        import tensorflow as tf

        count = len(batch)
        if self._pad:
            filling = (1 << (count - 1).bit_length()) - count
            batch = np.pad(batch, ((0, filling), (0, 0), (0, 0), (0, 0)))
        logits, maps, embeddings = self._serve(tf.constant(batch, tf.uint8))
        return ForwardPass(logits.numpy()[:count], maps.numpy()[:count], embeddings.numpy()[:count])

    def look(self, batch: NDArray[np.uint8]) -> ForwardPass:
        """Run the network, and once more over the quarter turns of pictures it is unsure of.

        A cell has no upright position, so the logits of the four positions may be averaged; that
        is done where it can change the answer, below the manifest's ``second_look``. Heatmaps and
        embeddings are those of the picture as it lies.

        Args:
            batch: as for :meth:`forward`.
        """
        answer = self.forward(batch)
        unsure = np.flatnonzero(softmax(answer.logits, 1.0).max(axis=1) < self.manifest.second_look)
        if not unsure.size:
            return answer
        turned = np.concatenate([np.rot90(batch[unsure], k, axes=(1, 2)) for k in (1, 2, 3)])
        logits = [answer.logits[unsure]]
        for start in range(0, len(turned), self._batch_size):
            part = self.forward(turned[start : start + self._batch_size])
            logits.append(part.logits)
        positions = np.concatenate(logits).reshape(4, len(unsure), -1)
        averaged = answer.logits.copy()
        averaged[unsure] = positions.mean(axis=0)
        return answer._replace(logits=averaged)

    def predict(
        self, images: Sequence[Source], *, classes_asked: Sequence[str] | None = None
    ) -> list[CellPrediction]:
        """Name and explain cells, one answer per picture in their order.

        Args:
            images: encoded files, arrays (height, width, 3) of RGB bytes, or Pillow images.
            classes_asked: codes of the classes to explain; all when None.

        Raises:
            TypeError: for a source of another type.
            ValueError: for an unknown class.
        """
        return [
            prediction
            for batch in self.predict_stream([images], classes_asked=classes_asked)
            for prediction in batch
        ]

    def predict_stream(
        self,
        batches: Iterable[Sequence[Source]],
        *,
        classes_asked: Sequence[str] | None = None,
    ) -> Iterator[list[CellPrediction]]:
        """Name and explain batch after batch, decoding the next while the present one is computed.

        Args:
            batches: taken one ahead of the answers; each is cut to the batch size.
            classes_asked: codes of the classes to explain; all when None.

        Yields:
            The answers to each batch, in order.

        Raises:
            TypeError, ValueError: as :meth:`predict`.
        """
        explained = self._indices(classes_asked)
        chunks = self._decoding(batches)
        present = next(chunks, None)
        answers: list[CellPrediction] = []
        while present is not None:
            upcoming = next(chunks, None)  # decoded by the threads during this forward pass
            pictures, ends_batch = present
            answers += self._answer([picture.result() for picture in pictures], explained)
            if ends_batch:
                yield answers
                answers = []
            present = upcoming

    def _indices(self, classes_asked: Sequence[str] | None) -> list[int]:
        """Return the logits' indices of the classes to explain."""
        classes = self.manifest.classes
        asked = classes if classes_asked is None else classes_asked
        if unknown := [code for code in asked if code not in classes]:
            raise ValueError(f"unknown class {unknown[0]!r}: choose among {', '.join(classes)}")
        return [classes.index(code) for code in asked]

    def _decoding(
        self, batches: Iterable[Sequence[Source]]
    ) -> Iterator[tuple[list[Future[NDArray[np.uint8] | None]], bool]]:
        """Hand pictures to the threads; yield each forward pass's, and whether it ends a batch."""
        for images in batches:
            for image in images:
                if not isinstance(image, bytes | np.ndarray | Image.Image):
                    raise TypeError(f"expected bytes, an array or an image, not {type(image)}")
            if not images:
                yield [], True
            for start in range(0, len(images), self._batch_size):
                stop = start + self._batch_size
                pictures = [
                    self._decoders.submit(self._prepared, image) for image in images[start:stop]
                ]
                yield pictures, stop >= len(images)

    def _prepared(self, image: Source) -> NDArray[np.uint8] | None:
        """Decode and prepare one picture; None when it cannot be decoded."""
        try:
            if isinstance(image, bytes):
                image = decode(image)
            elif isinstance(image, Image.Image):
                image = ImageOps.exif_transpose(image)
            elif image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise ValueError(f"not an RGB array of bytes: {image.dtype} {image.shape}")
            return network_view(image, **self.manifest.view)
        except Exception as error:
            # Damaged files make Pillow's many decoders raise nearly anything. The picture is
            # answered with an error, and the others of its batch are not its concern.
            logger.warning("a picture could not be decoded: %r", error)
            return None

    def _answer(
        self, pictures: list[NDArray[np.uint8] | None], explained: list[int]
    ) -> list[CellPrediction]:
        """Run one forward pass over the pictures that could be decoded."""
        whole = [picture for picture in pictures if picture is not None]
        if not whole:
            return [_failure(UNDECODABLE) for _ in pictures]
        outputs = self.look(np.stack(whole))
        probabilities = softmax(outputs.logits, self.manifest.temperature)
        heatmaps = np.moveaxis(outputs.heatmaps[..., explained], -1, 1)
        codes = tuple(self.manifest.classes[index] for index in explained)
        scores = np.full(len(whole), math.nan)
        threshold = math.inf
        if self.detector:
            scores = self.detector.scores(outputs.logits, outputs.embeddings)
            threshold = self.detector.threshold
        answers = []
        row = 0
        for picture in pictures:
            if picture is None:
                answers.append(_failure(UNDECODABLE))
                continue
            values = (probabilities[row], heatmaps[row], outputs.embeddings[row])
            unfamiliarity = float(scores[row])
            row += 1
            if not all(np.isfinite(value).all() for value in values):
                logger.error("the network's answer to a picture is not finite on %s", self.device)
                answers.append(_failure(MODEL_ERROR))
                continue
            best = int(values[0].argmax())
            answers.append(
                CellPrediction(
                    predicted_class=self.manifest.classes[best],
                    confidence=float(values[0][best]),
                    probabilities=values[0],
                    heatmap_classes=codes,
                    heatmaps=values[1],
                    embedding=values[2],
                    unfamiliarity=unfamiliarity,
                    unfamiliar=unfamiliarity > threshold,
                )
            )
        return answers


def softmax(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float32]:
    """Return probabilities of logits (n, classes) divided by the temperature (Guo et al., 2017)."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    powers = np.exp(scaled)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def _failure(code: str) -> CellPrediction:
    nothing = np.zeros(0, np.float32)
    return CellPrediction("", math.nan, nothing, (), nothing.reshape(0, 0, 0), nothing, code)
