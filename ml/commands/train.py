"""Train a network on a folder of class folders.

Without further choices this is the first stage of the shipped bundle, at 96 px; `--recipe finish`
with `--weights` of that run is the second, at 160 px. `--recipe article` is the one of
the Saturdays.AI article (VGG19 whole, 224 x 224, flatten, 25 epochs); every choice of either can be
changed below. A tenth of every class is held out for validation, unless DATA holds `train` and
`validation` folders. The run can be killed at any moment: the same command with --resume goes on
and ends with the same weights as if nothing had happened.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from ml.architectures import HEADS
from ml.commands.arguments import add_json_argument, finish
from ml.recipes import PRECISIONS, RECIPES, SCHEDULES

if TYPE_CHECKING:
    import argparse

HELP = "train a network, or go on with a run"

CHOICES: tuple[tuple[str, type, str], ...] = (
    ("input_size", int, "side of the network's input in pixels"),
    ("crop", float, "share of the shorter side the network sees"),
    ("epochs", float, "passes over the training pictures"),
    ("validations_per_epoch", int, "looks at the validation set per pass"),
    ("batch_size", int, "pictures per step"),
    ("learning_rate", float, "at its highest"),
    ("final_rate", float, "at the end of the cosine, and the least on a plateau"),
    ("warm_up", int, "steps over which the rate rises"),
    ("weight_decay", float, "of AdamW; 0 is Adam"),
    ("clip_norm", float, "of all gradients together; 0 for none"),
    ("label_smoothing", float, "share of the target spread over all classes"),
    ("ema", float, "momentum of the averaged weights; 0 for none"),
    ("dropout", float, "before the dense layer"),
    ("focus", float, "weight of the map's share outside the cell in the loss; 0 for none"),
    ("hard", float, "share of the draws in proportion to recent loss"),
    ("freeze", int, "blocks 1 to this one keep their weights"),
    ("patience", int, "validations without improvement before stopping; 0 never stops"),
    ("seed", int, "of everything random"),
    ("validation_share", float, "held out of every class"),
)
STRENGTHS = ("shift", "stain", "brightness", "contrast", "blur", "jpeg", "gentle")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", metavar="DATA", type=Path, help="one sub-folder per class")
    parser.add_argument("--out", metavar="RUN", type=Path, required=True, help="the run's folder")
    parser.add_argument("--resume", action="store_true", help="go on with the run in RUN")
    parser.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|none|PATH",
        help="to begin from; PATH is an .npz or .safetensors file, a bundle or another run "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--recipe", choices=sorted(RECIPES), default="default", help="(default: %(default)s)"
    )
    parser.add_argument("--cache", type=Path, help="folder of decoded pictures (default: in RUN)")
    add_json_argument(parser)
    group = parser.add_argument_group("changes to the recipe")
    group.add_argument("--architecture", choices=("vgg19",), default=None)
    group.add_argument("--head", choices=HEADS)
    group.add_argument("--schedule", choices=SCHEDULES, help="of the learning rate")
    group.add_argument("--precision", choices=PRECISIONS, help="of the convolutions")
    for name, kind, text in CHOICES:
        standing = ", ".join(f"{key} {getattr(RECIPES[key], name)}" for key in sorted(RECIPES))
        option = "--" + name.replace("_", "-")
        group.add_argument(option, type=kind, help=f"{text} ({standing})")
    group.add_argument("--scale", type=float, nargs=2, metavar=("LEAST", "MOST"), help="views")
    for name in STRENGTHS:
        group.add_argument(f"--{name}", type=float, help="strength of this random change")


def run(arguments: argparse.Namespace) -> int:
    """Train; the last line is one JSON object with the best period and the figures of the run."""
    from ml.training import train

    recipe = RECIPES[arguments.recipe]
    names = [name for name, _kind, _text in CHOICES]
    names += ["architecture", "head", "schedule", "precision"]
    changes = {name: getattr(arguments, name) for name in names}
    recipe = dataclasses.replace(
        recipe, **{name: value for name, value in changes.items() if value is not None}
    )
    strengths = {name: getattr(arguments, name) for name in STRENGTHS}
    if arguments.scale:
        strengths["scale"] = tuple(arguments.scale)
    augmentation = dataclasses.replace(
        recipe.augmentation,
        **{name: value for name, value in strengths.items() if value is not None},
    )
    recipe = dataclasses.replace(recipe, augmentation=augmentation)
    content = train(
        arguments.data,
        arguments.out,
        recipe,
        weights=arguments.weights,
        resume=arguments.resume,
        cache=arguments.cache,
    )
    finish(content, arguments.json)
    return 0
