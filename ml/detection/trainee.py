"""The network in training: its optimiser, its average, its state on disk.

TensorFlow is imported with this module.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ml.detection.detector import answer_of, resized
from ml.detection.fields import CLASSES, field_pixels
from ml.detection.losses import detection_loss
from ml.detection.matching import mean_average_precision
from ml.detection.network import SIDES, arrays_of, build_network
from ml.training_callbacks import averaged_weights, write_arrays
from ml.training_model import WarmAverageAdamW

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.detection.fields import Field
    from ml.detection.recipe import DetectorRecipe


class Trainee:
    """A detector's network with everything its training changes.

    Attributes:
        network: what :func:`ml.detection.network.build_network` returned, normalised.
        best: the figures of the best look so far, empty before the first.
    """

    def __init__(
        self, recipe: DetectorRecipe, *, steps: int, precision: str, sides: NDArray[np.float32]
    ) -> None:
        """Build the network with fresh weights.

        Args:
            recipe: every choice.
            steps: of the whole run.
            precision: Keras dtype policy of the convolutions.
            sides: (4 * classes,), bias of the boxes to begin with.
        """
        self._recipe = recipe
        self.best: dict[str, float] = {}
        self.network = build_network(
            recipe.widths, classes=len(CLASSES), normalised=True, dtype=precision
        )
        self.network.get_layer(SIDES).bias.assign(sides)
        warm_up = min(recipe.warm_up, max(1, steps // 2))
        self._optimizer = WarmAverageAdamW(
            keras.optimizers.schedules.CosineDecay(
                initial_learning_rate=recipe.learning_rate / warm_up,
                decay_steps=max(1, steps - warm_up),
                alpha=recipe.final_rate / recipe.learning_rate,
                warmup_target=recipe.learning_rate,
                warmup_steps=warm_up,
            ),
            weight_decay=recipe.weight_decay,
            global_clipnorm=recipe.clip_norm,
            use_ema=True,
            ema_momentum=recipe.ema,
        )
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._optimizer.build(self.network.trainable_variables)
        self.network.optimizer = self._optimizer
        self._answer = tf.function(
            lambda pixels: self.network(pixels, training=False),
            input_signature=[tf.TensorSpec((None, None, None, 3))],
            autograph=False,
        )
        self._step = tf.function(
            self._one_step,
            input_signature=[
                tf.TensorSpec((None, None, None, 3)),
                *[tf.TensorSpec((None, None, None, None))] * 2,
                tf.TensorSpec((None, None, None, None, 4)),
                tf.TensorSpec((None, None, None, None)),
            ],
            autograph=False,
        )

    def step(self, batch: tuple[Any, ...]) -> NDArray[np.float32]:
        """Make one step; return the loss and its two parts.

        Raises:
            FloatingPointError: when the loss is no number any more.
        """
        losses: NDArray[np.float32] = self._step(*batch).numpy()
        if not np.isfinite(losses).all():
            raise FloatingPointError("the loss is no number any more: lower the learning rate")
        return losses

    def _one_step(self, pixels: Any, *targets: Any) -> Any:
        with tf.GradientTape() as tape:
            answer = self.network(pixels, training=True)
            losses = detection_loss(answer, targets, classes=len(CLASSES))
        variables = self.network.trainable_variables
        self._optimizer.apply_gradients(
            zip(tape.gradient(losses[0], variables), variables, strict=True)
        )
        return tf.stack(losses)

    def look(self, held: Sequence[Field], out: Path) -> dict[str, float]:
        """Measure the averaged weights on the held-out fields, and keep them.

        Returns:
            The figures, as the log names them.
        """
        with averaged_weights(self.network):
            arrays = arrays_of(self.network)
            found = [
                answer_of(
                    self._answer, resized(field_pixels(field.path), self._recipe.input_scale)
                ).enlarged(1 / self._recipe.input_scale)
                for field in held
            ]
        truth = [(field.boxes, field.labels) for field in held]
        value, per_class = mean_average_precision(found, truth, len(CLASSES))
        figures = {"held_map50": value}
        figures |= {
            f"held_ap50_{name}": area for name, area in zip(CLASSES, per_class, strict=True)
        }
        write_arrays(out / "last.npz", arrays)
        if value >= self.best.get("held_map50", -1.0):
            self.best = figures
            write_arrays(out / "weights.npz", arrays)
        return figures

    def _variables(self) -> list[Any]:
        return [*self.network.variables, *self._optimizer.variables]

    def save(self, path: Path, epoch: int) -> None:
        """Keep everything in one file that is either whole or not there."""
        arrays = {f"v{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        arrays["state"] = np.array(json.dumps({"epoch": epoch, "best": self.best}))
        write_arrays(path, arrays)

    def restore(self, path: Path) -> int:
        """Take up what :meth:`save` kept; return the number of finished epochs."""
        if not path.exists():
            return 0
        with np.load(path, allow_pickle=False) as archive:
            for i, variable in enumerate(self._variables()):
                variable.assign(archive[f"v{i}"])
            state = json.loads(str(archive["state"]))
        self.best = state["best"]
        return int(state["epoch"])
