"""Choose a detector of unfamiliar pictures, and measure one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.calibration import exact_interval
from ml.foreign import field_names, foreign_pictures, white_cell_crops
from ml.outputs import Outputs, run_files, run_pictures
from ml.predictor import softmax
from ml.unfamiliar import Detector, fit_detector

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ml.data import LabelledFiles
    from ml.predictor import Predictor


def choose_detector(
    predictor: Predictor,
    training: LabelledFiles,
    validation: LabelledFiles,
    *,
    methods: Sequence[str],
    false_flags: float,
    bccd: Path | None,
    seed: int,
) -> tuple[Detector, dict[str, dict[str, float]]]:
    """Fit each method and keep the one that flags most foreign pictures, averaged over kinds.

    Args:
        predictor: of the bundle.
        training: cells for means, covariance and neighbours.
        validation: cells for the threshold.
        methods: the candidates, the first wins a draw.
        false_flags: share of the validation cells that may be flagged.
        bccd: folder of BCCD, whose ``train`` fields give backgrounds; None without.
        seed: of the made-up pictures.

    Returns:
        The detector, and per method the share flagged of each kind and their ``mean``.
    """
    pictures = foreign_pictures(bccd=bccd, fields="train", seed=seed)
    known = run_files(predictor, training, title="training cells")
    held = run_files(predictor, validation, title="validation cells")
    foreign = {kind: run_pictures(predictor, items) for kind, items in pictures.items()}
    detectors, compared = {}, {}
    for method in methods:
        detector = fit_detector(
            method,
            embeddings=known.embeddings,
            labels=training.labels,
            validation_logits=held.logits,
            validation_embeddings=held.embeddings,
            false_flags=false_flags,
        )
        shares = {
            kind: float(_flags(detector, outputs).mean()) for kind, outputs in foreign.items()
        }
        detectors[method] = detector
        compared[method] = {
            "validation": float(_flags(detector, held).mean()),
            **shares,
            "mean": float(np.mean(list(shares.values()))),
        }
    best = max(methods, key=lambda method: compared[method]["mean"])
    return detectors[best], compared


def measure_detector(
    predictor: Predictor,
    detector: Detector,
    test: LabelledFiles,
    *,
    bccd: Path | None,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Count what a detector flags: test cells, foreign pictures, another laboratory's cells.

    Args:
        predictor: of the bundle.
        detector: fitted on other pictures.
        test: test cells.
        bccd: folder of BCCD, whose ``val`` fields are used; None without.
        seed: of the made-up pictures; another than the one the detector was chosen with.

    Returns:
        Per kind ``n``, ``flagged``, ``share`` with its exact 95 % interval and the quartiles of the
        ``confidence``; ``foreign, all kinds`` sums up what should be flagged.
    """
    temperature = predictor.manifest.temperature
    result = {"test cells": _row(detector, run_files(predictor, test), temperature)}
    kinds = foreign_pictures(bccd=bccd, fields="val", seed=seed)
    for kind, pictures in kinds.items():
        result[kind] = _row(detector, run_pictures(predictor, pictures), temperature)
    total = sum(result[kind]["n"] for kind in kinds)
    flagged = sum(result[kind]["flagged"] for kind in kinds)
    result["foreign, all kinds"] = {
        "n": total,
        "flagged": flagged,
        "share": flagged / total,
        "share_interval": exact_interval(flagged, total),
    }
    if bccd:
        cells = white_cell_crops(bccd, field_names(bccd, "val"))
        outputs = run_pictures(predictor, cells)
        result["white cells of BCCD"] = _row(detector, outputs, temperature)
    return result


def _flags(detector: Detector, outputs: Outputs) -> Any:
    return detector.scores(outputs.logits, outputs.embeddings) > detector.threshold


def _row(detector: Detector, outputs: Outputs, temperature: float) -> dict[str, Any]:
    flags = _flags(detector, outputs)
    flagged = int(flags.sum())
    confidence = softmax(outputs.logits, temperature).max(axis=1)
    return {
        "n": len(flags),
        "flagged": flagged,
        "share": flagged / len(flags),
        "share_interval": exact_interval(flagged, len(flags)),
        "confidence_quartiles": [
            float(value) for value in np.quantile(confidence, (0.25, 0.5, 0.75))
        ],
    }
