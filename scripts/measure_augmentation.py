"""Measure what each change of the augmentation buys.

    python -m scripts.measure_augmentation ../shared/data/pbc/train \
        --weights ../shared/data/weights/vgg19_warmstart.npz --runs runs/augmentation

trains the same weights by the same recipe with all changes, with none, and with each one left out,
and lets every result name the validation pictures as they are and under each change at its full
strength. Runs that were finished are not trained again. Prints a table and one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.augmentation import Augmentation, augment
from ml.data import frames_of
from ml.recipes import NO_AUGMENTATION, RECIPES, Recipe
from ml.training import read_data, train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# The full strengths of the recipes.
FULL = Augmentation(scale=(0.75, 1.3), jpeg=0.5)
CHANGES: dict[str, tuple[str, ...]] = {
    "turns": ("turns",),
    "scale": ("scale",),
    "shift": ("shift",),
    "stain": ("stain",),
    "brightness": ("brightness", "contrast"),
    "blur": ("blur",),
    "jpeg": ("jpeg",),
}
BATCH = 64
SEED = 7


def with_fields_of(base: Augmentation, other: Augmentation, change: str) -> Augmentation:
    """Return ``base`` with the fields of one change as they are in ``other``."""
    fields: dict[str, Any] = {name: getattr(other, name) for name in CHANGES[change]}
    return dataclasses.replace(base, **fields)


def trained_with() -> dict[str, Augmentation]:
    """The augmentation of every run, by the run's name."""
    without = {
        f"without {change}": with_fields_of(FULL, NO_AUGMENTATION, change) for change in CHANGES
    }
    return {"all": FULL, "none": NO_AUGMENTATION, **without}


def looked_at_under() -> dict[str, Augmentation]:
    """What is done to the validation pictures, by name."""
    every_one = dataclasses.replace(FULL, jpeg=1.0)
    under = {change: with_fields_of(NO_AUGMENTATION, every_one, change) for change in CHANGES}
    return {"as they are": NO_AUGMENTATION, **under}


def accuracies(
    run: Path, recipe: Recipe, frames: Any, labels: NDArray[np.int64]
) -> dict[str, float]:
    """Return the share of the pictures a run names rightly, by what was done to them."""
    import tensorflow as tf

    from ml.architectures import build_vgg19
    from ml.initial_weights import assign_weights, read_weights

    model = build_vgg19(
        head=recipe.head,
        classes=int(labels.max()) + 1,
        input_size=recipe.input_size,
        preprocessing_version=recipe.preprocessing_version,
    )
    assign_weights(model, read_weights(run))

    @tf.function
    def named(views: Any) -> Any:
        return tf.argmax(model(views, training=False)["logits"], axis=-1)

    def views(settings: Augmentation) -> Iterator[Any]:
        for start in range(0, len(frames), BATCH):
            part = tf.constant(frames[start : start + BATCH])
            seed = tf.constant([SEED, start], tf.int32)
            yield augment(part, size=recipe.input_size, settings=settings, seed=seed)[0]

    return {
        name: float(
            np.mean(np.concatenate([named(part).numpy() for part in views(settings)]) == labels)
        )
        for name, settings in looked_at_under().items()
    }


def measure(data: Path, weights: str, runs: Path, base: Recipe) -> dict[str, dict[str, float]]:
    """Train and judge every run; returns accuracies by run and by what was done to the pictures."""
    held = read_data(data, base).validation
    frames = frames_of(
        held.paths,
        size=base.frame_size,
        crop=1.0,
        version=base.preprocessing_version,
        cache=runs / "frames",
    )
    figures = {}
    for name, augmentation in trained_with().items():
        recipe = dataclasses.replace(base, augmentation=augmentation)
        out = runs / name.replace(" ", "-")
        train(data, out, recipe, weights=weights, resume=True, cache=runs / "frames", verbose=0)
        figures[name] = accuracies(out, recipe, frames, held.labels)
        print(row(name, figures[name].values()), flush=True)
    return figures


def row(name: str, values: Any) -> str:
    """Return a line of a Markdown table."""
    return f"| {name} | " + " | ".join(f"{100 * value:.1f}" for value in values) + " |"


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="one sub-folder per class")
    parser.add_argument("--weights", required=True, help="to begin every run from")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--input-size", type=int, default=64)
    parser.add_argument("--epochs", type=float, default=0.5)
    arguments = parser.parse_args()
    base = dataclasses.replace(
        RECIPES["default"],
        input_size=arguments.input_size,
        epochs=arguments.epochs,
        validations_per_epoch=max(1, round(1 / arguments.epochs)),
        focus=0.0,
    )
    print("| trained with | " + " | ".join(looked_at_under()) + " |", flush=True)
    print("|" + " --- |" * (1 + len(looked_at_under())), flush=True)
    print(json.dumps(measure(arguments.data, arguments.weights, arguments.runs, base)))


if __name__ == "__main__":
    main()
