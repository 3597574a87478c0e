"""What training minimises. TensorFlow is imported with this module."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ml.detection.network import STRIDE

# Weight of the boxes against the centres, as in TTFNet.
BOX_WEIGHT = 5.0
# exp() of a larger value would be a box beyond every field.
LARGEST_LOGARITHM = 6.0


def corners_of(sides: Any, *, classes: int) -> Any:
    """Turn the network's distances into boxes.

    Args:
        sides: (n, rows, columns, 4 * classes), logarithms of distances in strides.
        classes: number of classes.

    Returns:
        (n, rows, columns, classes, 4): left, top, right, bottom in input pixels.
    """
    shape = tf.shape(sides)
    rows, columns = shape[1], shape[2]
    distances = tf.exp(tf.minimum(sides, LARGEST_LOGARITHM))
    distances = tf.reshape(distances, (shape[0], rows, columns, classes, 4)) * STRIDE
    x = (tf.cast(tf.range(columns), tf.float32) + 0.5) * STRIDE
    y = (tf.cast(tf.range(rows), tf.float32) + 0.5) * STRIDE
    x, y = x[None, None, :, None], y[None, :, None, None]
    return tf.stack(
        [
            x - distances[..., 0],
            y - distances[..., 1],
            x + distances[..., 2],
            y + distances[..., 3],
        ],
        axis=-1,
    )


def focal_loss(logits: Any, target: Any, known: Any) -> Any:
    """Penalty-reduced focal loss of the centres (CornerNet, Law & Deng, 2018; alpha 2, beta 4).

    Args:
        logits: (n, rows, columns, classes).
        target: the same shape, 1 at centres.
        known: the same shape, 0 where the loss must not look.

    Returns:
        A number: the sum over the batch divided by the number of centres.
    """
    probability = tf.sigmoid(logits)
    is_centre = tf.cast(target >= 1.0, tf.float32)
    found = -tf.math.log_sigmoid(logits) * tf.square(1 - probability) * is_centre
    elsewhere = (
        -tf.math.log_sigmoid(-logits)
        * tf.square(probability)
        * tf.pow(1 - target, 4.0)
        * (1 - is_centre)
        * known
    )
    return tf.reduce_sum(found + elsewhere) / tf.maximum(tf.reduce_sum(is_centre), 1.0)


def box_loss(boxes: Any, target: Any, weights: Any) -> Any:
    """Weighted mean of 1 - GIoU (Rezatofighi et al., CVPR 2019).

    Args:
        boxes: (n, rows, columns, classes, 4), predicted.
        target: the same shape.
        weights: (n, rows, columns, classes).
    """
    l1, t1, r1, b1 = tf.unstack(boxes, axis=-1)
    l2, t2, r2, b2 = tf.unstack(target, axis=-1)
    area_1 = (r1 - l1) * (b1 - t1)
    area_2 = (r2 - l2) * (b2 - t2)
    common = tf.nn.relu(tf.minimum(r1, r2) - tf.maximum(l1, l2)) * tf.nn.relu(
        tf.minimum(b1, b2) - tf.maximum(t1, t2)
    )
    union = area_1 + area_2 - common
    hull = (tf.maximum(r1, r2) - tf.minimum(l1, l2)) * (tf.maximum(b1, b2) - tf.minimum(t1, t2))
    giou = common / (union + 1e-6) - (hull - union) / (hull + 1e-6)
    return tf.reduce_sum((1 - giou) * weights) / tf.maximum(tf.reduce_sum(weights), 1e-6)


def detection_loss(answer: Any, targets: Any, *, classes: int) -> Any:
    """Return the whole loss and its two parts.

    Args:
        answer: of the network.
        targets: the four arrays of :class:`ml.detection.views.Targets`, stacked over the batch.
        classes: number of classes.
    """
    centres, known, corners, weights = targets
    focal = focal_loss(answer["centres"], centres, known)
    boxes = box_loss(corners_of(answer["sides"], classes=classes), corners, weights)
    return focal + BOX_WEIGHT * boxes, focal, boxes
