"""VGG19 with the two heads the project serves.

``gap``
    block5_pool, global average pooling (512 values: the embedding), dropout, dense logits.
``flatten``
    block5_pool, flatten, dense logits, as in the Saturdays.AI article (2023), at 224 x 224.

Layers keep the names of ``keras.applications.VGG19`` so that weights can be exchanged with it; the
dense layer is called ``prediction``. Source: Simonyan & Zisserman, "Very Deep Convolutional
Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.preprocessing import TRAINING_FORM, enter

if TYPE_CHECKING:
    import keras

HEADS = ("gap", "flatten")
BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
LAST_CONVOLUTION = "block5_conv4"
PREDICTION = "prediction"
STRIDE = 16  # of block5_conv4's map: four poolings lie before it
SMALLEST_INPUT = 32


def check_head(head: str, input_size: int) -> None:
    """Refuse what VGG19 cannot be built for.

    Raises:
        ValueError: for an unknown head or an input smaller than 32 pixels.
    """
    if head not in HEADS:
        raise ValueError(f"unknown head {head!r}: choose one of {', '.join(HEADS)}")
    if input_size < SMALLEST_INPUT:
        raise ValueError(
            f"input size {input_size} is too small: VGG19 needs at least {SMALLEST_INPUT} pixels"
        )


def weight_shapes(*, head: str, classes: int, input_size: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, known without TensorFlow.

    Args:
        head: ``gap`` or ``flatten``.
        classes: number of logits.
        input_size: side of the square input in pixels; only the ``flatten`` head depends on it.

    Returns:
        ``LAYER/kernel`` and ``LAYER/bias`` to their shapes, kernels as (height, width, in, out) or
        (in, out), in the order of the forward pass.

    Raises:
        ValueError: for an unknown head or an input smaller than 32 pixels.
    """
    check_head(head, input_size)
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 3
    for block, (convolutions, filters) in enumerate(BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            shapes[f"block{block}_conv{index}/kernel"] = (3, 3, channels, filters)
            shapes[f"block{block}_conv{index}/bias"] = (filters,)
            channels = filters
    side = input_size // (2 * STRIDE)
    inputs = channels if head == "gap" else side * side * channels
    shapes[f"{PREDICTION}/kernel"] = (inputs, classes)
    shapes[f"{PREDICTION}/bias"] = (classes,)
    return shapes


def build_vgg19(
    *,
    head: str = "gap",
    classes: int = 8,
    input_size: int = 224,
    dropout: float = 0.0,
    dtype: str | None = None,
    preprocessing_version: str = TRAINING_FORM,
) -> keras.Model:
    """Build VGG19 with normalisation inside, returning everything serving needs from one pass.

    Args:
        head: ``gap`` or ``flatten``.
        classes: number of logits.
        input_size: side of the square RGB input in pixels; at least 32.
        dropout: share dropped before the dense layer in training.
        dtype: Keras dtype policy of convolutions and poolings, for instance ``mixed_bfloat16``; the
            global policy when None. Normalisation, embedding and logits are always float32.
        preprocessing_version: one of ``ml.preprocessing.PREPROCESSING_VERSIONS``.

    Returns:
        A model from RGB bytes (n, input_size, input_size, 3) to a dictionary of float32 tensors:
        ``logits`` (n, classes), ``features`` (n, input_size // 16, input_size // 16, 512), the
        rectified output of block5_conv4, and ``embedding`` (n, 512), the mean of block5_pool.

    Raises:
        ValueError: for an unknown head or an input smaller than 32 pixels.
    """
    import keras

    check_head(head, input_size)
    layers = keras.layers
    inputs = keras.Input((input_size, input_size, 3), name="rgb")
    x = layers.Lambda(
        enter,
        output_shape=(input_size, input_size, 3),
        arguments={"version": preprocessing_version},
        dtype="float32",
        name="normalise",
    )(inputs)
    features = x
    for block, (convolutions, filters) in enumerate(BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                dtype=dtype,
                name=f"block{block}_conv{index}",
            )(x)
        features = x
        x = layers.MaxPooling2D(2, dtype=dtype, name=f"block{block}_pool")(x)
    embedding = layers.GlobalAveragePooling2D(name="embedding", dtype="float32")(x)
    top = embedding if head == "gap" else layers.Flatten(name="flatten", dtype="float32")(x)
    if dropout:
        top = layers.Dropout(dropout, name="dropout", dtype="float32")(top)
    logits = layers.Dense(classes, name=PREDICTION, dtype="float32")(top)
    features = layers.Activation("linear", name="features", dtype="float32")(features)
    return keras.Model(
        inputs, {"logits": logits, "features": features, "embedding": embedding}, name="vgg19"
    )
