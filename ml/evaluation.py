"""Figures of a bundle on labelled pictures: how often it is right, where it fails, what it knows.

The usual figures come from scikit-learn, exact intervals from SciPy. Only the pictures given are
counted; nothing is fitted here.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.calibration import (
    exact_interval,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
)
from ml.predictor import softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.data import LabelledFiles
    from ml.manifest import Manifest
    from ml.outputs import Outputs

COVERAGES = (1.0, 0.99, 0.98, 0.97, 0.95, 0.9, 0.8, 0.7, 0.5)
# PBC's file names begin with the sub-type: BNE_123.jpg is a band neutrophil, MMY a metamyelocyte.
SUBTYPE = re.compile(r"([A-Za-z]{2,})[_-]?\d")


def evaluate(
    files: LabelledFiles,
    outputs: Outputs,
    manifest: Manifest,
    *,
    unfamiliar: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Judge the network's answers.

    Args:
        files: pictures and labels, in the order of the bundle's classes.
        outputs: what :func:`ml.outputs.run_files` returned for them.
        manifest: of the bundle.
        unfamiliar: (n,), which pictures the bundle calls unfamiliar; None without a detector.

    Returns:
        The figures as JSON values: ``n``, ``accuracy``, ``balanced_accuracy``, ``macro_f1`` (both
        over the classes that have pictures), ``per_class`` and ``per_class_recall``,
        ``confusion_matrix`` (rows the reference), ``ece_before``, ``ece``, reliability bins,
        ``risk_coverage``, ``selective`` (at the review threshold), ``subtypes``, ``unfamiliar`` and
        the misclassified ``errors``, the most confident first.
    """
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

    before = softmax(outputs.logits, 1.0)
    after = softmax(outputs.logits, manifest.temperature)
    labels, predicted = files.labels, after.argmax(axis=1)
    confidence, right = after.max(axis=1), predicted == labels
    everything = np.arange(len(files.classes))
    matrix = confusion_matrix(labels, predicted, labels=everything)
    present = np.unique(labels)
    per_class = _per_class(matrix, files.classes)
    bins_before, bins = reliability_bins(before, labels), reliability_bins(after, labels)
    correct = int(right.sum())
    return {
        "bundle": manifest.name,
        "weights_sha256": manifest.weights_sha256,
        "n": len(files),
        "accuracy": correct / len(files),
        "accuracy_interval": exact_interval(correct, len(files)),
        "balanced_accuracy": float(balanced_accuracy_score(labels, predicted)),
        "macro_f1": float(
            f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
        ),
        "per_class_recall": {code: item["recall"] for code, item in per_class.items()},
        "per_class": per_class,
        "classes": list(files.classes),
        "confusion_matrix": matrix.tolist(),
        "temperature": manifest.temperature,
        "nll_before": negative_log_likelihood(outputs.logits, labels, 1.0),
        "nll": negative_log_likelihood(outputs.logits, labels, manifest.temperature),
        "ece_before": expected_calibration_error(bins_before),
        "ece": expected_calibration_error(bins),
        "ece_bins": len(bins),
        "reliability_before": bins_before,
        "reliability": bins,
        "risk_coverage": risk_coverage(confidence, right),
        "selective": _selective(confidence, right, manifest.review_threshold),
        "subtypes": _subtypes(files, predicted),
        "unfamiliar": None if unfamiliar is None else _shares(unfamiliar),
        "errors": [
            {
                "file": f"{files.paths[index].parent.name}/{files.paths[index].name}",
                "label": files.classes[labels[index]],
                "predicted": files.classes[predicted[index]],
                "confidence": float(confidence[index]),
            }
            for index in sorted(np.flatnonzero(~right), key=lambda i: -confidence[i])
        ],
    }


def risk_coverage(
    confidence: NDArray[np.floating], right: NDArray[np.bool_]
) -> list[dict[str, float]]:
    """Return the error among the most confident cells for several shares of cells kept.

    Args:
        confidence: (n,).
        right: (n,).

    Returns:
        Rows of ``coverage``, ``cells``, ``threshold`` (the least confidence kept) and ``risk``.
    """
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    rows = []
    for coverage in COVERAGES:
        kept = max(1, round(coverage * len(order)))
        rows.append(
            {
                "coverage": coverage,
                "cells": kept,
                "threshold": float(confidence[order[kept - 1]]),
                "risk": float(wrong[kept - 1] / kept),
            }
        )
    return rows


def subtype_of(name: str) -> str:
    """Return the sub-type a PBC file name begins with, in capitals; empty without one."""
    match = SUBTYPE.match(name)
    return match.group(1).upper() if match else ""


def _per_class(matrix: NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    result = {}
    for index, code in enumerate(classes):
        right = int(matrix[index, index])
        actual, given = int(matrix[index].sum()), int(matrix[:, index].sum())
        result[code] = {
            "n": actual,
            "recall": right / actual if actual else None,
            "recall_interval": exact_interval(right, actual),
            "precision": right / given if given else None,
            "precision_interval": exact_interval(right, given),
            "f1": 2 * right / (actual + given) if actual + given else None,
        }
    return result


def _selective(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], threshold: float
) -> dict[str, Any]:
    above = confidence >= threshold
    kept, correct = int(above.sum()), int(right[above].sum())
    return {
        "threshold": threshold,
        "cells": kept,
        "coverage": kept / len(right),
        "errors": kept - correct,
        "accuracy": correct / kept if kept else None,
        "accuracy_interval": exact_interval(correct, kept),
    }


def _shares(flags: NDArray[np.bool_]) -> dict[str, Any]:
    flagged = int(flags.sum())
    return {
        "flagged": flagged,
        "share": flagged / len(flags),
        "share_interval": exact_interval(flagged, len(flags)),
    }


def _subtypes(files: LabelledFiles, predicted: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """Count errors by sub-type, those of several classes apart."""
    groups: dict[str, list[int]] = {}
    for index, path in enumerate(files.paths):
        if prefix := subtype_of(path.name):
            groups.setdefault(f"{files.classes[files.labels[index]]}/{prefix}", []).append(index)
    result = {}
    for name, members in sorted(groups.items()):
        wrong = [index for index in members if predicted[index] != files.labels[index]]
        taken_for = Counter(files.classes[predicted[index]] for index in wrong)
        result[name] = {
            "n": len(members),
            "errors": len(wrong),
            "error_rate": len(wrong) / len(members),
            "error_rate_interval": exact_interval(len(wrong), len(members)),
            "taken_for": dict(taken_for.most_common()),
        }
    return result
