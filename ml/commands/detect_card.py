"""Put measured figures into a detector's bundle and write its card, in English and Spanish."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ml.commands.arguments import DEFAULT_DETECTOR

if TYPE_CHECKING:
    import argparse

HELP = "write a detector's card with its measured figures"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--bundle", type=Path, default=DEFAULT_DETECTOR)
    parser.add_argument(
        "--evaluation", type=Path, metavar="FILE", help="of `detect-evaluate --json FILE`"
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="of `detect-evaluate --out`: the sheet"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the figures and the cards.

    Raises:
        ValueError: when the evaluation was made with other weights or thresholds.
    """
    from ml.detection.card import write_detector_card
    from ml.detection.manifest import (
        load_detector_weights,
        read_detector_manifest,
        write_detector,
    )
    from ml.detection.report import SHEET

    manifest = read_detector_manifest(arguments.bundle)
    if arguments.evaluation:
        figures = json.loads(arguments.evaluation.read_text(encoding="utf-8"))
        for name in ("weights_sha256", "thresholds"):
            if figures.get(name) != getattr(manifest, name):
                raise ValueError(
                    f"{arguments.evaluation}: these figures were measured with other {name} than "
                    "this bundle's; run `detect-evaluate` again"
                )
        arrays = load_detector_weights(arguments.bundle, manifest)
        metrics = {**manifest.metrics, "evaluation": figures}
        write_detector(arguments.bundle, replace(manifest, metrics=metrics), arrays, overwrite=True)
    if arguments.pictures:
        shutil.copyfile(arguments.pictures / SHEET, arguments.bundle / SHEET)
    for path in write_detector_card(arguments.bundle):
        print(path)
    return 0
