"""A training loss that keeps the class's heatmap on the cell.

A network that is only asked for the class may take its evidence from anywhere its receptive field
reaches, and its Grad-CAM map then spreads over red cells and background. "Right for the right
reasons" (Ross, Hughes & Doshi-Velez, IJCAI 2017) adds to the loss what the explanation puts in the
wrong place. With the ``gap`` head the map of a class is linear in the features (see
:mod:`ml.gradcam`), so here that costs one product per step and no second gradient.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.architectures import STRIDE
from ml.cell_mask import cell_mask
from ml.data import progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_EVIDENCE = 0.1  # a map's mean, in units of the logit; living maps have several
LEAK = 0.05


def masks_of(frames: np.memmap[Any, np.dtype[np.uint8]]) -> NDArray[np.uint8]:
    """Find the cell in every frame once; later calls map the file kept beside the frames.

    Args:
        frames: what :func:`ml.data.frames_of` returned, (n, side, side, 3).

    Returns:
        A read-only mapped array (n, side, side), 255 on the cell and 0 elsewhere; 255 everywhere
        where no cell was found, so that such a picture adds nothing to the loss.
    """
    source = Path(str(frames.filename))
    kept = source.with_name(source.name.replace("frames-", "masks-", 1))
    if not kept.exists():
        draft = kept.with_name(f".{kept.name}.draft")
        masks = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=frames.shape[:3])
        for index in progress(range(len(frames)), title="finding the cells"):
            mask = cell_mask(frames[index])
            masks[index] = 255 if mask is None else 255 * mask.astype(np.uint8)
        masks.flush()
        del masks
        draft.replace(kept)
    mapped: NDArray[np.uint8] = np.load(kept, mmap_mode="r")
    return mapped


def energy_outside(features: Any, kernel: Any, target: Any, masks: Any) -> Any:
    """Return how much of the true class's map is missing from the cell.

    Where the map is alive, that is the share of its energy outside the cell. A class could also be
    told by the absence of the others, with no evidence of its own and an empty map: such a map
    counts as wholly outside, and what it holds back inside the cell (below zero, before Grad-CAM's
    rectifier) adds a little, so that there is a way back.

    Args:
        features: tensor (n, H, W, 512), the rectified output of block5_conv4.
        kernel: tensor (512, classes) of the dense layer of a ``gap`` head.
        target: tensor (n, classes), one-hot.
        masks: tensor (n, size, size), 1 on the cell, with ``size // 16`` = H = W.

    Returns:
        float32 tensor (n,): about 0 when all is inside, 1 when all is outside, more than 1 for a
        map without any evidence.
    """
    import tensorflow as tf

    inside = tf.nn.avg_pool2d(masks[..., None], STRIDE, STRIDE, "VALID")[..., 0]
    weights = tf.matmul(tf.cast(target, tf.float32), tf.cast(kernel, tf.float32), transpose_b=True)
    scores = tf.einsum("nhwk,nk->nhw", tf.cast(features, tf.float32), weights)
    total = tf.reduce_mean(tf.nn.relu(scores), axis=(1, 2))
    within = tf.reduce_mean(tf.nn.leaky_relu(scores, LEAK) * inside, axis=(1, 2))
    return 1.0 - within / (total + LEAST_EVIDENCE)
