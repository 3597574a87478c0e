"""A detector as a folder: ``model.json`` beside ``weights.safetensors``, as classifiers have them.

Nothing here imports TensorFlow except :func:`build_detector_network`.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.bundle import (
    WEIGHTS_NAME,
    WEIGHTS_REMEDY,
    problem_of_arrays,
    read_sealed_arrays,
    write_sealed,
)
from ml.detection.network import Widths, assign_arrays, build_network, weight_shapes
from ml.manifest import MANIFEST_MAX_BYTES, MANIFEST_NAME, BundleError, read_limited

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    from numpy.typing import NDArray

DETECTOR_FORMAT = "pbcsite-detector-bundle-1"
ARCHITECTURE = "centres"
SEALED = ("architecture", "classes", "input_scale", "widths")
REMEDY = "Write the bundle again with `python -m ml detect-export`, or copy it from its source."


@dataclass(frozen=True, kw_only=True)
class DetectorManifest:
    """What a detector's ``model.json`` says.

    Attributes:
        name: of this version, shown to people.
        classes: codes of the classes in the order of the network's maps.
        input_scale: side of the network's pixels over those of an image at the magnification of
            the training fields.
        widths: of the network.
        thresholds: per class, the score from which a cell is shown and counted.
        overlap_limits: per class, the largest overlap (intersection over union) of two cells.
        mirrored: whether a field is also seen mirrored, and the answers averaged.
        typical_diameters: per class, median of the square root of width times height of the whole
            cells in the training fields, in pixels of those fields.
        largest_sides: per class, the longest side of an annotated cell, in the same pixels.
        data_licence: licence and attribution of the training data.
        weights_sha256: of ``weights.safetensors``.
        metrics: measured figures with the data they were measured on.
        training: how the weights came about.
        architecture: ``centres``.
    """

    name: str
    classes: tuple[str, ...]
    input_scale: float
    widths: Widths
    thresholds: Mapping[str, float]
    overlap_limits: Mapping[str, float]
    mirrored: bool
    typical_diameters: Mapping[str, float]
    largest_sides: Mapping[str, float]
    data_licence: str
    weights_sha256: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = ARCHITECTURE

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``model.json``."""
        content = json.loads(json.dumps(asdict(self)))
        return {"format": DETECTOR_FORMAT, **content}

    def sealed(self) -> dict[str, Any]:
        """Return the fields that the header of the weights repeats."""
        content = self.to_json()
        return {"format": DETECTOR_FORMAT, **{name: content[name] for name in SEALED}}


