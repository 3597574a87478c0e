"""Which pictures a training step sees: a fixed function of the seed and of recent losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# How fast a picture's running loss forgets.
MEMORY = 0.5


class Sampler:
    """Draws of one run, period by period.

    Before there are losses to go by, and always with ``hard`` zero, every pass shows every picture
    once (a remainder smaller than a batch excepted). Later a share ``hard`` of the draws is made in
    proportion to each picture's running loss as it stood when the period began, so that the draws
    of a period depend on nothing that happens during it and a period can be repeated exactly.

    Attributes:
        losses: float32 array (n,), the running loss of every picture; ones at first.
        period: the period that the next :meth:`draws` is about.
        steps: per period.
        batch_size: pictures per step; at most n.
    """

    def __init__(
        self, count: int, *, batch_size: int, periods_per_pass: int, hard: float, seed: int
    ) -> None:
        """Begin with equal losses.

        Args:
            count: number of pictures.
            batch_size: pictures per step.
            periods_per_pass: validation periods in one pass over the pictures.
            hard: share of the draws that go by the losses, in [0, 1].
            seed: another seed gives other draws.
        """
        self.losses: NDArray[np.float32] = np.ones(count, np.float32)
        self.period = 0
        self.batch_size = min(batch_size, count)
        self._steps_per_pass = count // self.batch_size
        self.steps = max(1, self._steps_per_pass // periods_per_pass)
        self._hard = hard
        self._seed = seed

    def draws(self) -> Iterator[tuple[np.int64, np.int64]]:
        """Yield the draws of the current period.

        Yields:
            The number of the draw in the whole run, and the index of the picture.
        """
        first = self.period * self.steps
        uses_losses = self._hard > 0 and self.period > 0
        weights = self._hard * self.losses.astype(np.float64) / self.losses.sum(dtype=np.float64)
        weights += (1 - self._hard) / len(self.losses)
        weights /= weights.sum()
        for step in range(first, first + self.steps):
            if uses_losses:
                generator = np.random.default_rng([self._seed, step])
                chosen = generator.choice(
                    len(weights), self.batch_size, replace=False, p=weights, shuffle=False
                )
            else:
                chosen = self._uniform(step)
            for place, index in enumerate(chosen):
                yield np.int64(step * self.batch_size + place), np.int64(index)

    def record(self, indexes: NDArray[np.int64], losses: NDArray[np.float32]) -> None:
        """Take note of the losses a step measured."""
        self.losses[indexes] = MEMORY * self.losses[indexes] + (1 - MEMORY) * losses

    def _uniform(self, step: int) -> NDArray[np.int64]:
        number, place = divmod(step, self._steps_per_pass)
        shuffled = np.random.default_rng([self._seed, 777, number]).permutation(len(self.losses))
        return shuffled[place * self.batch_size : (place + 1) * self.batch_size]
