"""Train the detector on annotated fields.

DATA is laid out as BCCD is: images/, annotations/ (Pascal VOC) and list files; --list names the
list to learn from. A share of it is held out to choose the best weights and, later, the
thresholds; no other list is opened. The run can be killed at any moment: the same command with
--resume goes on.
`detect-export` makes a bundle of the finished run.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

HELP = "train the detector of cells on fields, or go on with a run"

CHOICES: tuple[tuple[str, type, str], ...] = (
    ("input_scale", float, "side of the network's pixels over the image's"),
    ("epochs", int, "passes over the training fields"),
    ("validations", int, "looks at the held-out fields during the run"),
    ("batch_size", int, "views per step"),
    ("learning_rate", float, "at its highest"),
    ("final_rate", float, "at the end of the cosine"),
    ("warm_up", int, "steps over which the rate rises"),
    ("weight_decay", float, "of AdamW"),
    ("ema", float, "momentum of the averaged weights"),
    ("held_out", float, "share of the fields for choices"),
    ("seed", int, "of everything random"),
    ("precision", str, "Keras dtype policy, or auto"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from ml.detection.recipe import DetectorRecipe

    standing = DetectorRecipe()
    parser.add_argument("data", metavar="DATA", type=Path, help="laid out as BCCD")
    parser.add_argument("--out", metavar="RUN", type=Path, required=True, help="the run's folder")
    parser.add_argument("--list", default="train", help="list file (default: %(default)s)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in RUN")
    parser.add_argument(
        "--weights", type=Path, metavar="RUN", help="begin from the best weights of another run"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here as well")
    group = parser.add_argument_group("changes to the recipe")
    for name, kind, text in CHOICES:
        option = "--" + name.replace("_", "-")
        group.add_argument(option, type=kind, help=f"{text} (default: {getattr(standing, name)})")
    group.add_argument(
        "--view", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the views in training"
    )
    group.add_argument("--scale", type=float, nargs=2, metavar=("LEAST", "MOST"), help="views")


def run(arguments: argparse.Namespace) -> int:
    """Train; the last line is one JSON object with the run's figures."""
    from ml.detection.recipe import DetectorRecipe
    from ml.detection.training import train_detector

    changes = {name: getattr(arguments, name) for name, _kind, _text in CHOICES}
    if arguments.view:
        changes["view"] = tuple(arguments.view)
    recipe = DetectorRecipe(**{name: value for name, value in changes.items() if value is not None})
    if arguments.scale:
        geometry = dataclasses.replace(recipe.geometry, scale=tuple(arguments.scale))
        recipe = dataclasses.replace(recipe, geometry=geometry)
    content = train_detector(
        arguments.data,
        arguments.out,
        recipe,
        part=arguments.list,
        weights=arguments.weights,
        resume=arguments.resume,
    )
    text = json.dumps(content)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0
