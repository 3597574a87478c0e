"""Make a detector's bundle of a finished run.

The best weights of the run, batch normalisation taken into the convolutions, as float16. Overlap
limits and thresholds are chosen, and whether to average mirrored answers, on the fields the run
held out of its list; no other list is opened.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

HELP = "make a detector's bundle of a run"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="folder of detect-train")
    parser.add_argument("data", metavar="DATA", type=Path, help="the fields it was trained on")
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="the folder to make")
    parser.add_argument("--name", help="of this version (default: the folder's name)")
    parser.add_argument("--list", default="train", help="list file (default: %(default)s)")
    parser.add_argument(
        "--mirrored",
        choices=("auto", "yes", "no"),
        default="auto",
        help="average mirrored answers; auto: if better on the held-out fields",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle there")


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle; the last line is one JSON object with its settings."""
    from ml.detection.export import export_detector

    manifest = export_detector(
        arguments.run_folder,
        arguments.data,
        arguments.bundle,
        name=arguments.name or arguments.bundle.name,
        part=arguments.list,
        mirrored={"auto": None, "yes": True, "no": False}[arguments.mirrored],
        overwrite=arguments.overwrite,
    )
    print(
        json.dumps(
            {
                "bundle": str(arguments.bundle),
                "weights_sha256": manifest.weights_sha256,
                "mirrored": manifest.mirrored,
                "thresholds": dict(manifest.thresholds),
                "overlap_limits": dict(manifest.overlap_limits),
                "held_out_map50": manifest.metrics["held_out"]["map50"],
            }
        )
    )
    return 0
