"""Train a network by a recipe; a run that was killed goes on as if nothing had happened.

A run is a folder: ``run.json`` (the recipe, the classes, the data), ``log.csv``, ``curves.png``,
``weights.npz`` (the averaged weights of the best period by validation loss), ``last.npz`` (those of
the last one), ``best.weights.h5``, ``backup/`` while it lasts, and ``events/`` for TensorBoard.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.augmentation import augment
from ml.data import LabelledFiles, frames_of, hold_out, read_folder
from ml.focus import masks_of
from ml.initial_weights import assign_weights, read_weights
from ml.recipes import Recipe, recipe_from_json
from ml.sampling import Sampler
from ml.training_log import read_log, trim_log

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

RUN_NAME = "run.json"
LOG_NAME = "log.csv"


@dataclass(frozen=True)
class RunData:
    """The pictures of a run: what it learns from, and what it is validated on."""

    training: LabelledFiles
    validation: LabelledFiles


def read_data(root: Path, recipe: Recipe) -> RunData:
    """Find the training and validation pictures.

    Args:
        root: a folder of class folders, of which a part is held out; or the parent of ``train`` and
            ``validation`` as ``split`` writes them.
        recipe: says how much to hold out and with which seed.

    Returns:
        The pictures.

    Raises:
        ValueError: when the folders cannot be used, or a part is empty.
    """
    if (root / "train").is_dir() and (root / "validation").is_dir():
        training = read_folder(root / "train")
        return RunData(training, read_folder(root / "validation", classes=training.classes))
    files = read_folder(root)
    held = hold_out(files, share=recipe.validation_share, seed=recipe.seed)
    if not held.any():
        raise ValueError(f"{root}: too few pictures to hold out {recipe.validation_share:.0%}")
    return RunData(files.take(np.flatnonzero(~held)), files.take(np.flatnonzero(held)))


def start_run(
    out: Path, recipe: Recipe, data: RunData, *, weights: str, resume: bool
) -> dict[str, Any]:
    """Write or check ``run.json``.

    Args:
        out: the run's folder.
        recipe: its choices.
        data: its pictures.
        weights: where the first weights come from.
        resume: go on with the run that is there.

    Returns:
        The content of ``run.json``.

    Raises:
        ValueError: when there is a run and ``resume`` is not asked for, or it is another one.
    """
    path = out / RUN_NAME
    content = {
        "recipe": recipe.to_json(),
        "weights": weights,
        "classes": list(data.training.classes),
        "training_images": len(data.training),
        "validation_images": len(data.validation),
        "finished": False,
    }
    if path.exists():
        if not resume:
            raise ValueError(f"{out}: it holds a run; add --resume, or choose another folder")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        # Read, so that choices a run knew nothing of stand for what it did.
        known = {**found, "recipe": recipe_from_json(found["recipe"]).to_json()}
        for name in ("recipe", "weights", "classes", "training_images", "validation_images"):
            if known.get(name) != content[name]:
                raise ValueError(
                    f"{path}: the run began with another {name.replace('_', ' ')}; resume it with "
                    "the same arguments and data, or choose another folder"
                )
        return found
    out.mkdir(parents=True, exist_ok=True)
    write_run(out, content)
    return content


def write_run(out: Path, content: dict[str, Any]) -> None:
    """Replace ``run.json`` by one that is whole."""
    draft = out / f".{RUN_NAME}.draft"
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    draft.replace(out / RUN_NAME)


def read_run(out: Path) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe and the whole content of a run's ``run.json``.

    Raises:
        ValueError: when the folder is no run.
    """
    path = out / RUN_NAME
    if not path.is_file():
        raise ValueError(f"{out}: this is no training run, {RUN_NAME} is missing")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return recipe_from_json(content["recipe"]), content


def chosen_precision(recipe: Recipe) -> str:
    """Return the Keras dtype policy a recipe means on this machine."""
    if recipe.precision != "auto":
        return recipe.precision
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return "mixed_float16"
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    native = "avx512_bf16" in flags or "amx_bf16" in flags
    return "mixed_bfloat16" if native else "float32"


