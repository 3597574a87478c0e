"""A bundle's model card: README.md in English, README.es.md in Spanish, with their pictures.

Every figure comes from the manifest's ``metrics``, where the tools that measured it put it; what
was not measured is not mentioned. The form follows Mitchell et al., "Model Cards for Model
Reporting", FAT* 2019.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.card_words import CLASS_NAMES, KINDS, PARTS, WORDS
from ml.evaluation_pictures import CONTACT_SHEET, draw_evaluation
from ml.manifest import read_manifest
from ml.plots import draw_curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml.manifest import Manifest

CARD_NAMES = {"en": "README.md", "es": "README.es.md"}


def write_card(bundle: str | os.PathLike[str]) -> list[Path]:
    """Write the cards of a bundle and draw their pictures.

    Args:
        bundle: the bundle's folder.

    Returns:
        The cards' paths.

    Raises:
        ml.manifest.BundleError: when the manifest cannot be read.
    """
    folder = Path(bundle)
    manifest = read_manifest(folder)
    written = []
    for language, name in CARD_NAMES.items():
        if evaluation := manifest.metrics.get("evaluation"):
            draw_evaluation(evaluation, folder, language=language)
        if curve := manifest.metrics.get("curve"):
            draw_curves(curve, folder / _picture("curves", language), language=language)
        text = card_text(manifest, language, sheet=(folder / CONTACT_SHEET).exists())
        draft = folder / f".{name}.draft"
        draft.write_text(text, encoding="utf-8")
        draft.replace(folder / name)
        written.append(folder / name)
    return written


def card_text(manifest: Manifest, language: str, *, sheet: bool) -> str:
    """Return a card as Markdown.

    Args:
        manifest: of the bundle.
        language: ``en`` or ``es``.
        sheet: whether the contact sheet of misclassified pictures lies in the bundle.
    """
    words, metrics = WORDS[language], manifest.metrics
    blocks = [
        f"# {manifest.name}",
        words["other_language"],
        f"## {words['use_title']}",
        words["use"],
        f"## {words['network_title']}",
        words["network"].format(
            architecture=manifest.architecture.upper(),
            head=manifest.head,
            size=manifest.input_size,
            crop=manifest.crop,
            count=len(manifest.classes),
            classes=", ".join(_class(code, language) for code in manifest.classes),
            sha=manifest.weights_sha256,
        ),
        f"## {words['measured_title']}",
    ]
    measured: list[str] = []
    if evaluation := metrics.get("evaluation"):
        measured += _evaluation(evaluation, language, sheet=sheet)
    if calibration := metrics.get("calibration"):
        measured += [f"### {words['calibration_title']}", _calibration(calibration, language)]
    if unfamiliar := metrics.get("unfamiliar"):
        measured += _unfamiliar(unfamiliar, language)
    if faithfulness := metrics.get("faithfulness"):
        measured += _faithfulness(faithfulness, language)
    blocks += measured or [words["not_measured"]]
    blocks.append(f"## {words['provenance_title']}")
    if metrics.get("curve"):
        blocks.append(f"![{words['curves_alt']}]({_picture('curves', language)})")
    if manifest.training:
        blocks.append("\n".join(_listed(manifest.training)))
    blocks += [
        words["licence"].format(licence=manifest.data_licence.rstrip(".")),
        f"## {words['limits_title']}",
        words["limits"],
    ]
    return "\n\n".join(blocks) + "\n"


def _evaluation(figures: Mapping[str, Any], language: str, *, sheet: bool) -> list[str]:
    words = WORDS[language]
    chosen = figures["selective"]
    blocks = [
        words["headline"].format(
            n=figures["n"],
            data=figures["data"],
            accuracy=_percent(figures["accuracy"]),
            interval=_interval(figures["accuracy_interval"]),
            balanced=_percent(figures["balanced_accuracy"]),
            f1=_percent(figures["macro_f1"]),
            ece=_percent(figures["ece"]),
            ece_before=_percent(figures["ece_before"]),
            bins=figures["ece_bins"],
        ),
        words["selective"].format(
            threshold=f"{chosen['threshold']:.4f}",
            coverage=_percent(chosen["coverage"]),
            errors=chosen["errors"],
            cells=chosen["cells"],
            accuracy=_percent(chosen["accuracy"]),
            interval=_interval(chosen["accuracy_interval"]),
        ),
    ]
    if flagged := figures["unfamiliar"]:
        blocks.append(
            words["flagged"].format(
                share=_percent(flagged["share"]), flagged=flagged["flagged"], n=figures["n"]
            )
        )
    rows = [
        (
            _class(code, language),
            item["n"],
            _with_interval(item["recall"], item["recall_interval"]),
            _with_interval(item["precision"], item["precision_interval"]),
        )
        for code, item in figures["per_class"].items()
    ]
    blocks.append(_table(words["class_table"], rows))
    for name, alt in (
        ("confusion", "confusion_alt"),
        ("reliability", "reliability_alt"),
        ("risk-coverage", "risk_alt"),
    ):
        blocks.append(f"![{words[alt]}]({_picture(name, language)})")
    rows = [
        (
            f"{row['coverage']:.0%}",
            row["cells"],
            f"{row['threshold']:.4f}",
            _percent(row["risk"]),
        )
        for row in figures["risk_coverage"]
    ]
    blocks.append(_table(words["risk_table"], rows))
    if figures["subtypes"]:
        rows = [
            (
                name,
                item["n"],
                f"{item['errors']} ({_interval(item['error_rate_interval'])})",
                ", ".join(
                    f"{_class(code, language)} {count}" for code, count in item["taken_for"].items()
                ),
            )
            for name, item in figures["subtypes"].items()
        ]
        blocks += [f"### {words['subtype_title']}", _table(words["subtype_table"], rows)]
    if sheet:
        blocks.append(f"![{words['sheet_alt']}]({CONTACT_SHEET})")
    return blocks


def _calibration(figures: Mapping[str, Any], language: str) -> str:
    return WORDS[language]["calibration"].format(
        n=figures["n"],
        temperature=f"{figures['temperature']:.3f}",
        threshold=f"{figures['review_threshold']:.4f}",
        allowed=_percent(1 - figures["target_accuracy"]),
        coverage=_percent(figures["coverage"]),
        errors=figures["errors_above"],
    )


def _unfamiliar(figures: Mapping[str, Any], language: str) -> list[str]:
    words = WORDS[language]
    blocks = [
        f"### {words['unfamiliar_title']}",
        words["unfamiliar"].format(
            method=figures["method"], allowed=_percent(figures["false_flags_allowed"])
        ),
    ]
    if measured := figures.get("measured"):
        rows = [
            (
                KINDS[language].get(kind, kind),
                item["n"],
                _with_interval(item["share"], item["share_interval"]),
                f"{item['confidence_quartiles'][1]:.3f}" if "confidence_quartiles" in item else "",
            )
            for kind, item in measured.items()
        ]
        blocks.append(_table(words["unfamiliar_table"], rows))
    return blocks


def _faithfulness(figures: Mapping[str, Any], language: str) -> list[str]:
    words = WORDS[language]
    energy = [
        (
            words[name],
            *(_percent(figures[name][kind]) for kind in ("gradcam", "uniform", "gaussian")),
            figures[name]["n"],
        )
        for name in ("energy", "energy_shifted")
    ]
    curves = [
        (
            words[kind],
            f"{figures['curves'][kind]['deletion']:.3f}",
            f"{figures['curves'][kind]['insertion']:.3f}",
        )
        for kind in ("gradcam", "uniform", "gaussian")
    ]
    values = ", ".join(
        f"{PARTS[language].get(part, part)} {value:.3f}"
        for part, value in figures["randomised"].items()
        if part != "n"
    )
    return [
        f"### {words['faithful_title']}",
        _table(words["energy_table"], energy),
        _table(words["curve_table"].format(n=figures["curves"]["n"]), curves),
        words["randomised"].format(values=values),
    ]


def _table(header: str, rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; a bar inside a cell would end it."""
    columns = header.count("|") - 1
    lines = [header, "|" + " --- |" * columns]
    cells = ([str(cell).replace("|", "/") for cell in row] for row in rows)
    lines += ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join(lines)


def _listed(content: Mapping[str, Any], *, depth: int = 0) -> list[str]:
    """Return nested values as a Markdown list."""
    lines = []
    for name, value in content.items():
        lead = "  " * depth + f"- {name.replace('_', ' ')}:"
        if isinstance(value, dict):
            lines += [lead, *_listed(value, depth=depth + 1)]
        elif isinstance(value, list):
            lines.append(f"{lead} {', '.join(str(item) for item in value)}")
        else:
            lines.append(f"{lead} {value}")
    return lines


def _picture(name: str, language: str) -> str:
    return f"{name}.png" if language == "en" else f"{name}.{language}.png"


def _class(code: str, language: str) -> str:
    return CLASS_NAMES[language].get(code, code)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _interval(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.2f}–{100 * interval[1]:.2f} %"


def _with_interval(value: float | None, interval: Sequence[float]) -> str:
    return "–" if value is None else f"{_percent(value)} ({_interval(interval)})"
