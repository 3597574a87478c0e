"""How a network is trained, as data: the project's own recipe in two stages, and the article's.

``default``
    What the shipped bundle was trained with first, at 96 px: AdamW (Loshchilov & Hutter, 2019) at
    1e-4 with a short warm-up and a cosine to 1e-5, gradients clipped at norm 1, label smoothing
    0.05 (Szegedy et al., 2016), exponential average of the weights, augmentation for what differs
    between laboratories, pictures drawn more often the larger their recent loss, and a loss that
    keeps the class's map on the cell.
``finish``
    What it was trained with last, beginning from the weights of ``default``: 160 px, a smaller
    rate, blocks 1 and 2 frozen, most pictures changed only gently, some sent through JPEG again.
``article``
    VGG19 as Saturdays.AI described it (2023): all layers trainable, 224 x 224, flatten and a dense
    softmax, EarlyStopping, ModelCheckpoint and ReduceLROnPlateau, 25 epochs. What it left unsaid
    (optimiser, rate, patience) is Keras' common choice: Adam at 1e-4, patience 5 and 3.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ml.architectures import check_head
from ml.augmentation import Augmentation
from ml.preprocessing import FULL_CHROMA, PREPROCESSING_VERSIONS, TRAINING_FORM

SCHEDULES = ("cosine", "plateau", "constant")
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
OWN_AUGMENTATION = Augmentation(scale=(0.75, 1.3))
FINISHING = Augmentation(scale=(0.75, 1.3), blur=0.5, jpeg=0.5, gentle=0.6)
NO_AUGMENTATION = Augmentation(
    scale=(1.0, 1.0),
    shift=0.0,
    stain=0.0,
    brightness=0.0,
    contrast=0.0,
    blur=0.0,
    turns=False,
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every choice of a training run; stored in RUN/run.json and, with a bundle, in its card.

    Attributes:
        name: of the recipe the choices began from.
        architecture: ``vgg19``.
        head: ``gap`` or ``flatten``.
        input_size: side of the network's input in pixels.
        crop: share of the shorter side seen in serving; training views vary around it.
        epochs: passes over the training pictures, or as many draws; fractions are rounded to whole
            validation periods.
        validations_per_epoch: how often the validation set is looked at in each pass. Each period
            is one epoch to Keras, its callbacks and the log.
        batch_size: pictures per step, over all devices together.
        learning_rate: at its highest.
        final_rate: at the end of a cosine, and the least that a plateau leads to.
        schedule: ``cosine`` (one arc over the run), ``plateau`` (ReduceLROnPlateau) or
            ``constant``.
        warm_up: steps over which the rate rises from zero; only with ``cosine``.
        weight_decay: of AdamW, biases left out; zero makes it Adam.
        clip_norm: of all gradients together; zero for none.
        label_smoothing: share of the target spread over all classes.
        ema: momentum of the averaged weights, which are validated and kept; zero for none.
        dropout: before the dense layer.
        focus: weight, in the loss, of the share of the true class's map outside the cell (see
            :mod:`ml.focus`); only with the ``gap`` head. Zero for none.
        hard: share of the draws made in proportion to a picture's recent loss, from the second
            period on; the rest is uniform.
        freeze: blocks 1 to this one keep their weights.
        patience: periods without improvement before training stops; zero never stops it.
        seed: of everything random.
        validation_share: held out of every class when the data has no ``validation`` folder.
        precision: ``auto`` is ``mixed_float16`` on a GPU, ``mixed_bfloat16`` on a processor that
            computes in it, else ``float32``.
        preprocessing_version: of the contract in :mod:`ml.preprocessing`.
        augmentation: strengths of the random changes.
    """

    name: str
    architecture: str = "vgg19"
    head: str = "gap"
    input_size: int = 96
    crop: float = 0.75
    epochs: float = 4.0
    validations_per_epoch: int = 2
    batch_size: int = 32
    learning_rate: float = 1e-4
    final_rate: float = 1e-5
    schedule: str = "cosine"
    warm_up: int = 100
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    label_smoothing: float = 0.05
    ema: float = 0.998
    dropout: float = 0.2
    focus: float = 0.0
    hard: float = 0.3
    freeze: int = 0
    patience: int = 0
    seed: int = 42
    validation_share: float = 0.1
    precision: str = "auto"
    preprocessing_version: str = TRAINING_FORM
    augmentation: Augmentation = OWN_AUGMENTATION

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            ValueError: saying which value and why.
        """
        check_head(self.head, self.input_size)
        for name, allowed in (
            ("architecture", ("vgg19",)),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("preprocessing_version", PREPROCESSING_VERSIONS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(allowed)}"
                )
        for name in ("epochs", "validations_per_epoch", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("label_smoothing", "ema", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        if self.focus < 0 or (self.focus and self.head != "gap"):
            raise ValueError("focus is a weight of at least 0, and needs the head `gap`")
        if not 0 <= self.hard <= 1 or not 0 < self.crop <= 1 or not 0 <= self.freeze <= 5:
            raise ValueError("hard lies in [0, 1], crop in (0, 1], freeze between 0 and 5 blocks")

    @property
    def frame_size(self) -> int:
        """Side in pixels of whole pictures whose central crop has the network's input size."""
        return round(self.input_size / self.crop)

    @property
    def periods(self) -> int:
        """Number of validation periods in the run."""
        return max(1, round(self.epochs * self.validations_per_epoch))

    def to_json(self) -> dict[str, Any]:
        """Return the choices as JSON values."""
        content = dataclasses.asdict(self)
        content["augmentation"]["scale"] = list(content["augmentation"]["scale"])
        return content


def recipe_from_json(content: dict[str, Any]) -> Recipe:
    """Read what :meth:`Recipe.to_json` wrote.

    Raises:
        ValueError: when a field is unknown or has no sense.
    """
    # Runs from before there was a second version do not name the first.
    values = {"preprocessing_version": FULL_CHROMA, **content}
    try:
        changes = dict(values.pop("augmentation"))
        changes["scale"] = tuple(changes["scale"])
        return Recipe(augmentation=Augmentation(**changes), **values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no recipe of this version ({error})") from error


RECIPES = {
    "default": Recipe(name="default", focus=0.5),
    "finish": Recipe(
        name="finish",
        input_size=160,
        epochs=2.0,
        learning_rate=4e-5,
        final_rate=5e-7,
        warm_up=60,
        focus=0.3,
        hard=0.4,
        freeze=2,
        augmentation=FINISHING,
    ),
    "article": Recipe(
        name="article",
        head="flatten",
        input_size=224,
        crop=1.0,
        epochs=25,
        validations_per_epoch=1,
        schedule="plateau",
        warm_up=0,
        weight_decay=0.0,
        clip_norm=0.0,
        label_smoothing=0.0,
        ema=0.0,
        dropout=0.0,
        hard=0.0,
        patience=5,
        preprocessing_version=FULL_CHROMA,
        augmentation=NO_AUGMENTATION,
    ),
}
