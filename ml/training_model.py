"""The Keras model that is trained: the served network with its loss, optimiser and metrics.

TensorFlow is imported with this module; :mod:`ml.training` imports it inside its function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from ml.architectures import PREDICTION, build_vgg19
from ml.focus import energy_outside

if TYPE_CHECKING:
    from ml.recipes import Recipe
    from ml.sampling import Sampler


class Trainee(keras.Model):
    """A network whose ``fit`` reports every picture's loss to the sampler.

    Targets are dictionaries: ``target`` (n, classes), one-hot, ``index`` (n,), the pictures' places
    in the training set, and with ``focus`` ``mask`` (n, size, size), 1 on the cell.
    """

    sampler: Sampler
    smoothing: float
    focus: float

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return Keras' loss and what focus adds; in training, pass the unweighted losses on."""
        logits = y_pred["logits"]
        loss = super().compute_loss(x, y["target"], logits, sample_weight, training)
        if training:
            losses = keras.losses.categorical_crossentropy(
                y["target"], logits, from_logits=True, label_smoothing=self.smoothing
            )
            tf.numpy_function(self._record, [y["index"], losses], [])
            if self.focus:
                kernel = self.get_layer(PREDICTION).kernel
                outside = energy_outside(y_pred["features"], kernel, y["target"], y["mask"])
                # Keras' loss is divided among the devices that share a batch; so is this.
                replicas = tf.distribute.get_strategy().num_replicas_in_sync
                loss += self.focus * tf.reduce_mean(outside) / replicas
        return loss

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return Keras' metrics of the logits against the targets."""
        return super().compute_metrics(x, y["target"], y_pred["logits"], sample_weight)

    def _record(self, indexes: Any, losses: Any) -> None:
        self.sampler.record(indexes, losses)


class WarmAverageAdamW(keras.optimizers.AdamW):
    """AdamW whose averaged weights forget the first steps quickly.

    The average's momentum rises as (1 + t) / (10 + t) up to the one asked for, t being the number
    of steps made, so that a short run's average does not drag its untrained beginning along.
    """

    @property
    def ema_momentum(self) -> Any:
        """Momentum of the average at the present step."""
        steps = tf.cast(tf.convert_to_tensor(self.iterations), tf.float32)
        return tf.minimum(self._highest_momentum, (1.0 + steps) / (10.0 + steps))

    @ema_momentum.setter
    def ema_momentum(self, value: float) -> None:
        self._highest_momentum = value


class BalancedAccuracy(keras.metrics.Metric):
    """Mean recall of the classes that have pictures."""

    def __init__(self, classes: int, name: str = "balanced_accuracy") -> None:
        """Count for this many classes."""
        super().__init__(name=name)
        self._right = self.add_weight(shape=(classes,), initializer="zeros", name="right")
        self._all = self.add_weight(shape=(classes,), initializer="zeros", name="all")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count one batch of one-hot targets and logits."""
        y_true = tf.cast(y_true, tf.float32)
        chosen = tf.one_hot(tf.argmax(y_pred, axis=-1), y_true.shape[-1])
        self._right.assign_add(tf.reduce_sum(y_true * chosen, axis=0))
        self._all.assign_add(tf.reduce_sum(y_true, axis=0))

    def result(self) -> Any:
        """Return the mean recall."""
        present = tf.cast(tf.convert_to_tensor(self._all) > 0, tf.float32)
        recall = tf.math.divide_no_nan(
            tf.convert_to_tensor(self._right), tf.convert_to_tensor(self._all)
        )
        return tf.math.divide_no_nan(tf.reduce_sum(recall), tf.reduce_sum(present))


def build_trainee(recipe: Recipe, *, classes: int, precision: str, sampler: Sampler) -> Trainee:
    """Build and compile the network a recipe asks for, with fresh weights.

    Args:
        recipe: every choice.
        classes: number of logits.
        precision: a Keras dtype policy.
        sampler: is told the losses, and knows the number of steps.

    Returns:
        A model from RGB (n, input_size, input_size, 3) to ``logits`` (n, classes) and the
        ``features`` that :func:`ml.architectures.build_vgg19` describes, all float32.
    """
    network = build_vgg19(
        head=recipe.head,
        classes=classes,
        input_size=recipe.input_size,
        dropout=recipe.dropout,
        dtype=precision,
        preprocessing_version=recipe.preprocessing_version,
    )
    frozen = tuple(f"block{block}_" for block in range(1, recipe.freeze + 1))
    for layer in network.layers:
        layer.trainable = not layer.name.startswith(frozen)
    outputs = {name: network.output[name] for name in ("logits", "features")}
    trainee = Trainee(inputs=network.inputs, outputs=outputs, name="trainee")
    trainee.sampler = sampler
    trainee.focus = recipe.focus
    trainee.smoothing = recipe.label_smoothing
    trainee.compile(
        optimizer=_optimizer(recipe, steps=sampler.steps * recipe.periods, precision=precision),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy"), BalancedAccuracy(classes)],
        jit_compile=False,
    )
    return trainee


def _optimizer(recipe: Recipe, *, steps: int, precision: str) -> keras.optimizers.Optimizer:
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        warm_up = min(recipe.warm_up, steps // 2)
        rate = keras.optimizers.schedules.CosineDecay(
            # Keras begins a warm-up here; without one (1 step), this is the peak itself.
            initial_learning_rate=recipe.learning_rate / max(1, warm_up),
            decay_steps=max(1, steps - warm_up),
            alpha=recipe.final_rate / recipe.learning_rate,
            warmup_target=recipe.learning_rate if warm_up else None,
            warmup_steps=warm_up,
        )
    optimizer = WarmAverageAdamW(
        rate,
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.clip_norm or None,
        use_ema=bool(recipe.ema),
        ema_momentum=recipe.ema or 0.99,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    if precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
