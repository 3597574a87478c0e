"""Measure whether a bundle's heatmaps show what the network looks at.

Energy inside the cell, on pictures as they are and shifted by up to a quarter, deletion and
insertion curves, each against the uniform map and a centred Gaussian (its deviation a quarter of
the side), and the maps' correlation with those of randomised weights. --sample pictures per class
are taken for the energy, --curves pictures in all for the rest, which costs 54 forward passes
each.
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

HELP = "measure whether the heatmaps show what the network looks at"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", metavar="DATA", type=Path, help="one sub-folder per class")
    add_predictor_arguments(parser)
    parser.add_argument("--sample", type=int, default=25, help="per class (default: %(default)s)")
    parser.add_argument("--curves", type=int, default=40, help="in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="(default: %(default)s)")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure; the last line is one JSON object."""
    from ml.data import order_key, read_folder
    from ml.faithfulness import measure

    predictor = load_predictor(arguments)
    files = read_folder(arguments.data, classes=predictor.manifest.classes)
    chosen = files.at_most(arguments.sample, seed=arguments.seed)
    # Mixed, so that the first few hold every class.
    paths = sorted(chosen.paths, key=lambda path: order_key("", path.name, seed=arguments.seed))
    figures = measure(
        predictor, arguments.bundle, paths, curves=arguments.curves, seed=arguments.seed
    )
    predictor.close()
    for name in ("energy", "energy_shifted"):
        item = figures[name]
        print(
            f"{name:<16} map {item['gradcam']:.1%}, uniform {item['uniform']:.1%}, Gaussian "
            f"{item['gaussian']:.1%} of the energy inside the cell ({item['n']} pictures)"
        )
    for name in ("gradcam", "uniform", "gaussian"):
        item = figures["curves"][name]
        print(f"{name:<16} deletion {item['deletion']:.3f}, insertion {item['insertion']:.3f}")
    for part, value in figures["randomised"].items():
        if part != "n":
            print(f"random {part}: rank correlation {value:.3f}")
    finish(figures, arguments.json)
    return 0
