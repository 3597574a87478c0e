"""Every choice of a detector's training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ml.augmentation import Augmentation
from ml.detection.network import ALIGNMENT, Widths
from ml.detection.views import Geometry


@dataclass(frozen=True)
class DetectorRecipe:
    """Every choice of a run.

    Attributes:
        input_scale: side of the network's pixels over the image's: 0.5 halves the image first.
        view: height and width of the views in training, at that scale; every other batch is turned.
        widths: of the network.
        epochs: passes over the training fields.
        validations: looks at the held-out fields during the run, evenly spread.
        batch_size: views per step.
        learning_rate: at its highest.
        final_rate: at the end of the cosine.
        warm_up: steps over which the rate rises.
        weight_decay: of AdamW, on kernels.
        clip_norm: of all gradients together.
        ema: momentum of the averaged weights.
        held_out: share of the fields for choosing the best weights and the thresholds.
        seed: of everything random.
        precision: Keras dtype policy, or ``auto`` (:func:`ml.training.chosen_precision`).
        geometry: of the views.
        augmentation: of their colours; scale and shift are not used.
    """

    input_scale: float = 0.5
    view: tuple[int, int] = (256, 320)
    widths: Widths = field(default_factory=Widths)
    epochs: int = 70
    validations: int = 14
    batch_size: int = 4
    learning_rate: float = 1.2e-3
    final_rate: float = 1e-5
    warm_up: int = 100
    weight_decay: float = 0.01
    clip_norm: float = 10.0
    ema: float = 0.998
    held_out: float = 0.12
    seed: int = 42
    precision: str = "auto"
    geometry: Geometry = field(default_factory=Geometry)
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(stain=0.25, brightness=0.1, contrast=0.2, blur=0.6)
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            ValueError: naming the choice.
        """
        if not 0.05 <= self.input_scale <= 2:
            raise ValueError("input_scale must lie between 0.05 and 2")
        if any(side % ALIGNMENT or side < ALIGNMENT for side in self.view):
            raise ValueError(f"both sides of the view must be multiples of {ALIGNMENT}")
        for name in ("epochs", "validations", "batch_size", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if not 0 <= self.final_rate <= self.learning_rate or not self.learning_rate:
            raise ValueError("final_rate must lie between 0 and learning_rate, which is above 0")
        if not 0 <= self.ema < 1:
            raise ValueError("ema must be at least 0 and below 1")
        if not 0 < self.held_out < 1:
            raise ValueError("held_out must lie between 0 and 1")

    def to_json(self) -> dict[str, Any]:
        """Return the choices as JSON values."""
        return asdict(self)


def recipe_from_json(content: dict[str, Any]) -> DetectorRecipe:
    """Return the recipe that :meth:`DetectorRecipe.to_json` wrote, lists as tuples."""
    values = dict(content)
    widths = {**values.pop("widths")}
    geometry = {**values.pop("geometry")}
    augmentation = {**values.pop("augmentation")}
    widths["encoder"] = tuple(widths["encoder"])
    geometry["scale"] = tuple(geometry["scale"])
    augmentation["scale"] = tuple(augmentation["scale"])
    values["view"] = tuple(values["view"])
    return DetectorRecipe(
        **values,
        widths=Widths(**widths),
        geometry=Geometry(**geometry),
        augmentation=Augmentation(**augmentation),
    )
