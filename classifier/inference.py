"""The only bridge to ``ml``. TensorFlow is imported when a predictor is loaded, not before."""

from __future__ import annotations

import io
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from django.conf import settings
from PIL import Image

from ml import bundle as bundles
from ml.manifest import MANIFEST_NAME, BundleError, Manifest, read_manifest
from ml.preprocessing import decode
from ml.unfamiliar import detector_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classifier.models import ModelVersion
    from ml.predictor import CellPrediction

__all__ = [
    "MANIFEST_NAME",
    "Box",
    "BundleError",
    "CellReader",
    "Manifest",
    "Picture",
    "bundle_folder",
    "cut_out",
    "read_manifest",
    "reader_for",
    "verify",
]

logger = logging.getLogger(__name__)

Picture = bytes | Image.Image


class CellReader(Protocol):
    """What the queue needs of a loaded model; :class:`ml.predictor.Predictor` is one."""

    @property
    def device(self) -> str:
        """Where it runs, for the log and the model page."""
        ...

    def predict(self, images: Sequence[Picture], /) -> list[CellPrediction]:
        """Name and explain cells in one batch, one answer per picture in their order."""
        ...


@dataclass(frozen=True)
class Box:
    """Where a cell lies in its upright image, in pixels."""

    left: int
    top: int
    width: int
    height: int


def bundle_folder(version: ModelVersion) -> Path:
    """Return a registered bundle's folder: below MODEL_BUNDLES_DIR, or an absolute path."""
    return Path(settings.MODEL_BUNDLES_DIR) / version.bundle


def verify(folder: Path) -> Manifest:
    """Check all that serving needs of a bundle, its detector of unfamiliar cells included.

    TensorFlow is not loaded.

    Raises:
        BundleError: when the bundle is missing or broken.
    """
    manifest = bundles.verify(folder)
    if manifest.unfamiliar is not None:
        detector_of(manifest, bundles.load_weights(folder, manifest).unfamiliar, folder)
    return manifest


def cut_out(data: bytes, box: Box) -> Picture:
    """Return what the model is to see of an image: the file itself, or the cell cut out of it.

    Args:
        data: the image file.
        box: the cell in the upright image.

    Returns:
        ``data`` unchanged when the box is the whole image, so that it is decoded only once.

    Raises:
        OSError: when the file cannot be decoded (Pillow's UnidentifiedImageError is one).
    """
    with Image.open(io.BytesIO(data)) as image:
        size = image.size
    if (box.left, box.top) == (0, 0) and (box.width, box.height) in (size, size[::-1]):
        return data
    right, bottom = box.left + box.width, box.top + box.height
    return decode(data).crop((box.left, box.top, right, bottom))


_readers: dict[tuple[Path, str], CellReader] = {}
_loading = threading.Lock()


def reader_for(version: ModelVersion) -> CellReader:
    """Return the process's one reader of that version's bundle, loaded and warmed up at first use.

    Raises:
        BundleError: when the bundle is missing, broken, or no longer the one that was registered.
    """
    folder = bundle_folder(version)
    key = (folder, version.weights_sha256)
    with _loading:
        if key not in _readers:
            _readers.clear()  # one model in memory at a time
            _readers[key] = _load(folder, version)
        return _readers[key]


def _load(folder: Path, version: ModelVersion) -> CellReader:
    from ml.predictor import Predictor

    started = time.monotonic()
    if read_manifest(folder).weights_sha256 != version.weights_sha256:
        raise BundleError(
            "wrong_hash",
            folder,
            f"This is no longer the bundle that was registered as {version.name}.",
            "Restore it, or register the new one with `manage.py register_model`.",
        )
    predictor = Predictor(folder, batch_size=settings.CLASSIFY_BATCH_SIZE)
    predictor.warm_up()
    logger.info(
        "Model %s is loaded from %s on %s, warm after %.1f s.",
        version.name,
        folder,
        predictor.device,
        time.monotonic() - started,
    )
    return predictor