def train(
    root: Path,
    out: Path,
    recipe: Recipe,
    *,
    weights: str,
    resume: bool = False,
    cache: Path | None = None,
    verbose: int | str = "auto",
) -> dict[str, Any]:
    """Train a network, or go on with a run.

    Args:
        root: as for :func:`read_data`.
        out: the run's folder.
        recipe: every choice.
        weights: ``imagenet``, ``none``, or what :func:`ml.initial_weights.read_weights` takes.
        resume: go on with the run in ``out``; begin when there is none.
        cache: folder of decoded pictures; inside ``out`` when None.
        verbose: as for ``keras.Model.fit``.

    Returns:
        The content of ``run.json`` of the finished run.

    Raises:
        ValueError: when the data, the weights or the run cannot be used.
    """
    data = read_data(root, recipe)
    # Before the run's folder is made: weights that cannot be had must not leave a run behind.
    first = {} if weights == "none" else read_weights(weights)
    content = start_run(out, recipe, data, weights=weights, resume=resume)
    if content["finished"]:
        return content

    import keras
    import tensorflow as tf

    from ml.training_callbacks import saved_period
    from ml.training_model import build_trainee

    cache = cache or out / "frames"
    version = recipe.preprocessing_version
    frames = frames_of(
        data.training.paths, size=recipe.frame_size, crop=1.0, version=version, cache=cache
    )
    seen = frames_of(
        data.validation.paths,
        size=recipe.input_size,
        crop=recipe.crop,
        version=version,
        cache=cache,
    )
    keras.utils.set_random_seed(recipe.seed)
    # Sums in a fixed order: without it two runs differ in the last bits, and a resumed one too.
    tf.config.experimental.enable_op_determinism()
    sampler = Sampler(
        len(frames),
        batch_size=recipe.batch_size,
        periods_per_pass=recipe.validations_per_epoch,
        hard=recipe.hard,
        seed=recipe.seed,
    )
    devices = tf.config.list_logical_devices("GPU")
    strategy = (
        tf.distribute.MirroredStrategy() if len(devices) > 1 else tf.distribute.get_strategy()
    )
    with strategy.scope():
        model = build_trainee(
            recipe,
            classes=len(data.training.classes),
            precision=chosen_precision(recipe),
            sampler=sampler,
        )
    if first:
        fresh = assign_weights(model, first)
        if fresh:
            print(f"{', '.join(fresh)}: not in these weights for this head; beginning afresh")
    trim_log(out / LOG_NAME, saved_period(out / "backup"))
    model.fit(
        training_batches(
            frames, data.training, recipe, sampler, masks_of(frames) if recipe.focus else None
        ),
        validation_data=validation_batches(seen, data.validation, recipe),
        epochs=recipe.periods,
        callbacks=callbacks_of(recipe, out, sampler),
        verbose=verbose,
    )
    log = read_log(out / LOG_NAME)
    best = min(log, key=lambda row: row["val_loss"])
    content = {
        **content,
        "finished": True,
        "precision": chosen_precision(recipe),
        "periods": len(log),
        "image_steps": int(log[-1]["image_steps"]),
        "hours": round(sum(row["seconds"] for row in log) / 3600, 3),
        "best": best,
        "last": log[-1],
    }
    write_run(out, content)
    return content


def callbacks_of(recipe: Recipe, out: Path, sampler: Sampler) -> list[keras.callbacks.Callback]:
    """Return the callbacks of a run, in the order they must be called in."""
    import keras

    from ml.training_callbacks import (
        AveragedCheckpoint,
        Bookkeeping,
        Curves,
        ExactBackup,
        ValidateAverage,
    )

    callbacks: list[keras.callbacks.Callback] = [Bookkeeping(sampler), ValidateAverage()]
    if recipe.schedule == "plateau":
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss", factor=0.3, patience=3, min_lr=recipe.final_rate, verbose=1
            )
        )
    if recipe.patience:
        callbacks.append(
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=recipe.patience, verbose=1)
        )
    callbacks += [
        AveragedCheckpoint(
            str(out / "best.weights.h5"),
            monitor="val_loss",
            save_best_only=True,
            save_weights_only=True,
        ),
        keras.callbacks.CSVLogger(str(out / LOG_NAME), append=True),
        Curves(out / LOG_NAME, out / "curves.png"),
    ]
    if importlib.util.find_spec("tensorboard"):
        callbacks.append(keras.callbacks.TensorBoard(str(out / "events"), write_graph=False))
    return [*callbacks, ExactBackup(out / "backup", sampler=sampler, partners=callbacks)]


def training_batches(
    frames: NDArray[np.uint8],
    files: LabelledFiles,
    recipe: Recipe,
    sampler: Sampler,
    masks: NDArray[np.uint8] | None = None,
) -> Any:
    """Return a tf.data pipeline of one period's batches: views, one-hot targets, indexes, masks.

    Iterating it again asks the sampler again. The random changes of a batch depend on the seed and
    on the number of its first draw alone, whichever device the batch goes to.
    """
    import tensorflow as tf

    labels = tf.constant(files.labels)
    classes = len(files.classes)

    def views(draws: Any, indexes: Any) -> tuple[Any, dict[str, Any]]:
        whole = tf.numpy_function(lambda chosen: frames[chosen], [indexes], tf.uint8)
        whole = tf.ensure_shape(whole, (None, recipe.frame_size, recipe.frame_size, 3))
        where = None
        if masks is not None:
            where = tf.numpy_function(lambda chosen: masks[chosen], [indexes], tf.uint8)
            where = tf.ensure_shape(where, (None, recipe.frame_size, recipe.frame_size))
        seed = tf.stack([tf.cast(recipe.seed, tf.int32), tf.cast(draws[0], tf.int32)])
        changed, moved = augment(
            whole, size=recipe.input_size, settings=recipe.augmentation, seed=seed, masks=where
        )
        target = tf.one_hot(tf.gather(labels, indexes), classes)
        answer = {"target": target, "index": indexes}
        return changed, answer if moved is None else answer | {"mask": moved}

    scalar = tf.TensorSpec((), tf.int64)
    dataset = tf.data.Dataset.from_generator(sampler.draws, output_signature=(scalar, scalar))
    dataset = dataset.batch(sampler.batch_size, drop_remainder=True)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(sampler.steps))
    return dataset.map(views).prefetch(1)


def validation_batches(frames: NDArray[np.uint8], files: LabelledFiles, recipe: Recipe) -> Any:
    """Return a tf.data pipeline of the validation pictures, cut as in serving."""
    import tensorflow as tf

    def batch(start: Any) -> tuple[Any, dict[str, Any]]:
        places = tf.range(start, tf.minimum(start + recipe.batch_size, len(frames)))
        pictures = tf.numpy_function(lambda chosen: frames[chosen], [places], tf.uint8)
        pictures = tf.ensure_shape(pictures, (None, recipe.input_size, recipe.input_size, 3))
        target = tf.one_hot(tf.gather(tf.constant(files.labels), places), len(files.classes))
        return tf.cast(pictures, tf.float32), {"target": target, "index": places}

    starts = tf.data.Dataset.range(0, len(frames), recipe.batch_size)
    return starts.map(batch).prefetch(1)
