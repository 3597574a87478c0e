"""The labelled cells of a registered model, read once per process. No TensorFlow."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from classifier.inference import BundleError, bundle_folder, read_manifest
from ml.references import load_references

if TYPE_CHECKING:
    from pathlib import Path

    from classifier.models import ModelVersion
    from ml.manifest import Manifest
    from ml.references import CellSet

logger = logging.getLogger(__name__)


def labelled_cells(version: ModelVersion) -> dict[str, CellSet]:
    """The sets ``references`` and ``test`` of a model's bundle.

    Returns:
        Nothing when the bundle has none, has been replaced by another, or cannot be read.
    """
    folder = bundle_folder(version)
    try:
        manifest = read_manifest(folder)
        if manifest.weights_sha256 != version.weights_sha256 or manifest.references is None:
            return {}
        return _read(folder, str(manifest.references.get("sha256")), _Known(manifest))
    except BundleError as error:
        logger.warning("The labelled cells of model %s cannot be shown. %s", version.name, error)
        return {}


class _Known:
    """Carries a manifest past the cache, whose key is the folder and the file's hash."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known)


@lru_cache(maxsize=2)
def _read(folder: Path, sha256: str, known: _Known) -> dict[str, CellSet]:
    return load_references(folder, known.manifest) or {}
