"""The figures of a model bundle's card, in the order a reader of the model page asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cases.models import CellClass


@dataclass(frozen=True)
class Share:
    """A share of 1 and its exact 95 % interval, as far as they were measured."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Card:
    """What a bundle's manifest says about its quality and its origin.

    Attributes:
        data: the images it was measured on; empty when nothing was measured.
        n: how many there were.
        above: share of the images at or above the review threshold.
        right_above: share of right answers among those.
        recalls: for each class of the model its name, images, recall and precision.
        origin: how it was trained: pairs of a heading and a text, in English as in the bundle.
        licence: of the training data.
    """

    data: str = ""
    n: int | None = None
    accuracy: Share | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    calibration_error: float | None = None
    above: float | None = None
    right_above: Share | None = None
    recalls: list[dict[str, Any]] = field(default_factory=list)
    origin: list[tuple[str, str]] = field(default_factory=list)
    licence: str = ""


def read_card(manifest: Mapping[str, Any], classes: Mapping[str, CellClass]) -> Card:
    """Return what a bundle's manifest says; what was not measured stays empty.

    Args:
        manifest: the bundle's ``model.json``.
        classes: the cell classes by code.
    """
    measured = manifest.get("metrics", {}).get("evaluation") or {}
    selective = measured.get("selective") or {}
    return Card(
        data=measured.get("data", ""),
        n=measured.get("n"),
        accuracy=_share(measured, "accuracy") if measured else None,
        balanced_accuracy=measured.get("balanced_accuracy"),
        macro_f1=measured.get("macro_f1"),
        calibration_error=measured.get("ece"),
        above=selective.get("coverage"),
        right_above=_share(selective, "accuracy") if selective else None,
        recalls=[
            {
                "cell_class": classes.get(code),
                "code": code,
                "n": row.get("n"),
                "recall": _share(row, "recall"),
                "precision": _share(row, "precision"),
            }
            for code, row in (measured.get("per_class") or {}).items()
        ],
        origin=[
            (name.replace("_", " "), str(text))
            for name, text in manifest.get("training", {}).items()
        ],
        licence=manifest.get("data_licence", ""),
    )


def _share(row: Mapping[str, Any], name: str) -> Share:
    low, high = row.get(f"{name}_interval") or (None, None)
    return Share(row.get(name), low, high)
