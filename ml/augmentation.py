"""Random changes for training, one TensorFlow graph over a whole batch.

They stand for what differs between laboratories and uploads: how the cell lies (flips, quarter
turns), magnification (scale), centring (shift), stain (haematoxylin-eosin-DAB jitter in optical
density space, Ruifrok & Johnston 2001; Tellez et al. 2018), lamp and camera (brightness, contrast),
focus (blur), and the file they come in (JPEG quality).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Optical density of haematoxylin, eosin and DAB (Ruifrok & Johnston, 2001), rows of unit length.
HED = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105], [0.268, 0.570, 0.776]])
LEAST_QUALITY, MOST_QUALITY = 40, 95  # of JPEG; below 40 its blocks hide the granules
HED = HED / np.linalg.norm(HED, axis=1, keepdims=True)


@dataclass(frozen=True)
class Augmentation:
    """How strong each change is; zero switches it off.

    Attributes:
        scale: smallest and largest apparent magnification.
        shift: largest shift as a share of the output's side, in each direction.
        stain: largest relative change of each stain's density.
        brightness: largest added value, in units of the full range.
        contrast: largest relative change of contrast.
        blur: largest weight of a 5 x 5 binomial blur.
        jpeg: share of the pictures that go through JPEG again, at a quality of 40 to 95.
        turns: quarter turns and mirror images, all eight equally often.
        gentle: share of the pictures that are changed by a third of these strengths only.
    """

    scale: tuple[float, float] = (0.7, 1.3)
    shift: float = 0.12
    stain: float = 0.2
    brightness: float = 0.08
    contrast: float = 0.15
    blur: float = 0.8
    jpeg: float = 0.0
    gentle: float = 0.0
    turns: bool = True


def augment(
    frames: Any, *, size: int, settings: Augmentation, seed: Any, masks: Any = None
) -> tuple[Any, Any]:
    """Cut random views of whole frames.

    Args:
        frames: uint8 tensor (n, side, side, 3), RGB, whole pictures with ``side`` chosen so that an
            unscaled central crop of ``size`` pixels is what the network sees in serving.
        size: side of the result in pixels.
        settings: strengths.
        seed: int32 tensor of shape (2,): the same seed gives the same views.
        masks: uint8 tensor (n, side, side) that moves with the frames, 255 on the cell; or None.

    Returns:
        float32 tensor (n, size, size, 3), RGB, values 0 to 255; and the masks of the views,
        float32 tensor (n, size, size) of 0 to 1, or None.
    """
    import tensorflow as tf

    seeds = split_seed(seed)
    n = tf.shape(frames)[0]
    side = tf.cast(tf.shape(frames)[1], tf.float32)

    def uniform(key: int, low: float, high: float, *shape: int) -> Any:
        return tf.random.stateless_uniform((n, *shape), seeds[key], low, high)

    # Every picture draws how strongly it is changed: in full, or (the gentle share) by a third.
    strength = tf.where(uniform(8, 0.0, 1.0) < settings.gentle, 1.0 / 3.0, 1.0)
    # Geometry: output pixel -> input pixel, x' = a x + b y + c.
    scale = tf.exp(
        strength * uniform(0, float(np.log(settings.scale[0])), float(np.log(settings.scale[1])))
    )
    turning = 1.0 if settings.turns else 0.0
    turn = turning * tf.floor(uniform(1, 0.0, 4.0)) * (np.pi / 2)
    mirror = tf.where(uniform(2, 0.0, 1.0) < 0.5 * turning, -1.0, 1.0)
    cos, sin = tf.round(tf.cos(turn)) / scale, tf.round(tf.sin(turn)) / scale
    centre_in = (side - 1) / 2
    centre_out = (size - 1) / 2
    shift = uniform(3, -settings.shift, settings.shift, 2) * size * strength[:, None]
    a, b = cos * mirror, -sin
    d, e = sin * mirror, cos
    c = centre_in - a * centre_out - b * centre_out + shift[:, 0]
    f = centre_in - d * centre_out - e * centre_out + shift[:, 1]
    zero = tf.zeros_like(a)
    transforms = tf.stack([a, b, c, d, e, f, zero, zero], axis=1)

    def cut(pictures: Any) -> Any:
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.cast(pictures, tf.float32),
            transforms=transforms,
            output_shape=[size, size],
            interpolation="BILINEAR",
            fill_mode="REFLECT",
            fill_value=0.0,
        )

    views = recolour(cut(frames), settings=settings, seeds=seeds, strength=strength)
    moved = None if masks is None else cut(masks[..., None])[..., 0] / 255.0
    return views, moved


def split_seed(seed: Any) -> list[Any]:
    """Return a seed for each kind of change, int32 tensors of shape (2,), from that of a batch."""
    import tensorflow as tf

    seeds: list[Any] = tf.unstack(tf.random.split(seed, 11))
    return seeds


def recolour(views: Any, *, settings: Augmentation, seeds: list[Any], strength: Any) -> Any:
    """Change stain, contrast, brightness and focus, and go through JPEG again.

    Args:
        views: float32 tensor (n, height, width, 3), RGB, values 0 to 255.
        settings: strengths; scale and shift are not used.
        seeds: what :func:`split_seed` returned.
        strength: float32 tensor (n,), by which all strengths of a view are multiplied.

    Returns:
        The changed views, values 0 to 255.
    """
    import tensorflow as tf

    n = tf.shape(views)[0]
    shape = views.shape
    strong = strength[:, None, None, None]

    def uniform(key: int, low: float, high: float, *shape: int) -> Any:
        return tf.random.stateless_uniform((n, *shape), seeds[key], low, high)

    # Stain: in optical density, scale each stain by its own factor and come back.
    to_stain = tf.constant(np.linalg.inv(HED), tf.float32)
    factors = 1.0 + uniform(4, -settings.stain, settings.stain, 3) * strength[:, None]
    mixing = tf.matmul(to_stain[None] * factors[:, None, :], tf.constant(HED, tf.float32)[None])
    density = -tf.math.log((views + 1.0) / 256.0)
    density = tf.reshape(tf.matmul(tf.reshape(density, (n, -1, 3)), mixing), tf.shape(views))
    views = 256.0 * tf.exp(-density) - 1.0

    gain = 1.0 + uniform(5, -settings.contrast, settings.contrast, 1, 1, 1) * strong
    offset = 255.0 * uniform(6, -settings.brightness, settings.brightness, 1, 1, 1) * strong
    mean = tf.reduce_mean(views, axis=(1, 2, 3), keepdims=True)
    views = (views - mean) * gain + mean + offset

    if settings.blur:
        binomial = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256.0
        kernel = tf.constant(np.repeat(binomial[:, :, None, None], 3, axis=2), tf.float32)
        blurred = tf.nn.depthwise_conv2d(views, kernel, [1, 1, 1, 1], "SAME")
        # Half of the pictures stay sharp; the others get a weight up to the setting.
        weight = tf.nn.relu(uniform(7, -settings.blur, settings.blur, 1, 1, 1)) * strong
        views += weight * (blurred - views)
    views = tf.clip_by_value(views, 0.0, 255.0)
    if settings.jpeg:
        quality = tf.cast(uniform(10, LEAST_QUALITY, MOST_QUALITY + 1), tf.int32)
        again = uniform(9, 0.0, 1.0) < settings.jpeg
        views = tf.map_fn(_recompress, (views, quality, again), fn_output_signature=tf.float32)
        views = tf.ensure_shape(views, shape)
    return views


def _recompress(picture: Any) -> Any:
    """Send one of (view, quality, whether) through JPEG."""
    import tensorflow as tf

    view, quality, again = picture

    def through() -> Any:
        whole = tf.cast(tf.round(view), tf.uint8)
        return tf.cast(tf.image.adjust_jpeg_quality(whole, quality), tf.float32)

    return tf.cond(again, through, lambda: view)
