"""Train a detector; a run that was killed goes on as if nothing had happened.

A run is a folder: ``run.json`` (recipe, data, result), ``log.csv``, ``weights.npz`` (the averaged
weights of the best look at the held-out fields), ``last.npz`` (those of the last one) and, while it
lasts, ``state.npz``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.detection.detector import resized
from ml.detection.fields import CLASSES, field_pixels, hold_out_fields, read_fields
from ml.detection.recipe import DetectorRecipe, recipe_from_json
from ml.detection.views import BEYOND, cut_view, draw_targets
from ml.sampling import Sampler
from ml.training import chosen_precision, write_run
from ml.training_log import trim_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.detection.fields import Field

RUN_NAME = "run.json"
LOG_NAME = "log.csv"
STATE_NAME = "state.npz"


def read_parts(data: Path, part: str, recipe: DetectorRecipe) -> tuple[list[Field], list[Field]]:
    """Return the fields to learn from and those held out of them for choices."""
    return hold_out_fields(read_fields(data, part=part), share=recipe.held_out, seed=recipe.seed)


def starting_sides(fields: Sequence[Field], scale: float) -> NDArray[np.float32]:
    """Return the bias of the last layer: the logarithm of half the mean sides, in strides."""
    from ml.detection.network import STRIDE

    biases = []
    for label in range(len(CLASSES)):
        boxes = [field.boxes[field.labels == label] for field in fields]
        sides = np.concatenate([each[:, 2:] - each[:, :2] for each in boxes])
        mean = sides.mean(axis=0) if len(sides) else np.array([16.0, 16.0])
        half = np.log(mean * scale / 2 / STRIDE)
        biases += [half[0], half[1], half[0], half[1]]
    return np.array(biases, np.float32)


class Views:
    """Batches of random views with their targets, a fixed function of seed and draw."""

    def __init__(self, fields: Sequence[Field], recipe: DetectorRecipe) -> None:
        """Decode the fields once; at half scale BCCD's training part takes 50 MB."""
        self._pixels = [resized(field_pixels(field.path), recipe.input_scale) for field in fields]
        self._boxes = [field.boxes * recipe.input_scale for field in fields]
        self._labels = [field.labels for field in fields]
        self._recipe = recipe

    def batch(self, draws: NDArray[np.int64], indexes: NDArray[np.int64]) -> tuple[Any, ...]:
        """Cut the views of one step and draw their targets.

        Args:
            draws: numbers of the draws in the run.
            indexes: the fields drawn.

        Returns:
            uint8 views (n, height, width, 3), where they show fields (n, height, width), and the
            arrays of :class:`ml.detection.views.Targets`, stacked.
        """
        recipe = self._recipe
        step = int(draws[0]) // recipe.batch_size
        size = recipe.view if step % 2 == 0 else recipe.view[::-1]
        parts = []
        for draw, index in zip(draws, indexes, strict=True):
            view, inside, boxes, share = cut_view(
                self._pixels[index],
                self._boxes[index],
                size=size,
                geometry=recipe.geometry,
                generator=np.random.default_rng([recipe.seed, 11, int(draw)]),
            )
            targets = draw_targets(
                boxes,
                self._labels[index],
                share,
                size=size,
                classes=len(CLASSES),
                visible=recipe.geometry.visible,
            )
            parts.append(
                (view, inside, targets.centres, targets.known, targets.corners, targets.weights)
            )
        return tuple(np.stack(each) for each in zip(*parts, strict=True))


def pipeline(views: Views, recipe: DetectorRecipe, sampler: Sampler) -> Any:
    """Return a tf.data pipeline of the batches of the sampler's present period."""
    import tensorflow as tf

    from ml.augmentation import recolour, split_seed

    kinds = [tf.uint8, tf.bool, *[tf.float32] * 4]
    ranks = [4, 3, 4, 4, 5, 4]

    def changed(draws: Any, indexes: Any) -> tuple[Any, ...]:
        parts = tf.numpy_function(views.batch, [draws, indexes], kinds)
        for part, rank in zip(parts, ranks, strict=True):
            part.set_shape([None] * rank)
        seed = tf.stack([tf.cast(recipe.seed, tf.int32), tf.cast(draws[0], tf.int32)])
        pixels = tf.ensure_shape(tf.cast(parts[0], tf.float32), (None, None, None, 3))
        pixels = recolour(
            pixels,
            settings=recipe.augmentation,
            seeds=split_seed(seed),
            strength=tf.ones(tf.shape(pixels)[0]),
        )
        pixels = tf.where(parts[1][..., None], pixels, tf.constant(BEYOND, tf.float32))
        return pixels, *parts[2:]

    scalar = tf.TensorSpec((), tf.int64)
    draws = tf.data.Dataset.from_generator(sampler.draws, output_signature=(scalar, scalar))
    return draws.batch(sampler.batch_size, drop_remainder=True).map(changed).prefetch(2)


def identity(
    recipe: DetectorRecipe, learnt: Sequence[Field], held: Sequence[Field]
) -> dict[str, Any]:
    """Return what makes a run this run: its recipe and the names of its fields."""
    names = json.dumps([[field.path.name for field in part] for part in (learnt, held)])
    return {
        "kind": "detector",
        "recipe": json.loads(json.dumps(recipe.to_json())),
        "classes": list(CLASSES),
        "training_fields": len(learnt),
        "held_out_fields": len(held),
        "fields_sha256": hashlib.sha256(names.encode()).hexdigest(),
    }


