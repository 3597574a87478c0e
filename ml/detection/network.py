"""The detector's network: a small residual encoder, a decoder to stride 4, two heads.

After CenterNet (Zhou et al., "Objects as Points", 2019): a map per class whose peaks are the cells'
centres. As in TTFNet (Liu et al., "Training-Time-Friendly Network for Real-Time Object Detection",
AAAI 2020), every place near a centre tells the distances to the four sides of its box, so that the
centre lies between the stride's steps and no offset is needed; here each class has its own four,
since a white cell may lie upon red ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    from numpy.typing import NDArray

STRIDE = 4  # input pixels per place of the maps
ALIGNMENT = 32  # sides of the input are multiples of it: the encoder halves five times
EPSILON = 1e-3  # of batch normalisation
CENTRES, SIDES = "centres", "sides"  # names of the last layers
# Every place but few is background; the bias says so from the beginning (Lin et al., 2017).
PRIOR = 0.05


@dataclass(frozen=True)
class Widths:
    """Channels of the network.

    Attributes:
        encoder: at strides 2, 4, 8, 16 and 32.
        head: of the decoder's last map and of the heads.
        blocks: residual blocks per stride from 4 on.
    """

    encoder: tuple[int, int, int, int, int] = (24, 40, 80, 128, 160)
    head: int = 48
    blocks: int = 2


def build_network(
    widths: Widths, *, classes: int, normalised: bool, dtype: str = "float32"
) -> keras.Model:
    """Build the network with fresh weights.

    Args:
        widths: its channels.
        classes: number of classes.
        normalised: with batch normalisation, for training; without, as served: its factors are
            then part of the convolutions (:func:`fold`).
        dtype: Keras dtype policy; the maps stay float32.

    Returns:
        A model from RGB (n, height, width, 3), values 0 to 255, sides multiples of
        :data:`ALIGNMENT`, to a dictionary: ``centres`` (n, height / 4, width / 4, classes), logits;
        ``sides`` (n, height / 4, width / 4, 4 * classes), per class the logarithm of the distances
        to left, top, right and bottom in strides.
    """
    import keras

    layers = keras.layers
    number = iter(range(1000))

    def convolve(
        x: Any, channels: int, *, stride: int = 1, side: int = 3, bend: bool = True
    ) -> Any:
        name = f"conv{next(number):02}"
        x = layers.Conv2D(
            channels,
            side,
            strides=stride,
            padding="same",
            use_bias=not normalised,
            kernel_initializer="he_normal",
            dtype=dtype,
            name=name,
        )(x)
        if normalised:
            x = layers.BatchNormalization(
                epsilon=EPSILON, momentum=0.98, dtype=dtype, name=f"{name}_norm"
            )(x)
        return layers.ReLU(dtype=dtype)(x) if bend else x

    def residual(x: Any, channels: int) -> Any:
        y = convolve(convolve(x, channels), channels, bend=False)
        return layers.ReLU(dtype=dtype)(layers.Add(dtype=dtype)([x, y]))

    def upward(deep: Any, skip: Any, channels: int) -> Any:
        x = convolve(deep, channels, side=1)
        x = layers.UpSampling2D(dtype=dtype)(x)
        return convolve(layers.Concatenate(dtype=dtype)([x, skip]), channels)

    inputs = keras.Input((None, None, 3), name="pixels")
    # Blood smears are bright; the constants only bring values near 0 +- 1.
    x = layers.Rescaling(1 / 64.0, offset=-200 / 64.0, dtype=dtype)(inputs)
    x = convolve(x, widths.encoder[0], stride=2)
    levels = []
    for channels in widths.encoder[1:]:
        x = convolve(x, channels, stride=2)
        for _ in range(widths.blocks):
            x = residual(x, channels)
        levels.append(x)
    for skip, channels in zip(
        levels[-2::-1], (widths.encoder[3], widths.encoder[2], widths.head), strict=True
    ):
        x = upward(x, skip, channels)
    centres = layers.Conv2D(
        classes,
        1,
        bias_initializer=keras.initializers.Constant(float(np.log(PRIOR / (1 - PRIOR)))),
        dtype="float32",
        name=CENTRES,
    )(convolve(x, widths.head))
    sides = layers.Conv2D(4 * classes, 1, dtype="float32", name=SIDES)(convolve(x, widths.head))
    return keras.Model(inputs, {CENTRES: centres, SIDES: sides}, name="detector")


def weight_shapes(widths: Widths, *, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the arrays of the network as served and their shapes, without building it."""
    layers: list[tuple[int, int, int]] = []  # side, channels in, channels out

    def convolve(channels: int, found: int, side: int = 3) -> int:
        layers.append((side, channels, found))
        return found

    levels = []
    x = convolve(3, widths.encoder[0])
    for channels in widths.encoder[1:]:
        x = convolve(x, channels)
        for _ in range(2 * widths.blocks):
            convolve(channels, channels)
        levels.append(channels)
    for skip, channels in zip(
        levels[-2::-1], (widths.encoder[3], widths.encoder[2], widths.head), strict=True
    ):
        x = convolve(convolve(x, channels, side=1) + skip, channels)
    shapes: dict[str, tuple[int, ...]] = {}
    for _ in (CENTRES, SIDES):
        convolve(x, widths.head)
    for number, (side, before, after) in enumerate(layers):
        shapes[f"conv{number:02}/kernel"] = (side, side, before, after)
        shapes[f"conv{number:02}/bias"] = (after,)
    for name, count in ((CENTRES, classes), (SIDES, 4 * classes)):
        shapes[f"{name}/kernel"] = (1, 1, widths.head, count)
        shapes[f"{name}/bias"] = (count,)
    return shapes


def arrays_of(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Return a network's arrays by ``LAYER/VARIABLE``."""
    return {
        f"{layer.name}/{variable.name}": variable.numpy()
        for layer in model.layers
        for variable in layer.variables
    }


def assign_arrays(model: keras.Model, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give a network the arrays of :func:`arrays_of`.

    Raises:
        ValueError: when one is missing or has another shape.
    """
    for layer in model.layers:
        for variable in layer.variables:
            name = f"{layer.name}/{variable.name}"
            array = arrays.get(name)
            if array is None or array.shape != tuple(variable.shape):
                found = "missing" if array is None else f"of the shape {array.shape}"
                raise ValueError(
                    f"the array {name} is {found}; the network needs {tuple(variable.shape)}"
                )
            variable.assign(array.astype("float32"))


def fold(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Take batch normalisation into the convolutions before it.

    A convolution k followed by gamma (x - mean) / sqrt(variance + epsilon) + beta is the
    convolution k gamma / sqrt(variance + epsilon) with the bias beta - mean gamma / sqrt(...).

    Args:
        arrays: of a network with batch normalisation.

    Returns:
        ``LAYER/kernel`` and ``LAYER/bias`` of the same network without.
    """
    folded: dict[str, NDArray[np.float32]] = {}
    for name, array in arrays.items():
        layer, _, kind = name.partition("/")
        if layer.endswith("_norm"):
            continue
        if kind == "kernel" and f"{layer}_norm/gamma" in arrays:
            mean, variance, gamma, beta = (
                np.asarray(arrays[f"{layer}_norm/{each}"], np.float64)
                for each in ("moving_mean", "moving_variance", "gamma", "beta")
            )
            factor = gamma / np.sqrt(variance + EPSILON)
            folded[f"{layer}/kernel"] = (array * factor).astype(np.float32)
            folded[f"{layer}/bias"] = (beta - mean * factor).astype(np.float32)
        else:
            folded[name] = np.asarray(array, np.float32)
    return folded
