"""Measure a bundle on labelled pictures, on the road they take in serving.

DATA is a folder with one sub-folder per class; labels are the folders' names. Intervals are exact
(Clopper-Pearson, 95 %); the expected calibration error has 15 bins of equal width (Guo et al.,
2017). The last line is one JSON object with all figures. The pictures (confusion matrix,
reliability, risk against coverage, a contact sheet of the misclassified) go to the folder of --out,
or with --json FILE to FILE.pictures beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.commands.arguments import (
    add_json_argument,
    add_predictor_arguments,
    finish,
    load_predictor,
)

if TYPE_CHECKING:
    import argparse

HELP = "measure a bundle on labelled pictures"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", metavar="DATA", type=Path, help="one sub-folder per class")
    add_predictor_arguments(parser)
    add_json_argument(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the pictures (default: beside --json's FILE; none without either)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print tables, and end with one line of JSON."""
    from ml.data import read_folder
    from ml.evaluation import evaluate
    from ml.evaluation_pictures import draw_contact_sheet_of, draw_evaluation
    from ml.manifest import read_manifest
    from ml.outputs import run_files

    manifest = read_manifest(arguments.bundle)
    files = read_folder(arguments.data, classes=manifest.classes)
    predictor = load_predictor(arguments)
    outputs = run_files(predictor, files)
    predictor.close()
    flags = None
    if predictor.detector:
        scores = predictor.detector.scores(outputs.logits, outputs.embeddings)
        flags = scores > predictor.detector.threshold
    figures = evaluate(files, outputs, manifest, unfamiliar=flags)
    figures["device"] = predictor.device
    figures["data"] = "/".join(arguments.data.resolve().parts[-2:])
    for line in tables(figures):
        print(line)
    out = arguments.out or (arguments.json and arguments.json.with_suffix(".pictures"))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        draw_evaluation(figures, out)
        draw_contact_sheet_of(figures, arguments.data, out)
        print(f"\npictures in {out}")
    finish(figures, arguments.json)
    return 0


def tables(figures: dict[str, Any]) -> list[str]:
    """Return the figures as lines for people."""
    low, high = figures["accuracy_interval"]
    lines = [
        f"{figures['n']} pictures, {figures['bundle']} on {figures['device']}",
        f"accuracy {figures['accuracy']:.2%} ({low:.2%} to {high:.2%}), balanced accuracy "
        f"{figures['balanced_accuracy']:.2%}, macro-F1 {figures['macro_f1']:.2%}",
        f"expected calibration error {figures['ece']:.2%} at temperature "
        f"{figures['temperature']:.3f} ({figures['ece_before']:.2%} without)",
        "",
        f"{'class':<16}{'n':>6}  {'recall':<28}{'precision':<28}",
    ]
    for code, item in figures["per_class"].items():
        cells = "".join(f"{_share(item, name):<28}" for name in ("recall", "precision"))
        lines.append(f"{code:<16}{item['n']:>6}  {cells}".rstrip())
    classes = figures["classes"]
    lines += ["", "confusion matrix (rows: label, columns: prediction)"]
    lines.append(" " * 16 + "".join(f"{code[:6]:>8}" for code in classes))
    for code, row in zip(classes, figures["confusion_matrix"], strict=True):
        lines.append(f"{code:<16}" + "".join(f"{count:>8}" for count in row))
    lines += ["", f"{'kept':>6}{'cells':>8}{'threshold':>11}{'error':>9}"]
    for row in figures["risk_coverage"]:
        lines.append(
            f"{row['coverage']:>6.0%}{row['cells']:>8}{row['threshold']:>11.4f}{row['risk']:>9.2%}"
        )
    chosen = figures["selective"]
    lines += [
        f"at the review threshold {chosen['threshold']:.4f}: {chosen['coverage']:.2%} of cells, "
        f"{chosen['errors']} errors among {chosen['cells']}",
        "",
        "errors by sub-type",
    ]
    for name, item in figures["subtypes"].items():
        taken = ", ".join(f"{code} {count}" for code, count in item["taken_for"].items())
        lines.append(f"{name:<26}{item['errors']:>4} of {item['n']:<6}{taken}".rstrip())
    if figures["unfamiliar"]:
        lines.append(
            f"called unfamiliar: {figures['unfamiliar']['flagged']} "
            f"({figures['unfamiliar']['share']:.2%})"
        )
    return lines


def _share(item: dict[str, Any], name: str) -> str:
    if item[name] is None:
        return "none"
    low, high = item[f"{name}_interval"]
    return f"{item[name]:.2%} ({low:.2%} to {high:.2%})"
