"""The one road from a decoded picture to the network's input, for training and for serving.

Contract (its version is part of a bundle and stored with every prediction):

1. a Pillow image in any mode is made RGB, after its EXIF orientation was applied by the caller or
   by :func:`decode`; when its shorter side is above 224 pixels it is reduced to that and goes
   through JPEG (:func:`in_training_form`), since so did the pictures the network learns from.
   Versions 1 and 2 have no such form;
2. the centred square of ``crop`` times the shorter side is cut out;
3. it is resized to ``size`` x ``size`` pixels with Pillow's antialiased bilinear filter (the same
   result for a 360-pixel original and for its 224-pixel copy, up to interpolation);
4. colour is kept at half the resolution of brightness (:func:`halve_chroma`): most pictures come
   as JPEG with its colour subsampled, others do not, and a network that learnt from the one kind
   must not be moved by the other. Version 1 has no such step;
5. the values are normalised as VGG expects (Simonyan & Zisserman, 2015): channels in the order
   blue, green, red, with the ImageNet means subtracted, no scaling.

Steps 1 to 3 are :func:`network_view` (numpy and Pillow only); steps 4 and 5 run inside the
TensorFlow graph, so that training and serving share them.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL_CHROMA = "vgg-centre-crop-1"
HALF_CHROMA = "vgg-centre-crop-2"
TRAINING_FORM = "vgg-centre-crop-3"
# The form of the training pictures (shared/data/README.md): JPEG with 4:2:0 colour.
TRAINING_SIDE, TRAINING_QUALITY = 224, 82
_FRAME = (
    "RGB, EXIF orientation applied; centred square of crop times the shorter side; antialiased "
    "bilinear resize to input_size"
)
_CHROMA = "colour (RGB minus BT.601 luma) averaged over 2 x 2 pixels and interpolated bilinearly"
_MEANS = "BGR minus 103.939, 116.779, 123.68"
# Each version in words, for a bundle's manifest.
PREPROCESSING_VERSIONS = {
    FULL_CHROMA: f"{_FRAME}; {_MEANS}",
    HALF_CHROMA: f"{_FRAME}; {_CHROMA}; {_MEANS}",
    TRAINING_FORM: f"a shorter side above {TRAINING_SIDE} reduced to {TRAINING_SIDE} (bicubic), "
    f"JPEG of quality {TRAINING_QUALITY} with 4:2:0 colour; {_FRAME}; {_CHROMA}; {_MEANS}",
}

# Shares of red, green and blue in brightness (ITU-R BT.601, as in JPEG).
LUMA = (0.299, 0.587, 0.114)

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


class ViewSettings(TypedDict):
    """What :func:`network_view` needs to know of a bundle or a recipe."""

    size: int
    crop: float
    version: str


def in_training_form(image: Image.Image) -> Image.Image:
    """Bring a larger picture into the form the training pictures came in.

    Args:
        image: RGB.

    Returns:
        The image itself up to a shorter side of 224 pixels; otherwise reduced to it and sent
        through JPEG.
    """
    scale = TRAINING_SIDE / min(image.size)
    if scale >= 1:
        return image
    size = round(image.width * scale), round(image.height * scale)
    stream = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(
        stream, "JPEG", quality=TRAINING_QUALITY, subsampling="4:2:0"
    )
    with Image.open(stream) as reduced:
        return reduced.convert("RGB")


def network_view(
    image: Image.Image | NDArray[np.uint8], *, size: int, crop: float, version: str
) -> NDArray[np.uint8]:
    """Return what the network sees of a picture: steps 1 to 3 of the contract's version.

    Args:
        image, size, crop: as for :func:`prepare`.
        version: one of ``PREPROCESSING_VERSIONS``.

    Returns:
        As :func:`prepare`.

    Raises:
        ValueError: when ``crop`` is outside (0, 1].
    """
    if version == TRAINING_FORM:
        if not isinstance(image, Image.Image):
            image = Image.fromarray(image)
        image = in_training_form(image if image.mode == "RGB" else image.convert("RGB"))
    return prepare(image, size=size, crop=crop)


def halve_chroma(batch: Any) -> Any:
    """Smooth the colour of pictures to half their resolution and leave their brightness alone.

    Colour is what is left of red, green and blue without the brightness: the mean over 2 x 2
    pixels, interpolated bilinearly. JPEG's 4:2:0 does the same to the file's own pixels
    (ITU-T T.81; ITU-R BT.601 for the brightness).

    Args:
        batch: tensor of shape (n, height, width, 3), RGB, any numeric type.

    Returns:
        float32 tensor of the same shape; not rounded, and a little beyond 0 to 255 in places.
    """
    import tensorflow as tf

    pixels = tf.cast(batch, tf.float32)
    luma = tf.reduce_sum(pixels * tf.constant(LUMA, tf.float32), axis=-1, keepdims=True)
    chroma = tf.nn.avg_pool2d(pixels - luma, ksize=2, strides=2, padding="SAME")
    return luma + tf.image.resize(chroma, tf.shape(pixels)[1:3], method="bilinear")


def normalise(batch: Any) -> Any:
    """Turn RGB bytes into VGG's input inside the TensorFlow graph.

    Args:
        batch: tensor of shape (n, size, size, 3), RGB, values 0 to 255, any numeric type.

    Returns:
        float32 tensor of the same shape: BGR, ImageNet means subtracted.
    """
    import tensorflow as tf

    return tf.cast(batch, tf.float32)[..., ::-1] - tf.constant(VGG_MEAN_BGR, tf.float32)


def enter(batch: Any, *, version: str) -> Any:
    """Take RGB bytes into the network: steps 4 and 5 of the contract's version.

    Args:
        batch: tensor of shape (n, height, width, 3), RGB, values 0 to 255, any numeric type.
        version: one of ``PREPROCESSING_VERSIONS``.

    Returns:
        float32 tensor of the same shape, as :func:`normalise` gives it.
    """
    return normalise(batch if version == FULL_CHROMA else halve_chroma(batch))
