"""Find, number and count the cells of smear fields. Decision support, never a diagnosis.

Prints a table per field, or with --json one JSON object per field on a line of its own: the cells
with class, score, box, centre and the edges that cut them, numbered from top to bottom, and counts.
TIFF images are read piece by piece. The exit status is 1 when a field could not be used; the others
are answered all the same.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.commands.arguments import DEFAULT_DETECTOR
from ml.device import PRECISIONS

if TYPE_CHECKING:
    import argparse

    from ml.detection.detector import Detection, Detector

HELP = "find the cells of smear fields"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", nargs="+", metavar="FIELD", type=Path, help="images of fields")
    parser.add_argument(
        "--bundle", type=Path, default=DEFAULT_DETECTOR, help="(default: the shipped detector)"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--zoom",
        type=float,
        default=1.0,
        help="diameter of cells in the training fields over that in these (default: 1)",
    )
    size.add_argument(
        "--micrometres-per-pixel", type=float, metavar="SIDE", help="of the fields, for the zoom"
    )
    size.add_argument(
        "--measure-zoom", action="store_true", help="find the zoom by the size of the red cells"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per field")


def run(arguments: argparse.Namespace) -> int:
    """Find cells and print them."""
    from ml.detection.detector import Detector, as_source
    from ml.detection.scale import measure_zoom

    for file in arguments.files:
        if not file.is_file():
            raise FileNotFoundError(f"{file}: there is no such file")
    detector = Detector(arguments.bundle, precision=arguments.precision)
    zoom = arguments.zoom
    if arguments.micrometres_per_pixel is not None:
        zoom = detector.zoom_for(arguments.micrometres_per_pixel)
    status = 0
    for file in arguments.files:
        try:
            source = as_source(file)
            if arguments.measure_zoom:
                zoom = measure_zoom(detector, source)
            cells = detector.detect(source, zoom=zoom)
        except ValueError as error:
            status = 1
            if arguments.json:
                print(json.dumps({"file": str(file), "error": str(error)}))
            else:
                print(f"error: {error}", file=sys.stderr)
            continue
        answer = describe(file, cells, detector, size=(source.width, source.height), zoom=zoom)
        print(json.dumps(answer) if arguments.json else "\n".join(table(answer)))
    return status


def describe(
    file: Path, cells: list[Detection], detector: Detector, *, size: tuple[int, int], zoom: float
) -> dict[str, Any]:
    """Return the answer for one field as JSON values."""
    counts = Counter(cell.cell_class for cell in cells)
    return {
        "file": str(file),
        "width": size[0],
        "height": size[1],
        "detector": detector.manifest.name,
        "zoom": round(zoom, 4),
        "counts": {code: counts[code] for code in detector.manifest.classes},
        "cells": [
            {
                "number": number,
                "class": cell.cell_class,
                "score": round(cell.score, 4),
                "left": round(cell.left, 1),
                "top": round(cell.top, 1),
                "width": round(cell.width, 1),
                "height": round(cell.height, 1),
                "centre": [round(value, 1) for value in cell.centre],
                "cut_by_border": cell.cut_by_border,
                "edges": list(cell.edges),
            }
            for number, cell in enumerate(cells, 1)
        ],
    }


def table(answer: dict[str, Any]) -> list[str]:
    """Return the answer for one field as lines for people."""
    counts = ", ".join(f"{code} {count}" for code, count in answer["counts"].items())
    lines = [f"{answer['file']}: {counts}"]
    for cell in answer["cells"]:
        box = "{left:>8.1f}{top:>8.1f}{width:>8.1f}{height:>8.1f}".format(**cell)
        cut = f"  cut: {', '.join(cell['edges'])}" if cell["cut_by_border"] else ""
        lines.append(f"{cell['number']:>5}  {cell['class']:<9}{cell['score']:>7.3f}{box}{cut}")
    return lines
