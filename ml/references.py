"""Cells a bundle shows beside its answers: known look-alikes, and the test set.

``references.safetensors`` holds two sets of labelled cells with their embeddings and thumbnails:
``references``, a sample of the training part from which the look-alikes of a new cell are drawn,
and ``test``, the cells the model's figures were measured on. The manifest's field ``references``
holds the file's SHA-256 and that of the weights the embeddings came from, so that neither can be
changed alone. Nothing here imports TensorFlow: the web process reads these sets.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ml.manifest import MANIFEST_NAME, BundleError, read_limited

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ml.manifest import Manifest

REFERENCES_NAME = "references.safetensors"
LICENCE_NAME = "references.LICENSE.md"
SETS = ("references", "test")
REFERENCES_MAX_BYTES = 64 * 1024**2
COLUMNS = 32
REMEDY = "Run `python -m ml references` on the bundle again."


@dataclass(frozen=True, eq=False)
class CellSet:
    """Labelled cells and what the bundle's network makes of them.

    Attributes:
        embeddings: float16 (n, 512), as predictions keep them.
        labels: uint8 (n,), the true class as an index into the manifest's classes.
        predictions: uint8 (n,), the class the network gives.
        names: the n file names in the data set.
        side: of a thumbnail in pixels.
        atlas: one JPEG of all thumbnails, :data:`COLUMNS` to a row, in the cells' order.
    """

    embeddings: NDArray[np.float16]
    labels: NDArray[np.uint8]
    predictions: NDArray[np.uint8]
    names: tuple[str, ...]
    side: int
    atlas: bytes

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Neighbour:
    """A reference cell and its cosine distance, 0 (same direction) to 2."""

    index: int
    distance: float


def nearest(cells: CellSet, embedding: NDArray[np.floating], *, count: int) -> list[Neighbour]:
    """Return the cells whose embeddings point most nearly the same way.

    Args:
        cells: among which to look.
        embedding: (512,).
        count: how many at most.

    Returns:
        The nearest first; cells at equal distance in the set's order.
    """
    known = _directions(cells.embeddings)
    distances = 1.0 - known @ _directions(embedding[None])[0]
    order = np.argsort(distances, kind="stable")[:count]
    return [Neighbour(int(index), max(0.0, float(distances[index]))) for index in order]


def _directions(embeddings: NDArray[Any]) -> NDArray[np.float64]:
    values = embeddings.astype(np.float64)
    lengths: NDArray[np.float64] = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.maximum(lengths, 1e-12)


def draw_atlas(thumbnails: Iterable[NDArray[np.uint8]], *, side: int, quality: int) -> bytes:
    """Lay thumbnails (side, side, 3) out in rows and encode them as one JPEG."""
    tiles = list(thumbnails)
    rows = -(-len(tiles) // COLUMNS)
    sheet = np.zeros((rows * side, COLUMNS * side, 3), np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, COLUMNS)
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side] = tile
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def place_in_atlas(index: int, side: int) -> tuple[int, int]:
    """Return the left and upper edge of a thumbnail in pixels."""
    row, column = divmod(index, COLUMNS)
    return column * side, row * side


def pack(sets: dict[str, CellSet], *, weights_sha256: str) -> bytes:
    """Return the content of ``references.safetensors``."""
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {}
    for name, cells in sets.items():
        arrays[f"{name}/embeddings"] = np.ascontiguousarray(cells.embeddings, np.float16)
        arrays[f"{name}/labels"] = np.ascontiguousarray(cells.labels, np.uint8)
        arrays[f"{name}/predictions"] = np.ascontiguousarray(cells.predictions, np.uint8)
        arrays[f"{name}/names"] = np.frombuffer("\n".join(cells.names).encode(), np.uint8)
        arrays[f"{name}/atlas"] = np.frombuffer(cells.atlas, np.uint8)
    sides = {name: cells.side for name, cells in sets.items()}
    return save(arrays, metadata={"sides": json.dumps(sides), "weights_sha256": weights_sha256})


def load_references(
    bundle: str | os.PathLike[str], manifest: Manifest
) -> dict[str, CellSet] | None:
    """Read a bundle's labelled cells and verify them against the manifest.

    Args:
        bundle: the bundle's folder.
        manifest: what :func:`ml.manifest.read_manifest` returned for it.

    Returns:
        The two sets by name, or None when the bundle has none.

    Raises:
        BundleError: for a missing, damaged or foreign file, embeddings of other weights, or arrays
            that do not fit together.
    """
    settings = manifest.references
    if settings is None:
        return None
    path = Path(bundle) / REFERENCES_NAME
    data = read_limited(path, REFERENCES_MAX_BYTES)
    digest = hashlib.sha256(data).hexdigest()
    if digest != settings.get("sha256"):
        raise BundleError(
            "wrong_hash",
            path,
            f"Its SHA-256 is {digest}, but {MANIFEST_NAME} expects {settings.get('sha256')}.",
            REMEDY,
        )
    try:
        return _unpacked(data, manifest)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BundleError("wrong_weights", path, f"It does not fit ({error}).", REMEDY) from error


def _unpacked(data: bytes, manifest: Manifest) -> dict[str, CellSet]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    if metadata["weights_sha256"] != manifest.weights_sha256:
        raise ValueError("its embeddings come from other weights")
    sides = json.loads(metadata["sides"])
    try:
        arrays = load(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    sets = {}
    for name in SETS:
        cells = CellSet(
            embeddings=arrays[f"{name}/embeddings"],
            labels=arrays[f"{name}/labels"],
            predictions=arrays[f"{name}/predictions"],
            names=tuple(arrays[f"{name}/names"].tobytes().decode().split("\n")),
            side=int(sides[name]),
            atlas=arrays[f"{name}/atlas"].tobytes(),
        )
        if problem := _problem_of(cells, len(manifest.classes)):
            raise ValueError(f"{name}: {problem}")
        sets[name] = cells
    return sets


def _problem_of(cells: CellSet, classes: int) -> str:
    count = len(cells.labels)
    if cells.embeddings.dtype != np.float16 or cells.embeddings.shape[0] != count:
        return "the embeddings are not one row of float16 to a cell"
    if not np.isfinite(cells.embeddings).all():
        return "an embedding is not finite"
    for values in (cells.labels, cells.predictions):
        if values.dtype != np.uint8 or values.shape != (count,) or values.max() >= classes:
            return "a label is none of the classes"
    if len(cells.names) != count:
        return "there is not one name to a cell"
    with Image.open(io.BytesIO(cells.atlas), formats=("JPEG",)) as sheet:
        if sheet.size != (COLUMNS * cells.side, -(-count // COLUMNS) * cells.side):
            return "the atlas has not one thumbnail to a cell"
    return ""


def add_references(
    bundle: str | os.PathLike[str], sets: dict[str, CellSet], *, sources: Sequence[str]
) -> Manifest:
    """Write the sets beside a bundle's weights and enter them in its manifest.

    Args:
        bundle: the bundle's folder.
        sets: one :class:`CellSet` for each of :data:`SETS`, of the bundle's own network.
        sources: what each set is a part of, in words for the manifest.

    Returns:
        The new manifest.

    Raises:
        BundleError: when the bundle, old or new, cannot be used.
    """
    from ml.bundle import load_weights, write_bundle
    from ml.manifest import read_manifest

    manifest = read_manifest(bundle)
    weights = load_weights(bundle, manifest)
    data = pack(sets, weights_sha256=manifest.weights_sha256)
    entry = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "weights_sha256": manifest.weights_sha256,
        "cells": {name: len(cells) for name, cells in sets.items()},
        "sources": list(sources),
    }
    return write_bundle(
        bundle,
        replace(manifest, references=entry),
        weights.model,
        unfamiliar=weights.unfamiliar,
        overwrite=True,
        beside={
            REFERENCES_NAME: data,
            LICENCE_NAME: _licence(manifest, sources).encode(),
        },
    )


def _licence(manifest: Manifest, sources: Sequence[str]) -> str:
    return (
        f"# The cells in {REFERENCES_NAME}\n\n"
        f"Thumbnails and embeddings of pictures from {' and '.join(sources)}.\n\n"
        f"{manifest.data_licence}\n\n"
        "Changes made to the pictures: cut to their centre, reduced to thumbnails, laid out in one "
        "sheet and encoded as JPEG; embeddings computed by the network of this bundle.\n"
    )