def start_run(out: Path, content: dict[str, Any], *, resume: bool) -> dict[str, Any]:
    """Write ``run.json``, or check that the one there is of the same run.

    Raises:
        ValueError: when there is a run and ``resume`` is not asked for, or it is another one.
    """
    path = out / RUN_NAME
    if path.exists():
        if not resume:
            raise ValueError(f"{out}: it holds a run; add --resume, or choose another folder")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name, value in content.items():
            if found.get(name) != value:
                raise ValueError(
                    f"{path}: the run began with another {name.replace('_', ' ')}; resume it with "
                    "the same arguments and data, or choose another folder"
                )
        return found
    out.mkdir(parents=True, exist_ok=True)
    content = {**content, "finished": False}
    write_run(out, content)
    return content


def read_detector_run(out: Path) -> tuple[DetectorRecipe, dict[str, Any]]:
    """Return the recipe and the whole content of a run's ``run.json``.

    Raises:
        ValueError: when the folder is no detector's run.
    """
    path = out / RUN_NAME
    if not path.is_file():
        raise ValueError(f"{out}: this is no training run, {RUN_NAME} is missing")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content.get("kind") != "detector":
        raise ValueError(f"{out}: this is the run of a classifier, not of a detector")
    return recipe_from_json(content["recipe"]), content


def read_arrays(run: Path) -> dict[str, NDArray[np.float32]]:
    """Return the averaged weights of a run's best look.

    Raises:
        ValueError: when the run holds none yet.
    """
    path = run / "weights.npz"
    if not path.is_file():
        raise ValueError(f"{run}: it holds no {path.name}; train until the first look")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def train_detector(
    data: Path,
    out: Path,
    recipe: DetectorRecipe,
    *,
    part: str = "train",
    weights: Path | None = None,
    resume: bool = False,
    report: Any = print,
) -> dict[str, Any]:
    """Train a detector, or go on with a run.

    Args:
        data: folder as described in :mod:`ml.detection.fields`.
        out: the run's folder.
        recipe: every choice.
        part: list of the fields; a share is held out of it, no other list is opened.
        weights: folder of another run whose best weights to begin from; fresh ones when None.
        resume: go on with the run in ``out``; begin when there is none.
        report: called with one line per look at the held-out fields.

    Returns:
        The content of ``run.json`` of the finished run.

    Raises:
        ValueError: when data or run cannot be used.
    """
    learnt, held = read_parts(data, part, recipe)
    content = identity(recipe, learnt, held) | {"weights": str(weights) if weights else "none"}
    content = start_run(out, content, resume=resume)
    if content["finished"]:
        return content

    import keras

    from ml.detection.network import assign_arrays
    from ml.detection.trainee import Trainee

    keras.utils.set_random_seed(recipe.seed)
    sampler = Sampler(
        len(learnt), batch_size=recipe.batch_size, periods_per_pass=1, hard=0.0, seed=recipe.seed
    )
    precision = chosen_precision(recipe)  # type: ignore[arg-type]
    trainee = Trainee(
        recipe,
        steps=sampler.steps * recipe.epochs,
        precision=precision,
        sides=starting_sides(learnt, recipe.input_scale),
    )
    if weights:
        assign_arrays(trainee.network, read_arrays(weights))
    views = Views(learnt, recipe)
    first = trainee.restore(out / STATE_NAME)
    trim_log(out / LOG_NAME, first)
    looks = {
        round((n + 1) * recipe.epochs / recipe.validations) - 1 for n in range(recipe.validations)
    }
    looks.add(recipe.epochs - 1)
    for epoch in range(first, recipe.epochs):
        began = time.monotonic()
        sampler.period = epoch
        losses = [trainee.step(batch) for batch in pipeline(views, recipe, sampler)]
        row: dict[str, Any] = {"epoch": epoch}
        row.update(zip(("loss", "centres", "boxes"), np.mean(losses, axis=0).tolist(), strict=True))
        row["image_steps"] = (epoch + 1) * sampler.steps * sampler.batch_size
        if epoch in looks:
            row.update(trainee.look(held, out))
        row["seconds"] = round(time.monotonic() - began, 1)
        append_log(out / LOG_NAME, row)
        trainee.save(out / STATE_NAME, epoch + 1)
        if epoch in looks:
            report(
                f"epoch {epoch + 1} of {recipe.epochs}: loss {row['loss']:.3f}, "
                f"mAP50 on the held-out fields {row['held_map50']:.4f}, {row['seconds']:.0f} s"
            )
    content = {
        **content,
        "finished": True,
        "precision": precision,
        "image_steps": row["image_steps"] if first < recipe.epochs else 0,
        "best": trainee.best,
    }
    write_run(out, content)
    return content


LOG_COLUMNS = (
    "epoch", "loss", "centres", "boxes", "image_steps",
    "held_map50", *(f"held_ap50_{name}" for name in CLASSES), "seconds",
)  # fmt: skip


def append_log(path: Path, row: dict[str, Any]) -> None:
    """Add one row, below the names of the columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
    if not path.exists() or not path.stat().st_size:
        writer.writeheader()
    writer.writerow(row)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(text.getvalue())
