"""Where a run's first weights come from: a file, a bundle, ImageNet, or nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.architectures import PREDICTION
from ml.bundle import load_weights, read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    from numpy.typing import NDArray

OFFLINE = (
    "the ImageNet weights could not be downloaded ({error}). On a machine that is online, "
    "`keras.applications.VGG19(include_top=False)` leaves them in ~/.keras/models; copy it "
    "here, or begin from a file with --weights PATH"
)


def read_weights(source: str | Path) -> dict[str, NDArray[Any]]:
    """Read ``LAYER/kernel`` and ``LAYER/bias`` arrays; nothing in the file is ever run.

    Args:
        source: an ``.npz`` or ``.safetensors`` file, a bundle's folder, a folder of a training run,
            or ``imagenet`` for the convolutions of ``keras.applications.VGG19``.

    Returns:
        The arrays by name.

    Raises:
        ValueError: when the file is of no known kind, or ImageNet's weights cannot be had.
        OSError: when the file cannot be read.
        ml.bundle.BundleError: when a bundle is damaged.
    """
    import numpy as np

    if str(source) == "imagenet":
        return _imagenet()
    path = Path(source)
    if (path / "weights.npz").is_file():
        path = path / "weights.npz"
    if path.is_dir():
        return dict(load_weights(path, read_manifest(path)).model)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays: dict[str, NDArray[Any]] = load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path}: this is not a safetensors file ({error})") from error
        return {name: array for name, array in arrays.items() if name.count("/") == 1}
    raise ValueError(
        f"{path}: weights come from an .npz or .safetensors file, a bundle's folder, or `imagenet`"
    )


def assign_weights(model: keras.Model, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """Give a network its weights by name.

    Args:
        model: what :func:`ml.architectures.build_vgg19` returned.
        arrays: what :func:`read_weights` returned.

    Returns:
        Names of the arrays of the dense layer that stay fresh, being absent or of another head.

    Raises:
        ValueError: when an array of a convolution is missing or has another shape.
    """
    fresh = []
    for layer in model.layers:
        for kind, variable in zip(("kernel", "bias"), layer.weights, strict=False):
            name = f"{layer.name}/{kind}"
            array = arrays.get(name)
            if array is not None and array.shape == tuple(variable.shape):
                variable.assign(array.astype("float32"))
            elif layer.name == PREDICTION:
                fresh.append(name)
            else:
                found = "missing" if array is None else f"of the shape {array.shape}"
                raise ValueError(
                    f"the array {name} is {found}; VGG19 needs the shape {tuple(variable.shape)}"
                )
    return fresh


def weights_of(model: keras.Model) -> dict[str, NDArray[Any]]:
    """Return a network's weights by name, as float32 arrays."""
    return {
        f"{layer.name}/{kind}": value
        for layer in model.layers
        for kind, value in zip(("kernel", "bias"), layer.get_weights(), strict=False)
        if layer.weights
    }


def _imagenet() -> dict[str, NDArray[Any]]:
    import keras

    try:
        return weights_of(keras.applications.VGG19(include_top=False, weights="imagenet"))
    except Exception as error:  # Keras raises the bare class for a failed download
        raise ValueError(OFFLINE.format(error=error)) from error
