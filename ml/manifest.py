"""``model.json``: what a bundle's network is and how its numbers came about.

Nothing here imports TensorFlow, so that the web process may show a model's card.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.architectures import weight_shapes
from ml.preprocessing import PREPROCESSING_VERSIONS, ViewSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "pbcsite-model-bundle-1"
MANIFEST_NAME = "model.json"
ARCHITECTURES = ("vgg19",)
MANIFEST_MAX_BYTES = 1024**2
# Fields that bundles written before there was such a thing do without.
OPTIONAL = frozenset({"references", "second_look"})
# Fields repeated in the header of the weights, where their SHA-256 protects them.
SEALED = ("architecture", "head", "classes", "input_size", "crop", "preprocessing_version")


class BundleError(Exception):
    """A bundle that cannot be used.

    Attributes:
        code: ``missing``, ``unreadable``, ``invalid_manifest``, ``wrong_hash``, ``foreign``,
            ``wrong_weights`` or ``exists``; stable, for translation.
        path: the file or folder that is at fault.
    """

    def __init__(self, code: str, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem} {remedy}")
        self.code = code
        self.path = path


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What ``model.json`` says.

    Attributes:
        name: of this version, shown to people and unique among those served together.
        architecture: ``vgg19``.
        head: ``gap`` or ``flatten``.
        classes: codes of the classes in the order of the logits.
        input_size: side of the network's square input in pixels.
        crop: side of the centred square cut out, as a share of the shorter side, in (0, 1].
        preprocessing_version: the contract of ``ml.preprocessing`` the weights were trained under.
        temperature: logits are divided by it before the softmax (Guo et al., 2017).
        review_threshold: predictions of lower confidence need a reviewer, in [0, 1].
        weights_sha256: of ``weights.safetensors``, 64 hexadecimal digits.
        metrics: measured figures with the data they were measured on; empty when none were.
        training: where the weights came from and how they were trained.
        data_licence: licence and attribution of the training data.
        preprocessing: the contract in words.
        second_look: pictures whose highest softmax of the logits (not divided by the temperature)
            lies below it are looked at in all four quarter turns, see
            :meth:`ml.predictor.Predictor.look`; 0 for none.
        unfamiliar: settings of the detector of unfamiliar cells, whose arrays lie in the weights
            under ``unfamiliar/``; None without one.
        references: hash, size and origin of the labelled cells in ``references.safetensors``, see
            ``ml.references``; None without them.
    """

    name: str
    architecture: str
    head: str
    classes: tuple[str, ...]
    input_size: int
    crop: float
    preprocessing_version: str
    temperature: float
    review_threshold: float
    data_licence: str
    weights_sha256: str = ""
    preprocessing: str = ""
    second_look: float = 0.0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    unfamiliar: Mapping[str, Any] | None = None
    references: Mapping[str, Any] | None = None

    @property
    def view(self) -> ViewSettings:
        """Settings of :func:`ml.preprocessing.network_view`."""
        return {
            "size": self.input_size,
            "crop": self.crop,
            "version": self.preprocessing_version,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``model.json``."""
        return {"format": FORMAT, **asdict(self), "classes": list(self.classes)}

    def sealed(self) -> dict[str, Any]:
        """Return the fields that the header of the weights must repeat."""
        content = self.to_json()
        return {"format": FORMAT, **{name: content[name] for name in SEALED}}


def read_manifest(bundle: str | os.PathLike[str]) -> Manifest:
    """Read and check ``model.json``; the weights are not opened and TensorFlow is not loaded.

    Args:
        bundle: the bundle's folder.

    Returns:
        The manifest.

    Raises:
        BundleError: when the file is missing, not JSON, of another format, or a field is missing,
            unknown, of the wrong type or outside its range.
    """
    path = Path(bundle) / MANIFEST_NAME
    remedy = "Write the bundle again with `python -m ml export`, or copy it again from its source."
    data = read_limited(path, MANIFEST_MAX_BYTES)
    try:
        content = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            "invalid_manifest", path, f"This is not JSON ({error}).", remedy
        ) from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise BundleError(
            "foreign", path, f"This is not a model bundle of the format {FORMAT}.", remedy
        )
    problem = _problem_of_keys(content)
    if not problem:
        if isinstance(content["classes"], list):
            content["classes"] = tuple(content["classes"])
        manifest = Manifest(**content)
        problem = _problem_of(manifest) or (
            "" if manifest.weights_sha256 else "The field weights_sha256 is empty."
        )
        if not problem:
            return manifest
    raise BundleError("invalid_manifest", path, problem, remedy)


def read_limited(path: Path, limit: int) -> bytes:
    """Read a whole file of at most ``limit`` bytes.

    Raises:
        BundleError: when it is missing, unreadable or larger.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError as error:
        raise BundleError(
            "missing", path, "There is no such file.", "Make or copy the bundle's two files there."
        ) from error
    except OSError as error:
        raise BundleError(
            "unreadable", path, f"It cannot be read ({error.strerror}).", "Check its permissions."
        ) from error
    if len(data) > limit:
        raise BundleError(
            "foreign", path, f"It is larger than {limit} bytes.", "Copy the bundle again."
        )
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _problem_of_keys(content: dict[str, Any]) -> str:
    known = {item.name for item in fields(Manifest)}
    if missing := sorted(known - content.keys() - OPTIONAL):
        return f"The field {missing[0]} is missing."
    if unknown := sorted(content.keys() - known):
        return f"The field {unknown[0]} is unknown."
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _problem_of(manifest: Manifest) -> str:
    """Return what is wrong with the manifest's values, or nothing."""
    classes = manifest.classes
    for name in ("name", "data_licence", "preprocessing", "weights_sha256", "head"):
        if not isinstance(getattr(manifest, name), str):
            return f"The field {name} must be text."
    if not manifest.name.strip():
        return "The field name is empty."
    if manifest.architecture not in ARCHITECTURES:
        return f"The architecture {manifest.architecture!r} is unknown."
    if not (
        isinstance(classes, tuple)
        and len(classes) >= 2
        and all(isinstance(code, str) and code for code in classes)
        and len(set(classes)) == len(classes)
    ):
        return "The field classes must list at least two different codes."
    if manifest.preprocessing_version not in PREPROCESSING_VERSIONS:
        return (
            f"Its preprocessing is {manifest.preprocessing_version!r}; this installation has "
            f"{' and '.join(map(repr, PREPROCESSING_VERSIONS))}."
        )
    for name in ("metrics", "training"):
        if not isinstance(getattr(manifest, name), dict):
            return f"The field {name} must be an object."
    for name in ("unfamiliar", "references"):
        if not isinstance(getattr(manifest, name), dict | None):
            return f"The field {name} must be an object or null."
    return _problem_of_numbers(manifest)


def _problem_of_numbers(manifest: Manifest) -> str:
    if not isinstance(manifest.input_size, int) or isinstance(manifest.input_size, bool):
        return "The field input_size must be a whole number."
    if not 32 <= manifest.input_size <= 1024:
        return "The field input_size must lie between 32 and 1024."
    if not _is_number(manifest.crop) or not 0 < manifest.crop <= 1:
        return "The field crop must lie above 0 and up to 1."
    if not _is_number(manifest.temperature) or manifest.temperature <= 0:
        return "The field temperature must be a positive number."
    if not _is_number(manifest.review_threshold) or not 0 <= manifest.review_threshold <= 1:
        return "The field review_threshold must lie between 0 and 1."
    if not _is_number(manifest.second_look) or not 0 <= manifest.second_look <= 1:
        return "The field second_look must lie between 0 and 1."
    try:
        weight_shapes(
            head=manifest.head, classes=len(manifest.classes), input_size=manifest.input_size
        )
    except ValueError as error:
        return f"It describes no network: {error}."
    return ""
