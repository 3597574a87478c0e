"""Pictures of a training run and of an evaluation, drawn without a display.

Text in the pictures comes from :data:`LABELS`, so that the cards in English and Spanish each have
pictures a reader understands.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from PIL import Image

LABELS: dict[str, dict[str, str]] = {
    "en": {
        "true": "reference label",
        "predicted": "label given by the model",
        "confusion": "Confusion matrix",
        "confidence": "confidence",
        "accuracy": "accuracy",
        "reliability": "Reliability",
        "before": "before temperature",
        "after": "after temperature",
        "perfect": "perfectly calibrated",
        "coverage": "share of cells kept",
        "error": "error among the kept",
        "risk": "Risk against coverage",
        "threshold": "review threshold",
        "epoch": "image-steps",
        "loss": "loss",
        "training": "training",
        "validation": "validation",
        "no_errors": "no misclassified image",
    },
    "es": {
        "true": "etiqueta de referencia",
        "predicted": "etiqueta dada por el modelo",
        "confusion": "Matriz de confusión",
        "confidence": "confianza",
        "accuracy": "exactitud",
        "reliability": "Fiabilidad",
        "before": "antes de la temperatura",
        "after": "después de la temperatura",
        "perfect": "calibración perfecta",
        "coverage": "proporción de células conservadas",
        "error": "error entre las conservadas",
        "risk": "Riesgo según la cobertura",
        "threshold": "umbral de revisión",
        "epoch": "pasos de imagen",
        "loss": "pérdida",
        "training": "entrenamiento",
        "validation": "validación",
        "no_errors": "ninguna imagen mal clasificada",
    },
}
# Okabe and Ito's colours, told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG that is either whole or not there."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(stream.getvalue())
    draft.replace(path)


def draw_curves(log: Sequence[Mapping[str, float]], path: Path, *, language: str = "en") -> None:
    """Draw loss and accuracy of training and validation against image-steps.

    Args:
        log: what :func:`ml.training_log.read_log` returned, or rows with at least
            ``image_steps`` and ``val_accuracy``.
        path: of the PNG.
        language: ``en`` or ``es``.
    """
    words = LABELS[language]
    figure = _figure(8, 3.2)
    steps = [row["image_steps"] for row in log]
    for place, (quantity, title) in enumerate((("loss", "loss"), ("accuracy", "accuracy")), 1):
        axes = figure.add_subplot(1, 2, place)
        for prefix, colour, name in (("", GREY, "training"), ("val_", BLUE, "validation")):
            if all(prefix + quantity in row for row in log):
                values = [row[prefix + quantity] for row in log]
                axes.plot(steps, values, "o-", color=colour, markersize=3, label=words[name])
        axes.set_xlabel(words["epoch"])
        axes.set_ylabel(words[title])
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    _save(figure, path)


def draw_confusion(
    matrix: NDArray[np.int64], classes: Sequence[str], path: Path, *, language: str = "en"
) -> None:
    """Draw counts, shaded by their share of the reference class.

    Args:
        matrix: int array (classes, classes), rows the reference, columns the prediction.
        classes: names in that order.
        path: of the PNG.
        language: ``en`` or ``es``.
    """
    words = LABELS[language]
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure = _figure(6.4, 5.6)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
    for row in range(len(classes)):
        for column in range(len(classes)):
            if matrix[row, column]:
                axes.text(
                    column,
                    row,
                    str(matrix[row, column]),
                    ha="center",
                    va="center",
                    color="black" if share[row, column] > 0.6 else "white",
                )
    axes.set_xticks(range(len(classes)), classes, rotation=40, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel(words["predicted"])
    axes.set_ylabel(words["true"])
    axes.set_title(words["confusion"])
    _save(figure, path)


def draw_reliability(
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    language: str = "en",
) -> None:
    """Draw accuracy against mean confidence per bin, before and after the temperature.

    Args:
        before: bins as :func:`ml.calibration.reliability_bins` returns them, at temperature 1.
        after: the same at the bundle's temperature.
        path: of the PNG.
        language: ``en`` or ``es``.
    """
    words = LABELS[language]
    figure = _figure(4.6, 4.2)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], "--", color=GREY, label=words["perfect"])
    for bins, colour, name in ((before, ORANGE, "before"), (after, BLUE, "after")):
        filled = [item for item in bins if item["count"]]
        axes.plot(
            [item["confidence"] for item in filled],
            [item["accuracy"] for item in filled],
            "o-",
            color=colour,
            markersize=4,
            label=words[name],
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(words["confidence"])
    axes.set_ylabel(words["accuracy"])
    axes.set_title(words["reliability"])
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, path)


def draw_risk_coverage(
    coverage: NDArray[np.float64],
    risk: NDArray[np.float64],
    path: Path,
    *,
    threshold_coverage: float | None = None,
    language: str = "en",
) -> None:
    """Draw the error among the most confident cells against the share of cells kept.

    Args:
        coverage: shares kept, rising.
        risk: share of errors among the kept, at each coverage.
        path: of the PNG.
        threshold_coverage: share of cells above the review threshold.
        language: ``en`` or ``es``.
    """
    words = LABELS[language]
    figure = _figure(5.2, 3.6)
    axes = figure.add_subplot()
    axes.plot(coverage, 100 * risk, color=BLUE)
    if threshold_coverage is not None:
        axes.axvline(threshold_coverage, color=ORANGE, linestyle="--", label=words["threshold"])
        axes.legend(frameon=False)
    axes.set_xlabel(words["coverage"])
    axes.set_ylabel(f"{words['error']} (%)")
    axes.set_title(words["risk"])
    axes.grid(alpha=0.3)
    _save(figure, path)


def draw_contact_sheet(
    pictures: Sequence[Image.Image],
    captions: Sequence[str],
    path: Path,
    *,
    columns: int = 8,
    side: int = 160,
    language: str = "en",
) -> None:
    """Draw pictures in rows with a caption above each.

    Args:
        pictures: of any size; each is shown as a thumbnail.
        captions: one per picture.
        path: of the PNG.
        columns: pictures per row.
        side: of a thumbnail in pixels.
        language: ``en`` or ``es``; of the words shown when there is no picture.
    """
    rows = max(1, -(-len(pictures) // columns))
    inches = 1.5 * max(1.0, side / 200)
    figure = _figure(inches * columns, (inches + 0.35) * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    if not pictures:
        grid.flat[0].text(0, 0.5, LABELS[language]["no_errors"])
    for axes, picture, caption in zip(grid.flat, pictures, captions, strict=False):
        axes.imshow(np.asarray(picture.resize((side, side))))
        axes.set_title(caption, fontsize=6)
    _save(figure, path)
