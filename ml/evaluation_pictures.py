"""The pictures of an evaluation, drawn from its figures alone, in English or Spanish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.data import open_picture
from ml.plots import draw_confusion, draw_contact_sheet, draw_reliability, draw_risk_coverage

if TYPE_CHECKING:
    from pathlib import Path

CONTACT_SHEET = "misclassified.png"
SHOWN_ERRORS = 48


def draw_evaluation(figures: dict[str, Any], folder: Path, *, language: str = "en") -> None:
    """Draw confusion matrix, reliability and risk against coverage.

    Args:
        figures: what :func:`ml.evaluation.evaluate` returned.
        folder: of the PNGs; those in another language than English have its code in their name.
        language: ``en`` or ``es``.
    """
    ending = "" if language == "en" else f".{language}"
    draw_confusion(
        np.array(figures["confusion_matrix"]),
        figures["classes"],
        folder / f"confusion{ending}.png",
        language=language,
    )
    draw_reliability(
        figures["reliability_before"],
        figures["reliability"],
        folder / f"reliability{ending}.png",
        language=language,
    )
    rows = sorted(figures["risk_coverage"], key=lambda row: row["coverage"])
    draw_risk_coverage(
        np.array([row["coverage"] for row in rows]),
        np.array([row["risk"] for row in rows]),
        folder / f"risk-coverage{ending}.png",
        threshold_coverage=figures["selective"]["coverage"],
        language=language,
    )


def draw_contact_sheet_of(figures: dict[str, Any], data: Path, folder: Path) -> None:
    """Draw the misclassified pictures, the most confident errors first.

    Args:
        figures: what :func:`ml.evaluation.evaluate` returned.
        data: the folder that was evaluated.
        folder: of the PNG.
    """
    shown = figures["errors"][:SHOWN_ERRORS]
    draw_contact_sheet(
        [open_picture(data / item["file"]) for item in shown],
        [f"{item['label']} → {item['predicted']} {item['confidence']:.2f}" for item in shown],
        folder / CONTACT_SHEET,
    )
