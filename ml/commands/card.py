"""Put measured figures into a bundle and write its card anew, in English and Spanish.

Takes what `evaluate --json`, `faithfulness --json` and the logs of `train` say; what `calibrate`
and `unfamiliar` measured is in the bundle already. Without options, the cards are only written
anew.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.commands.arguments import DEFAULT_BUNDLE, add_json_argument, finish

if TYPE_CHECKING:
    import argparse

HELP = "write a bundle's model card with its measured figures"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--evaluation", type=Path, metavar="FILE", help="of `evaluate --json`")
    parser.add_argument(
        "--faithfulness", type=Path, metavar="FILE", help="of `faithfulness --json`"
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="of `evaluate --out`: for the contact sheet"
    )
    add_json_argument(parser)
    parser.add_argument(
        "--log",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="log.csv of the run, or of its stages in order",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the figures and the cards; the last line is one JSON object.

    Raises:
        ValueError: when the evaluation was made with other weights.
    """
    from ml.bundle import amend_bundle
    from ml.card import write_card
    from ml.evaluation_pictures import CONTACT_SHEET
    from ml.manifest import read_manifest

    manifest = read_manifest(arguments.bundle)
    metrics: dict[str, Any] = dict(manifest.metrics)
    if arguments.evaluation:
        figures = json.loads(arguments.evaluation.read_text(encoding="utf-8"))
        for name in ("temperature", "weights_sha256"):
            if figures[name] != getattr(manifest, name):
                raise ValueError(
                    f"{arguments.evaluation}: these figures were measured with another {name} than "
                    "this bundle's; run `evaluate` again"
                )
        metrics["evaluation"] = figures
    if arguments.faithfulness:
        metrics["faithfulness"] = json.loads(arguments.faithfulness.read_text(encoding="utf-8"))
    if arguments.log:
        metrics["curve"] = joined_logs(arguments.log)
    if metrics != manifest.metrics:
        amend_bundle(arguments.bundle, metrics=metrics)
    if arguments.pictures:
        shutil.copyfile(arguments.pictures / CONTACT_SHEET, arguments.bundle / CONTACT_SHEET)
    cards = [str(path) for path in write_card(arguments.bundle)]
    finish({"bundle": str(arguments.bundle), "cards": cards}, arguments.json)
    return 0


def joined_logs(paths: list[Path]) -> list[dict[str, float]]:
    """Return the logs of consecutive stages as one, image-steps counted on.

    Args:
        paths: CSV files with at least the columns ``image_steps`` and ``val_accuracy``.
    """
    from ml.training_log import read_log

    rows: list[dict[str, float]] = []
    for path in paths:
        done = rows[-1]["image_steps"] if rows else 0
        rows += [{**row, "image_steps": row["image_steps"] + done} for row in read_log(path)]
    shared = set.intersection(*(set(row) for row in rows)) if rows else set()
    return [{name: row[name] for name in row if name in shared} for row in rows]
