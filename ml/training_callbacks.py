"""Keras callbacks of a run: what it keeps, what it draws, and how it begins again after a crash.

TensorFlow is imported with this module; :mod:`ml.training` imports it inside its function.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ml.initial_weights import weights_of
from ml.plots import draw_curves
from ml.training_log import read_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ml.sampling import Sampler

STATE_NAME = "state.npz"
# What each callback would forget; None stands for "nothing seen yet".
REMEMBERED = {
    "EarlyStopping": ("wait", "stopped_epoch", "best", "best_epoch"),
    "ReduceLROnPlateau": ("wait", "cooldown_counter", "best"),
    "AveragedCheckpoint": ("best",),
}


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write an ``.npz`` file that is either whole or not there."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Let a model hold its averaged weights for a while; without an average, its own.

    Keras' SwapEMAWeights swaps by adding and subtracting, which rounds; here the bits come back.
    """
    own = [variable.numpy() for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)


class ValidateAverage(keras.callbacks.Callback):
    """Validates the averaged weights instead of the last ones."""

    def __init__(self) -> None:
        """Begin outside a validation."""
        super().__init__()
        self._swap = contextlib.ExitStack()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Swap the average in."""
        self._swap.enter_context(averaged_weights(self.model))

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Put the last weights back."""
        self._swap.close()


class AveragedCheckpoint(keras.callbacks.ModelCheckpoint):
    """ModelCheckpoint of the averaged weights, exported as ``weights.npz`` and ``last.npz`` too.

    Keras' file leaves the optimiser out, whose state is three times as large.
    """

    def set_model(self, model: keras.Model) -> None:
        """Watch over a model, saving the same layers without their optimiser."""
        self._trained = model
        super().set_model(keras.Model(model.inputs, model.outputs))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the weights of this period, and mark them as the best when they are."""
        folder = Path(self.filepath).parent
        before = self.best
        with averaged_weights(self._trained):
            super().on_epoch_end(epoch, logs)
            write_arrays(folder / "last.npz", weights_of(self.model))
            if self.best != before:
                write_arrays(folder / "weights.npz", weights_of(self.model))


class Bookkeeping(keras.callbacks.Callback):
    """Tells the sampler the period and adds rate, image-steps and seconds to the log."""

    def __init__(self, sampler: Sampler) -> None:
        """Watch over this sampler."""
        super().__init__()
        self._sampler = sampler
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Fix what the period's draws go by, before the first is made."""
        self._sampler.period = epoch
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the figures."""
        if logs is not None:
            draws = (epoch + 1) * self._sampler.steps * self._sampler.batch_size
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
            logs["image_steps"] = draws
            logs["seconds"] = round(time.monotonic() - self._began, 1)


class Curves(keras.callbacks.Callback):
    """Draws the log as a picture after every period."""

    def __init__(self, log: Path, picture: Path) -> None:
        """Draw ``log`` into ``picture``."""
        super().__init__()
        self._log = log
        self._picture = picture

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Draw the curves so far."""
        draw_curves(read_log(self._log), self._picture)


class ExactBackup(keras.callbacks.BackupAndRestore):
    """BackupAndRestore that resumes to the very bits, whenever the process was killed.

    Keras' own keeps weights and optimiser, in two files written in place. Here one file, renamed
    when it is whole, also holds the random states, the running losses and what the other callbacks
    remember. It is the last callback, so that whatever a period wrote is written again when the
    process died before the backup: a period is repeated as a whole or not at all.
    """

    def __init__(
        self, folder: Path, *, sampler: Sampler, partners: Sequence[keras.callbacks.Callback]
    ) -> None:
        """Back up into ``folder`` after every period, with the state of ``partners``."""
        super().__init__(str(folder))
        self._path = folder / STATE_NAME
        self._sampler = sampler
        self._partners = {type(partner).__name__: partner for partner in partners}

    def _variables(self) -> list[keras.Variable]:
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        layers = [variable for layer in self.model.layers for variable in layer.variables]
        return [*layers, *self.model.optimizer.variables]

    def _save_model(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partners = {
            name: {attribute: _plain(getattr(partner, attribute)) for attribute in REMEMBERED[name]}
            for name, partner in self._partners.items()
            if name in REMEMBERED
        }
        state = {
            "epoch": self._current_epoch,
            "stopped": bool(self.model.stop_training),
            "partners": partners,
        }
        arrays = {f"v{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        arrays["losses"] = self._sampler.losses
        arrays["state"] = np.array(json.dumps(state))
        write_arrays(self._path, arrays)

    def _load_model(self) -> None:
        if not self._path.exists():
            return
        with np.load(self._path, allow_pickle=False) as archive:
            for i, variable in enumerate(self._variables()):
                variable.assign(archive[f"v{i}"])
            self._sampler.losses[:] = archive["losses"]
            state = json.loads(str(archive["state"]))
        for name, values in state["partners"].items():
            for attribute, value in values.items():
                setattr(self._partners[name], attribute, value)
        # A run that had decided to stop has no period left.
        epoch = self.params["epochs"] if state["stopped"] else state["epoch"]
        self.model._initial_epoch = epoch


def saved_period(folder: Path) -> int:
    """Return the number of finished periods that a backup folder holds; 0 without a backup."""
    path = folder / STATE_NAME
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as archive:
        return int(json.loads(str(archive["state"]))["epoch"])


def _plain(value: Any) -> Any:
    """Return numpy scalars as Python's, which JSON writes without loss."""
    return value.item() if isinstance(value, np.generic) else value
