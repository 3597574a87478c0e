"""The one road from a decoded picture to the network's input, for training and for serving.

Contract (``PREPROCESSING_VERSION`` names it and is stored with every prediction):

1. a Pillow image in any mode is made RGB, after its EXIF orientation was applied by the caller or
   by :func:`decode`;
2. the centred square of ``crop`` times the shorter side is cut out;
3. it is resized to ``size`` x ``size`` pixels with Pillow's antialiased bilinear filter (the same
   result for a 360-pixel original and for its 224-pixel copy, up to interpolation);
4. the unsigned bytes are normalised as VGG expects (Simonyan & Zisserman, 2015): channels in the
   order blue, green, red, with the ImageNet means subtracted, no scaling.

Steps 2 and 3 are :func:`prepare` (numpy and Pillow only); step 4 is :func:`normalise`, which runs
inside the TensorFlow graph.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREPROCESSING_VERSION = "vgg-centre-crop-1"

# ImageNet means in the order blue, green, red, as published with VGG.
VGG_MEAN_BGR = (103.939, 116.779, 123.68)


def decode(data: bytes) -> Image.Image:
    """Decode an encoded picture to an upright RGB image.

    Args:
        data: the bytes of a file in any format Pillow reads.

    Returns:
        An RGB image with its EXIF orientation applied; of 16-bit greys the upper byte.

    Raises:
        PIL.UnidentifiedImageError, OSError: when the bytes are not a whole picture.
    """
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        # Pillow would clip the values at 255 instead of scaling them.
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    return upright.convert("RGB")


def prepare(image: Image.Image | NDArray[np.uint8], *, size: int, crop: float) -> NDArray[np.uint8]:
    """Cut out the centred square and resize it to the network's input size.

    Args:
        image: a Pillow image, or an array of shape (height, width, 3), RGB, unsigned bytes.
        size: side of the result in pixels.
        crop: side of the centred square as a share of the shorter side, in (0, 1].

    Returns:
        An array of shape (size, size, 3), RGB, unsigned bytes.

    Raises:
        ValueError: when ``crop`` is outside (0, 1].
    """
    if not 0.0 < crop <= 1.0:
        raise ValueError(f"crop must lie in (0, 1], not {crop}")
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    if image.mode != "RGB":
        image = image.convert("RGB")
    width, height = image.size
    side = crop * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    resized = image.resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    return np.asarray(resized)


def normalise(batch: Any) -> Any:
    """Turn RGB bytes into VGG's input inside the TensorFlow graph.

    Args:
        batch: tensor of shape (n, size, size, 3), RGB, values 0 to 255, any numeric type.

    Returns:
        float32 tensor of the same shape: BGR, ImageNet means subtracted.
    """
    import tensorflow as tf

    return tf.cast(batch, tf.float32)[..., ::-1] - tf.constant(VGG_MEAN_BGR, tf.float32)
