"""A trained model as a folder: ``model.json`` beside ``weights.safetensors``.

The manifest says what the network is and how its numbers came about (``ml.manifest``); the weights
are float16 arrays in the safetensors format, a JSON header followed by raw numbers, so that nothing
in a bundle is ever run. The header repeats what would silently give wrong answers if it disagreed
with the manifest (the architecture, the class order, the preprocessing); the manifest holds
the SHA-256 of the whole weights file. docs/model-bundle.md describes every field.

Nothing here imports TensorFlow except :func:`build_model`, so that the web process may read and
verify bundles.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ml.architectures import weight_shapes
from ml.manifest import MANIFEST_NAME, BundleError, Manifest, read_limited, read_manifest
from ml.references import load_references

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import keras
    import numpy as np
    from numpy.typing import NDArray

Description = TypeVar("Description")

__all__ = [
    "BundleError",
    "Manifest",
    "Weights",
    "build_model",
    "load_weights",
    "read_manifest",
    "verify",
    "write_bundle",
]

WEIGHTS_NAME = "weights.safetensors"
UNFAMILIAR_PREFIX = "unfamiliar/"
WEIGHTS_MAX_BYTES = 1024**3
WEIGHTS_REMEDY = f"Copy {WEIGHTS_NAME} and {MANIFEST_NAME} again, both from the same bundle."


@dataclass(frozen=True)
class Weights:
    """The arrays of a verified bundle.

    Attributes:
        model: ``LAYER/kernel`` and ``LAYER/bias`` to float16 arrays.
        unfamiliar: further arrays by name, without the prefix ``unfamiliar/``.
    """

    model: dict[str, NDArray[np.float16]]
    unfamiliar: dict[str, NDArray[Any]]


def verify(bundle: str | os.PathLike[str]) -> Manifest:
    """Check a whole bundle, weights and labelled cells included, without TensorFlow.

    Returns:
        Its manifest.

    Raises:
        BundleError: as :func:`read_manifest`, :func:`load_weights` and
            :func:`ml.references.load_references`.
    """
    manifest = read_manifest(bundle)
    load_weights(bundle, manifest)
    load_references(bundle, manifest)
    return manifest


def load_weights(bundle: str | os.PathLike[str], manifest: Manifest) -> Weights:
    """Read the arrays and verify their hash, names, shapes and types against the manifest.

    Args:
        bundle: the bundle's folder.
        manifest: what :func:`read_manifest` returned for it.

    Returns:
        The arrays, from the very bytes that were hashed.

    Raises:
        BundleError: for a missing, truncated, swapped or foreign file, or arrays that do not fit.
    """
    import numpy as np

    path = Path(bundle) / WEIGHTS_NAME
    arrays = read_sealed_arrays(
        path, sha256=manifest.weights_sha256, sealed=manifest.sealed(), remedy=WEIGHTS_REMEDY
    )
    unfamiliar = {
        name.removeprefix(UNFAMILIAR_PREFIX): arrays.pop(name)
        for name in sorted(arrays)
        if name.startswith(UNFAMILIAR_PREFIX)
    }
    shapes = weight_shapes(
        head=manifest.head, classes=len(manifest.classes), input_size=manifest.input_size
    )
    problem = problem_of_arrays(arrays, shapes)
    for name, array in unfamiliar.items():
        if array.dtype not in (np.float16, np.float32, np.float64) or not np.isfinite(array).all():
            problem = f"The array {UNFAMILIAR_PREFIX}{name} does not hold finite decimal numbers."
    if problem:
        raise BundleError("wrong_weights", path, problem, WEIGHTS_REMEDY)
    return Weights(model=arrays, unfamiliar=unfamiliar)


def read_sealed_arrays(
    path: Path, *, sha256: str, sealed: Mapping[str, Any], remedy: str
) -> dict[str, NDArray[Any]]:
    """Read a safetensors file and verify its hash and the description in its header.

    Args:
        path: of the file.
        sha256: of the whole file, 64 hexadecimal digits.
        sealed: what the header must say.
        remedy: what to do when it cannot be used.

    Returns:
        The arrays by name, from the very bytes that were hashed.

    Raises:
        BundleError: for a missing, truncated, swapped or foreign file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = read_limited(path, WEIGHTS_MAX_BYTES)
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise BundleError(
            "wrong_hash",
            path,
            f"Its SHA-256 is {digest}, but {MANIFEST_NAME} expects {sha256}: "
            "the file is truncated, damaged or belongs to another bundle.",
            remedy,
        )
    try:
        found = _sealed_header(data)
        arrays: dict[str, NDArray[Any]] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BundleError(
            "foreign", path, f"This is not a bundle's safetensors file ({error}).", remedy
        ) from error
    for name, expected in sealed.items():
        if found.get(name) != expected:
            raise BundleError(
                "wrong_weights",
                path,
                f"These weights have {name} {found.get(name)!r}, but {MANIFEST_NAME} says "
                f"{expected!r}.",
                remedy,
            )
    return arrays


def build_model(manifest: Manifest, weights: Weights, *, dtype: str | None = None) -> keras.Model:
    """Build the Keras model a bundle describes and give it the bundle's weights.

    Args:
        manifest: what :func:`read_manifest` returned.
        weights: what :func:`load_weights` returned.
        dtype: Keras dtype policy of the convolutions; float32 when None.

    Returns:
        The model of :func:`ml.architectures.build_vgg19`.
    """
    from ml.architectures import build_vgg19

    model = build_vgg19(
        head=manifest.head,
        classes=len(manifest.classes),
        input_size=manifest.input_size,
        dtype=dtype or "float32",
        preprocessing_version=manifest.preprocessing_version,
    )
    for variable in model.weights:
        variable.assign(weights.model[variable.path].astype("float32"))
    return model


