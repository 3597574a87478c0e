"""Fit a bundle's detector of unfamiliar pictures, and measure it.

TRAIN gives the embeddings of known cells (an even sample per class, without those of VALIDATION),
VALIDATION the threshold, such that a share --false-flags of its cells lies above it. The method is
the one given, or with `auto` the one that flags the largest share of made-up pictures, photographs
and BCCD's `train` backgrounds. With --test, the detector is then measured on test cells, on fresh
pictures and on BCCD's `val` fields, whose white cells are reported apart: nothing is chosen by
those figures.
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
from ml.unfamiliar import METHODS

if TYPE_CHECKING:
    import argparse

HELP = "fit and measure a bundle's detector of unfamiliar pictures"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("train", metavar="TRAIN", type=Path, help="one sub-folder per class")
    parser.add_argument("validation", metavar="VALIDATION", type=Path, help="the same, held out")
    add_predictor_arguments(parser)
    parser.add_argument("--test", type=Path, metavar="DATA", help="test cells, to measure only")
    parser.add_argument("--bccd", type=Path, help="folder of BCCD: images, annotations, lists")
    parser.add_argument(
        "--method", choices=("auto", *METHODS), default="auto", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--false-flags",
        type=float,
        default=0.007,
        metavar="SHARE",
        help="of the validation cells above the threshold (default: %(default)s)",
    )
    parser.add_argument(
        "--per-class", type=int, default=400, help="most training cells (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=42, help="(default: %(default)s)")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fit, write, measure; the last line is one JSON object."""
    from ml.bundle import amend_bundle
    from ml.data import read_folder
    from ml.manifest import read_manifest
    from ml.unfamiliar_figures import choose_detector, measure_detector

    classes = read_manifest(arguments.bundle).classes
    validation = read_folder(arguments.validation, classes=classes)
    held = {path.resolve() for path in validation.paths}
    training = read_folder(arguments.train, classes=classes).without(held)
    predictor = load_predictor(arguments)
    detector, compared = choose_detector(
        predictor,
        training.at_most(arguments.per_class, seed=arguments.seed),
        validation,
        methods=METHODS if arguments.method == "auto" else (arguments.method,),
        false_flags=arguments.false_flags,
        bccd=arguments.bccd,
        seed=arguments.seed,
    )
    figures: dict[str, Any] = {
        "method": detector.method,
        "threshold": detector.threshold,
        "compared": compared,
        "false_flags_allowed": arguments.false_flags,
    }
    for name, row in compared.items():
        print(f"{name:<18}" + "  ".join(f"{kind} {share:.1%}" for kind, share in row.items()))
    if arguments.test:
        test = read_folder(arguments.test, classes=classes)
        figures["measured"] = measure_detector(
            predictor, detector, test, bccd=arguments.bccd, seed=arguments.seed + 1
        )
        for kind, item in figures["measured"].items():
            print(f"{kind:<24}{item['flagged']:>5} of {item['n']:<6}{item['share']:.2%}")
    predictor.close()
    amend_bundle(
        arguments.bundle,
        unfamiliar_arrays=detector.arrays,
        unfamiliar={"method": detector.method, "threshold": detector.threshold},
        metrics={**predictor.manifest.metrics, "unfamiliar": figures},
    )
    finish(figures, arguments.json)
    return 0
