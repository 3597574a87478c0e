"""Fit a bundle's temperature and review threshold on validation pictures.

The temperature is the one of least negative log-likelihood (Guo et al., 2017). The threshold is
the lowest confidence such that, of the validation cells at or above it, (errors + 1) / (cells + 1)
is at most 0.3 % (--target 0.997): one more error than was seen would still be allowed. DATA must be
pictures the network was neither trained nor is tested on: `split TRAIN DST --ratio 0.9 0.1 --link`
writes the folder DST/validation that `train` held out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ml.commands.arguments import (
    add_json_argument,
    add_predictor_arguments,
    finish,
    load_predictor,
)

if TYPE_CHECKING:
    import argparse

HELP = "fit a bundle's temperature and review threshold"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from ml.calibration import TARGET_ACCURACY

    parser.add_argument("data", metavar="DATA", type=Path, help="one sub-folder per class")
    add_predictor_arguments(parser)
    parser.add_argument(
        "--target",
        type=float,
        default=TARGET_ACCURACY,
        help="share of right cells above the threshold (default: %(default)s)",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fit and write; the last line is one JSON object."""
    from ml.bundle import amend_bundle
    from ml.calibration import calibrate
    from ml.data import read_folder
    from ml.manifest import read_manifest
    from ml.outputs import run_files

    files = read_folder(arguments.data, classes=read_manifest(arguments.bundle).classes)
    predictor = load_predictor(arguments)
    outputs = run_files(predictor, files)
    predictor.close()
    result = calibrate(outputs.logits, files.labels, target=arguments.target)
    amend_bundle(
        arguments.bundle,
        temperature=result["temperature"],
        review_threshold=result["review_threshold"],
        metrics={**predictor.manifest.metrics, "calibration": result},
    )
    finish(result, arguments.json)
    return 0
