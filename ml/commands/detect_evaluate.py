"""Measure a detector on annotated fields.

DATA is laid out as BCCD is: images/, annotations/ (Pascal VOC), list files; or it is a list file of
such a folder. Average precision is PASCAL VOC's, all-point interpolation at an overlap of 0.5;
precision, recall, F1 and counts are those at the bundle's thresholds. The last line is one JSON
object. --out writes a report with the 20 worst disagreements as pictures: BCCD misses boxes, and a
person must tell the model's errors from the annotators'. --method watershed measures the detector
without a network that docs/decisions compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.commands.arguments import DEFAULT_DETECTOR
from ml.device import PRECISIONS

if TYPE_CHECKING:
    import argparse

HELP = "measure a detector on annotated fields"
METHODS = ("bundle", "watershed")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", metavar="DATA", type=Path, help="laid out as BCCD, or a list file")
    parser.add_argument(
        "--bundle", type=Path, default=DEFAULT_DETECTOR, help="(default: the shipped detector)"
    )
    parser.add_argument(
        "--list", help="list file without .txt (default: the only one there is, else val)"
    )
    parser.add_argument("--method", choices=METHODS, default="bundle")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    parser.add_argument(
        "--json",
        nargs="?",
        type=Path,
        const=None,
        metavar="FILE",
        help="print the JSON object alone, without tables; with FILE, write it there as well",
        default=False,
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for report and pictures")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print tables, and end with one line of JSON."""
    from ml.detection.evaluation import disagreements, evaluate_fields, run_fields
    from ml.detection.fields import CLASSES, find_list, read_fields
    from ml.detection.report import write_report

    root, part = find_list(arguments.data, arguments.list)
    fields = read_fields(root, part=part)
    figures: dict[str, Any]
    classes: tuple[str, ...]
    if arguments.method == "watershed":
        from ml.detection.watershed import THRESHOLDS, find_cells

        name, classes, thresholds, device = "watershed", CLASSES, THRESHOLDS, "CPU, scikit-image"
        answers = run_fields(fields, find_cells)
    else:
        from ml.detection.detector import Detector
        from ml.detection.export import finder

        detector = Detector(arguments.bundle, precision=arguments.precision)
        manifest = detector.manifest
        name, classes, device = manifest.name, manifest.classes, detector.device
        thresholds = dict(manifest.thresholds)
        if classes != CLASSES:
            raise ValueError(f"{arguments.bundle}: it knows other classes than the annotations")
        answers = run_fields(fields, finder(detector))
    figures = evaluate_fields(answers, classes=classes, thresholds=thresholds)
    figures |= {"detector": name, "device": device, "data": f"{root.name}, list {part}"}
    if arguments.method == "bundle":
        figures["weights_sha256"] = manifest.weights_sha256
    worst = disagreements(answers, thresholds=[thresholds[code] for code in classes])
    figures["disagreements"] = len(worst)
    if arguments.json is False:
        for line in tables(figures):
            print(line)
    if arguments.out:
        write_report(figures, answers, worst, arguments.out)
    text = json.dumps(figures)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


def tables(figures: dict[str, Any]) -> list[str]:
    """Return the figures as lines for people."""
    seconds = figures["seconds_per_field"]
    lines = [
        f"{figures['n']} fields ({figures['data']}), {figures['detector']} on {figures['device']}",
        f"mAP50 {figures['map50']:.4f}; {seconds['median']:.3f} s per field (median), "
        f"at most {seconds['greatest']:.3f} s",
        f"({figures['definition']})",
        "",
        f"{'class':<10}{'n':>6}{'AP50':>9}{'precision':>11}{'recall':>9}{'F1':>9}"
        f"{'count error':>13}{'per field':>11}{'bias':>9}",
    ]
    for code, item in figures["per_class"].items():
        cells = [
            (item["ap50"], 9), (item["precision"], 11), (item["recall"], 9), (item["f1"], 9),
            (item["count_error"], 13), (item["count_error_per_field"], 11), (item["count_bias"], 9),
        ]  # fmt: skip
        lines.append(
            f"{code:<10}{item['n']:>6}"
            + "".join(f"{'none' if value is None else f'{value:.4f}':>{w}}" for value, w in cells)
        )
    return lines
