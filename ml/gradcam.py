"""Grad-CAM at VGG19's last convolution, in closed form and with a gradient tape.

Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017) weighs each feature map A^k of a layer, of height H and width W, by the
mean gradient of the class's logit y^c over that map, and keeps what speaks for the class::

    alpha_k^c = 1 / (H W)  sum_uv  d y^c / d A^k_uv            (their equation 1)
    L^c_uv    = max(0, sum_k alpha_k^c A^k_uv)                 (their equation 2)

Here A is the rectified output of block5_conv4. Between it and the logits lie a 2 x 2 max pooling of
stride 2, P^k_ij = max over window (i, j) of A^k, with h = floor(H / 2) rows and w = floor(W / 2)
columns, and a head that is linear in P.

The pooling passes the gradient of P^k_ij whole to the one element of its window that is the maximum
(in a tie, as where the rectifier left only zeros, to one of the tied) and nothing to the others; a
last odd row or column lies in no window and receives nothing. Whatever the picture, therefore::

    sum_uv  d y^c / d A^k_uv  =  sum_ij  d y^c / d P^k_ij

gap
    y^c = b^c + sum_k W_kc (1 / (h w)) sum_ij P^k_ij, so each of the h w gradients is W_kc / (h w)
    and their sum is W_kc:  alpha_k^c = W_kc / (H W).
flatten
    y^c = b^c + sum_ijk W_ijk,c P^k_ij, so their sum is sum_ij W_ijk,c:
    alpha_k^c = (1 / (H W)) sum_ij W_ijk,c.

The weights alpha depend on the dense layer alone. A serving pass computes them once and gets every
class's map from one product of the feature maps with a (512, classes) matrix. (Dropout is the
identity in serving; the temperature would only scale a map, and is left out.)
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ml.architectures import BLOCKS, LAST_CONVOLUTION, STRIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from numpy.typing import NDArray


def class_weights(
    kernel: NDArray[np.floating[Any]], *, head: str, input_size: int
) -> NDArray[np.float32]:
    """Return Grad-CAM's alpha from the dense layer's kernel.

    Args:
        kernel: of the layer ``prediction``: (512, classes) for ``gap``, (h w 512, classes) for
            ``flatten``.
        head: ``gap`` or ``flatten``.
        input_size: side of the network's input in pixels.

    Returns:
        float32 array (512, classes).
    """
    channels = BLOCKS[-1][1]
    kernel = np.asarray(kernel, np.float64)
    if head == "flatten":
        kernel = kernel.reshape(-1, channels, kernel.shape[1]).sum(axis=0)
    return (kernel / (input_size // STRIDE) ** 2).astype(np.float32)


def class_maps(features: Any, alpha: Any) -> Any:
    """Return every class's Grad-CAM map, inside or outside a TensorFlow graph.

    Args:
        features: tensor (n, H, W, 512), the rectified output of block5_conv4.
        alpha: tensor or array (512, classes) of :func:`class_weights`.

    Returns:
        float32 tensor (n, H, W, classes), not negative.
    """
    import tensorflow as tf

    return tf.nn.relu(tf.tensordot(tf.cast(features, tf.float32), alpha, axes=1))


def split_model(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Cut the model at block5_conv4, for :func:`tape_maps`.

    Returns:
        The model from RGB bytes to block5_conv4's output, and the one from there to the logits.
    """
    import keras

    features = model.get_layer(LAST_CONVOLUTION).output
    logits = model.output["logits"]
    return keras.Model(model.inputs[0], features), keras.Model(features, logits)


def tape_maps(
    parts: tuple[keras.Model, keras.Model], batch: Any, classes: Sequence[int]
) -> NDArray[np.float32]:
    """Return Grad-CAM maps by differentiation, as in the paper: the reference, not for serving.

    The tape covers no more than it must, the layers after block5_conv4: watching the convolutions
    as well, as tutorials do, would differentiate them in vain and take several times as long.

    Args:
        parts: what :func:`split_model` returned.
        batch: RGB bytes (n, size, size, 3).
        classes: indices of the logits to explain.

    Returns:
        float32 array (n, len(classes), H, W).
    """
    import tensorflow as tf

    base, head = parts
    features = base(batch, training=False)
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(features)
        logits = head(features, training=False)
        scores = [logits[:, index] for index in classes]
    features32 = tf.cast(features, tf.float32)
    maps = []
    for score in scores:
        gradient = tf.cast(tape.gradient(score, features), tf.float32)
        weights = tf.reduce_mean(gradient, axis=(1, 2))
        maps.append(tf.nn.relu(tf.einsum("nhwk,nk->nhw", features32, weights)))
    return tf.stack(maps, axis=1).numpy()


def encode_maps(maps: NDArray[np.floating[Any]]) -> tuple[bytes, list[float]]:
    """Pack class maps as one small 8-bit picture.

    Args:
        maps: array (classes, H, W), not negative.

    Returns:
        A single-channel PNG of width W and height classes x H, the maps one below the other, each
        scaled so that its maximum is 255; and those maxima (0.0 for an empty map).
    """
    peaks = maps.max(axis=(1, 2)).astype(np.float64)
    scale = np.divide(255.0, peaks, out=np.zeros_like(peaks), where=peaks > 0)
    strip = np.rint(maps * scale[:, None, None]).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(strip.reshape(-1, maps.shape[2])).save(stream, "PNG")
    return stream.getvalue(), [float(peak) for peak in peaks]


def decode_maps(data: bytes, peaks: Sequence[float]) -> NDArray[np.float32]:
    """Undo :func:`encode_maps`, up to half a step of 1/255 of each map's maximum.

    Args:
        data: the PNG.
        peaks: the maxima of the maps it holds.

    Returns:
        float32 array (classes, H, W).

    Raises:
        PIL.UnidentifiedImageError, OSError: when the bytes are not a picture.
        ValueError: when the picture's height is no multiple of the number of maps.
    """
    with Image.open(io.BytesIO(data)) as image:
        strip = np.asarray(image.convert("L"), np.float32)
    height, remainder = divmod(strip.shape[0], len(peaks))
    if remainder:
        raise ValueError(f"a strip of {strip.shape[0]} rows cannot hold {len(peaks)} maps")
    maps = strip.reshape(len(peaks), height, strip.shape[1])
    return maps * (np.asarray(peaks, np.float32) / 255.0)[:, None, None]