def write_bundle(
    bundle: str | os.PathLike[str],
    manifest: Manifest,
    weights: Mapping[str, NDArray[Any]],
    *,
    unfamiliar: Mapping[str, NDArray[Any]] | None = None,
    overwrite: bool = False,
    beside: Mapping[str, bytes] | None = None,
) -> Manifest:
    """Write a bundle: a temporary folder beside the target, verified, then renamed.

    Args:
        bundle: the folder to make.
        manifest: its description; ``weights_sha256`` is filled in.
        weights: ``LAYER/kernel`` and ``LAYER/bias`` to arrays, stored as float16.
        unfamiliar: further arrays by name, stored as they are under ``unfamiliar/``.
        overwrite: replace a bundle that stands there.
        beside: further files by name, taking the place of those of that name. What else lies in a
            replaced folder is kept, save that labelled cells of other weights leave the manifest.

    Returns:
        The manifest with the hash of the weights.

    Raises:
        BundleError: when the target exists, or what would be written could not be read again.
    """
    import numpy as np
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {
        name: np.ascontiguousarray(array, dtype=np.float16) for name, array in weights.items()
    }
    for name, array in (unfamiliar or {}).items():
        arrays[UNFAMILIAR_PREFIX + name] = np.ascontiguousarray(array)
    data = save(arrays, metadata={"bundle": json.dumps(manifest.sealed())})
    content = manifest.to_json()
    digest = hashlib.sha256(data).hexdigest()
    if (content["references"] or {}).get("weights_sha256") != digest:
        content["references"] = None  # embeddings of other weights
    return write_sealed(
        Path(bundle),
        content=content,
        data=data,
        verified=verify,
        overwrite=overwrite,
        beside=beside,
    )


def write_sealed(
    target: Path,
    *,
    content: Mapping[str, Any],
    data: bytes,
    verified: Callable[[Path], Description],
    overwrite: bool,
    beside: Mapping[str, bytes] | None = None,
) -> Description:
    """Write a folder of manifest and weights: beside the target, verified, then renamed.

    Args:
        target: the folder to make.
        content: of the manifest; ``weights_sha256`` is filled in.
        data: of the weights' file.
        verified: reads a whole bundle; what it returns is returned.
        overwrite: replace a bundle that stands there; files beside its two stay.
        beside: further files by name, taking the place of those of that name.

    Raises:
        BundleError: when the target exists, or what would be written could not be read again.
    """
    if target.exists() and not overwrite:
        raise BundleError(
            "exists", target, "This folder exists.", "Choose another, or ask for it to be replaced."
        )
    content = {**content, "weights_sha256": hashlib.sha256(data).hexdigest()}
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
        draft = Path(temporary) / "new"
        draft.mkdir()
        _write_file(draft / WEIGHTS_NAME, data)
        _write_file(
            draft / MANIFEST_NAME,
            (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(),
        )
        for name, extra in (beside or {}).items():
            _write_file(draft / name, extra)
        for other in target.iterdir() if target.exists() else ():
            # A licence or a card beside the two files outlives a replacement.
            if other.is_file() and not (draft / other.name).exists():
                shutil.copy2(other, draft / other.name)
        written = verified(draft)
        if target.exists():
            target.rename(Path(temporary) / "old")
        draft.rename(target)
    return written


def amend_bundle(
    bundle: str | os.PathLike[str],
    *,
    unfamiliar_arrays: Mapping[str, NDArray[Any]] | None = None,
    **changes: Any,
) -> Manifest:
    """Write a bundle anew with other fields; the network's weights stay as they are.

    Args:
        bundle: the bundle's folder.
        unfamiliar_arrays: take the place of those under ``unfamiliar/``, which stay when None.
        **changes: fields of :class:`ml.manifest.Manifest`.

    Returns:
        The new manifest.

    Raises:
        BundleError: when the bundle, old or new, cannot be used.
    """
    manifest = read_manifest(bundle)
    weights = load_weights(bundle, manifest)
    return write_bundle(
        bundle,
        replace(manifest, **changes),
        weights.model,
        unfamiliar=weights.unfamiliar if unfamiliar_arrays is None else unfamiliar_arrays,
        overwrite=True,
    )


def _write_file(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sealed_header(data: bytes) -> dict[str, Any]:
    """Return the description in the safetensors header.

    Raises:
        ValueError, KeyError: when there is none.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    sealed = json.loads(header["__metadata__"]["bundle"])
    if not isinstance(sealed, dict):
        raise ValueError("its header holds no description")
    return sealed


def problem_of_arrays(
    arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    """Return what is wrong with names, shapes, types or values of float16 arrays, or nothing."""
    import numpy as np

    if missing := sorted(shapes.keys() - arrays.keys()):
        return f"The array {missing[0]} is missing."
    if unknown := sorted(arrays.keys() - shapes.keys()):
        return f"The array {unknown[0]} does not belong to this architecture."
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape:
            return f"The array {name} has the shape {array.shape}, expected {shape}."
        if array.dtype != np.float16:
            return f"The array {name} holds {array.dtype}, expected float16."
        if not np.isfinite(array).all():
            return f"The array {name} holds values that are not finite."
    return ""
