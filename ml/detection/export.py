"""Make a bundle of a finished run, with settings chosen on the run's held-out fields."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.detection.choosing import LIMITS, choose_limits, choose_thresholds
from ml.detection.detector import Detector
from ml.detection.evaluation import evaluate_fields, run_fields
from ml.detection.fields import CLASSES, read_fields
from ml.detection.manifest import DetectorManifest, write_detector
from ml.detection.network import fold
from ml.detection.sources import ArraySource
from ml.detection.training import read_arrays, read_detector_run, read_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.detection.decoding import Found
    from ml.detection.fields import Field

BCCD = (
    "BCCD_Dataset (Shenggan and cosmicad), MIT licence: 640 x 480 smear fields with boxes of red "
    "cells, white cells and platelets"
)


def finder(detector: Detector) -> Callable[[NDArray[np.uint8]], Found]:
    """Return a detector as a method that finds cells of all scores."""
    return lambda pixels: detector.find(ArraySource(pixels))


def export_detector(
    run: Path,
    data: Path,
    bundle: Path,
    *,
    name: str,
    part: str = "train",
    data_licence: str = BCCD,
    mirrored: bool | None = None,
    overwrite: bool = False,
) -> DetectorManifest:
    """Write a bundle with a run's best weights.

    Args:
        run: folder of the run.
        data: the fields it was trained on.
        bundle: the folder to make.
        name: of the version.
        part: list of the fields.
        data_licence: licence and attribution of the fields.
        mirrored: whether to average mirrored answers; when None, if they are better on the held-out
            fields.
        overwrite: replace a bundle that stands there.

    Returns:
        The manifest.

    Raises:
        ValueError: when run or data cannot be used.
        ml.manifest.BundleError: when the bundle cannot be written.
    """
    recipe, content = read_detector_run(run)
    _learnt, held = read_parts(data, part, recipe)
    arrays = fold(read_arrays(run))
    diameters, sides = sizes_of(read_fields(data, part=part))
    manifest = DetectorManifest(
        name=name,
        classes=CLASSES,
        input_scale=recipe.input_scale,
        widths=recipe.widths,
        thresholds=dict.fromkeys(CLASSES, 0.3),
        overlap_limits=dict.fromkeys(CLASSES, max(LIMITS)),
        mirrored=False,
        typical_diameters=diameters,
        largest_sides=sides,
        data_licence=data_licence,
        training={
            "data": f"{data.name}, list {part}",
            "fields": content["training_fields"],
            "held_out_fields": content["held_out_fields"],
            "image_steps": content.get("image_steps"),
            "precision": content.get("precision"),
            "best_look": content.get("best", {}),
            "recipe": content["recipe"],
        },
    )
    choices = (False, True) if mirrored is None else (mirrored,)
    tried: list[DetectorManifest] = []
    for choice in choices:
        manifest = replace(manifest, mirrored=choice)
        tried.append(_settled(manifest, arrays, bundle, held, overwrite=overwrite or bool(tried)))
    best = max(tried, key=lambda each: each.metrics["held_out"]["map50"])
    return write_detector(bundle, best, arrays, overwrite=True)


def _settled(
    manifest: DetectorManifest,
    arrays: dict[str, NDArray[np.float32]],
    bundle: Path,
    held: Sequence[Field],
    *,
    overwrite: bool,
) -> DetectorManifest:
    """Return the manifest with limits and thresholds chosen and measured on the held-out fields."""
    wide = dict.fromkeys(CLASSES, max(LIMITS))
    write_detector(bundle, replace(manifest, overlap_limits=wide), arrays, overwrite=overwrite)
    answers = run_fields(held, finder(Detector(bundle)))
    limits = choose_limits(answers, classes=len(CLASSES))
    manifest = replace(manifest, overlap_limits=dict(zip(CLASSES, limits, strict=True)))
    write_detector(bundle, manifest, arrays, overwrite=True)
    answers = run_fields(held, finder(Detector(bundle)))
    manifest = replace(manifest, thresholds=choose_thresholds(answers, CLASSES))
    figures = evaluate_fields(answers, classes=CLASSES, thresholds=manifest.thresholds)
    metrics: dict[str, Any] = {**manifest.metrics, "held_out": figures}
    return replace(manifest, metrics=metrics)


def sizes_of(fields: Sequence[Field]) -> tuple[dict[str, float], dict[str, float]]:
    """Measure annotated cells: per class the median diameter and the longest side, in pixels.

    A diameter is the square root of width times height, of cells that touch no edge of the field.
    """
    diameters, sides = {}, {}
    for label, code in enumerate(CLASSES):
        whole, longest = [], [1.0]
        for field in fields:
            height, width = field_size(field)
            for box in field.boxes[field.labels == label]:
                side = box[2:] - box[:2]
                longest.append(float(side.max()))
                if box.min() > 2 and box[2] < width - 2 and box[3] < height - 2:
                    whole.append(float(np.sqrt(side.prod())))
        diameters[code] = round(float(np.median(whole)), 1) if whole else 1.0
        sides[code] = max(longest)
    return diameters, sides


def field_size(field: Field) -> tuple[int, int]:
    """Return height and width of a field's image; its pixels are not decoded."""
    from PIL import Image

    with Image.open(field.path) as picture:
        return picture.height, picture.width
