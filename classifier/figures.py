"""The figures of a model bundle's card, in the order a reader of the model page asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cases.models import CellClass


# What `python -m ml unfamiliar` and `faithfulness` call what they measured.
KINDS = {
    "test cells": _("test cells"),
    "red-cell background": _("red-cell background"),
    "blank": _("blank areas"),
    "noise": _("noise"),
    "text": _("text"),
    "photographs": _("photographs"),
    "foreign, all kinds": _("not a cell, all kinds"),
    "white cells of BCCD": _("white cells of another laboratory (BCCD)"),
}
MAPS = {
    "energy": _("inside the cell, as photographed"),
    "energy_shifted": _("inside the cell, shifted by up to a quarter"),
}


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
        calibration_before: the calibration error without the temperature.
        confusion: rows of the confusion matrix: a class of the label, and how often the model said
            each class of the rows, in their order.
        risks: for shares of the cells kept, the most confident first: the share, the cells, the
            least confidence among them and the error.
        subtypes: the errors by the dataset's sub-type: its name, images, errors with interval, and
            what they were taken for.
        fitted: on what, and how, temperature and review threshold were fitted; empty if unknown.
        unfamiliar: the pictures a detector flags as unfamiliar: kind, images, share.
        maps: the share of a heatmap's energy inside the cell, beside that of a map without
            knowledge and of a centred one.
        origin: how it was trained: pairs of a heading and a text, in English as in the bundle.
        licence: of the training data.
    """

    data: str = ""
    n: int | None = None
    accuracy: Share | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    calibration_error: float | None = None
    calibration_before: float | None = None
    confusion: list[dict[str, Any]] = field(default_factory=list)
    risks: list[dict[str, Any]] = field(default_factory=list)
    subtypes: list[dict[str, Any]] = field(default_factory=list)
    fitted: dict[str, Any] = field(default_factory=dict)
    unfamiliar: list[dict[str, Any]] = field(default_factory=list)
    maps: list[dict[str, Any]] = field(default_factory=list)
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
    metrics = manifest.get("metrics") or {}
    measured = metrics.get("evaluation") or {}
    selective = measured.get("selective") or {}
    return Card(
        data=measured.get("data", ""),
        n=measured.get("n"),
        accuracy=_share(measured, "accuracy") if measured else None,
        balanced_accuracy=measured.get("balanced_accuracy"),
        macro_f1=measured.get("macro_f1"),
        calibration_error=measured.get("ece"),
        calibration_before=measured.get("ece_before"),
        confusion=[
            {"cell_class": classes.get(code), "code": code, "counts": counts}
            for code, counts in zip(
                measured.get("classes") or [], measured.get("confusion_matrix") or [], strict=False
            )
        ],
        risks=measured.get("risk_coverage") or [],
        subtypes=[
            {
                "name": name,
                "n": row.get("n"),
                "errors": row.get("errors"),
                "share": _share(row, "error_rate"),
                "taken_for": [
                    (classes[code].name if code in classes else code, count)
                    for code, count in (row.get("taken_for") or {}).items()
                ],
            }
            for name, row in (measured.get("subtypes") or {}).items()
        ],
        fitted=metrics.get("calibration") or {},
        unfamiliar=[
            {"kind": KINDS.get(kind, kind), "n": row.get("n"), "share": _share(row, "share")}
            for kind, row in ((metrics.get("unfamiliar") or {}).get("measured") or {}).items()
        ],
        maps=[
            {"what": text, **metrics["faithfulness"][name]}
            for name, text in MAPS.items()
            if name in (metrics.get("faithfulness") or {})
        ],
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