def read_detector_manifest(bundle: str | os.PathLike[str]) -> DetectorManifest:
    """Read and check ``model.json``; the weights are not opened.

    Raises:
        BundleError: when the file is missing, not JSON, of another kind, or a field is missing,
            unknown or outside its range.
    """
    path = Path(bundle) / MANIFEST_NAME
    try:
        content = json.loads(read_limited(path, MANIFEST_MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise BundleError(
            "invalid_manifest", path, f"This is not JSON ({error}).", REMEDY
        ) from error
    if not isinstance(content, dict) or content.pop("format", None) != DETECTOR_FORMAT:
        raise BundleError(
            "foreign", path, f"This is not a detector of the format {DETECTOR_FORMAT}.", REMEDY
        )
    try:
        manifest = _manifest_of(content)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError("invalid_manifest", path, f"{error}.", REMEDY) from error
    return manifest


def _manifest_of(content: dict[str, Any]) -> DetectorManifest:
    """Return the manifest.

    Raises:
        KeyError, TypeError, ValueError: with a sentence about what is wrong.
    """
    known = {item.name for item in fields(DetectorManifest)}
    if different := sorted(known ^ content.keys()):
        raise ValueError(f"The field {different[0]} is missing or unknown")
    if content["architecture"] != ARCHITECTURE:
        raise ValueError(f"The architecture {content['architecture']!r} is unknown")
    classes = tuple(content["classes"])
    if len(set(classes)) != len(classes) or not all(isinstance(each, str) for each in classes):
        raise ValueError("The field classes must list different codes")
    if not classes:
        raise ValueError("The field classes is empty")
    for name, low, high in (
        ("thresholds", 0.0, 1.0),
        ("overlap_limits", 0.0, 1.0),
        ("typical_diameters", 1.0, 1e5),
        ("largest_sides", 1.0, 1e5),
    ):
        values = content[name]
        if not isinstance(values, dict) or values.keys() != set(classes):
            raise ValueError(f"The field {name} must hold a number for every class")
        if not all(_between(value, low, high) for value in values.values()):
            raise ValueError(f"The numbers of {name} must lie between {low} and {high}")
    if not _between(content["input_scale"], 0.01, 10.0):
        raise ValueError("The field input_scale must lie between 0.01 and 10")
    if not isinstance(content["mirrored"], bool):
        raise ValueError("The field mirrored must be true or false")
    widths = Widths(**{**content["widths"], "encoder": tuple(content["widths"]["encoder"])})
    if not all(
        isinstance(value, int) and 1 <= value <= 1024
        for value in (*widths.encoder, widths.head, widths.blocks)
    ):
        raise ValueError("The field widths must hold whole numbers from 1 to 1024")
    for name in ("name", "data_licence", "weights_sha256"):
        if not isinstance(content[name], str):
            raise ValueError(f"The field {name} must be text")
    return DetectorManifest(**{**content, "classes": classes, "widths": widths})


def _between(value: object, low: float, high: float) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
    )


def load_detector_weights(
    bundle: str | os.PathLike[str], manifest: DetectorManifest
) -> dict[str, NDArray[np.float16]]:
    """Read the arrays of a detector and verify them against its manifest.

    Raises:
        BundleError: for a missing, damaged or foreign file, or arrays that do not fit.
    """
    path = Path(bundle) / WEIGHTS_NAME
    arrays = read_sealed_arrays(
        path, sha256=manifest.weights_sha256, sealed=manifest.sealed(), remedy=WEIGHTS_REMEDY
    )
    shapes = weight_shapes(manifest.widths, classes=len(manifest.classes))
    if problem := problem_of_arrays(arrays, shapes):
        raise BundleError("wrong_weights", path, problem, WEIGHTS_REMEDY)
    return arrays


def verify_detector(bundle: str | os.PathLike[str]) -> DetectorManifest:
    """Check a whole detector, weights included, without TensorFlow; return its manifest."""
    manifest = read_detector_manifest(bundle)
    load_detector_weights(bundle, manifest)
    return manifest


def write_detector(
    bundle: str | os.PathLike[str],
    manifest: DetectorManifest,
    arrays: Mapping[str, NDArray[Any]],
    *,
    overwrite: bool = False,
) -> DetectorManifest:
    """Write a detector's bundle, verified before it takes its place.

    Args:
        bundle: the folder to make.
        manifest: its description; ``weights_sha256`` is filled in.
        arrays: of the network without normalisation (:func:`ml.detection.network.fold`), stored as
            float16.
        overwrite: replace a bundle that stands there.

    Raises:
        BundleError: when the folder exists, or what would be written could not be read again.
    """
    from safetensors.numpy import save

    halves = {name: np.ascontiguousarray(array, np.float16) for name, array in arrays.items()}
    return write_sealed(
        Path(bundle),
        content=manifest.to_json(),
        data=save(halves, metadata={"bundle": json.dumps(manifest.sealed())}),
        verified=verify_detector,
        overwrite=overwrite,
    )


def build_detector_network(
    manifest: DetectorManifest, arrays: Mapping[str, NDArray[Any]], *, dtype: str = "float32"
) -> keras.Model:
    """Build the network a detector's manifest describes and give it its arrays."""
    network = build_network(
        manifest.widths, classes=len(manifest.classes), normalised=False, dtype=dtype
    )
    assign_arrays(network, arrays)
    return network
