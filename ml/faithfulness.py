"""Do the heatmaps show what the network looks at? Three tests, each against maps that know nothing.

Where the energy lies: the share of a map inside the cell, on pictures as they are and on pictures
shifted by up to a quarter of the view, since a centred cell proves nothing. Deletion and insertion
(Petsiuk et al., RISE, BMVC 2018): how the probability falls when the most important places are
replaced by a blurred picture, and rises when they are brought back. Randomised weights (Adebayo et
al., "Sanity Checks for Saliency Maps", NeurIPS 2018): a map must not survive them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter

from ml.bundle import load_weights, write_bundle
from ml.cell_mask import cell_mask
from ml.data import open_picture
from ml.predictor import Predictor, softmax
from ml.preprocessing import network_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LARGEST_SHIFT = 0.25
STEPS = 8
BASELINES = ("uniform", "gaussian")


@dataclass(frozen=True)
class View:
    """What the network sees of a picture, and where the cell is in it.

    Attributes:
        pixels: (side, side, 3), RGB bytes.
        mask: (side, side), True on the cell.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def view_of(
    picture: Image.Image,
    *,
    size: int,
    crop: float,
    version: str,
    shift: tuple[float, float] = (0.0, 0.0),
) -> View | None:
    """Cut what serving would see of a picture, moved by a part of the view.

    Args:
        picture: RGB, one centred cell.
        size: side of the view in pixels.
        crop, version: of the bundle.
        shift: right and down, in views.

    Returns:
        The view; None when no cell is found, or less than half of it is left in the view.
    """
    frame = round(size / crop)
    whole = network_view(picture, size=frame, crop=1.0, version=version)
    mask = cell_mask(whole)
    if mask is None:
        return None
    border = size  # room for any shift; reflected, as the augmentation does
    pixels = np.pad(whole, ((border, border), (border, border), (0, 0)), "reflect")
    padded = np.pad(mask, border)
    left = border + (frame - size) // 2 - round(shift[0] * size)
    top = border + (frame - size) // 2 - round(shift[1] * size)
    window = (slice(top, top + size), slice(left, left + size))
    if padded[window].sum() < 0.5 * mask.sum():
        return None
    return View(pixels[window], padded[window])


def energy_inside(heatmap: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Return the share of a map's sum that lies on the mask; nan for a map of zeros."""
    total = float(heatmap.sum())
    return float(heatmap[mask].sum()) / total if total > 0 else float("nan")


def gaussian_map(size: int) -> NDArray[np.float32]:
    """Return a centred bell with a standard deviation of a quarter of the side."""
    place = (np.arange(size) - (size - 1) / 2) / (size / 4)
    return np.exp(-0.5 * (place[:, None] ** 2 + place[None, :] ** 2)).astype(np.float32)


def enlarge(heatmap: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """Resize a map of the network's resolution to the view, bilinearly, as pages show it."""
    image = Image.fromarray(heatmap.astype(np.float32), mode="F")
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def predicted_maps(
    predictor: Predictor, pixels: Sequence[NDArray[np.uint8]]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Return the maps (n, h, w) of the predicted classes, those classes, and all probabilities."""
    maps, chosen, chances = [], [], []
    for start in range(0, len(pixels), predictor.batch_size):
        answer = predictor.forward(np.stack(pixels[start : start + predictor.batch_size]))
        probabilities = softmax(answer.logits, predictor.manifest.temperature)
        best = probabilities.argmax(axis=1)
        maps.append(answer.heatmaps[np.arange(len(best)), :, :, best])
        chosen.append(best)
        chances.append(probabilities)
    return np.concatenate(maps), np.concatenate(chosen), np.concatenate(chances)


def energy_figures(predictor: Predictor, views: Sequence[View]) -> dict[str, Any]:
    """Compare the maps' energy inside the cell with that of the maps that know nothing.

    Returns:
        Means over the views of ``gradcam``, ``uniform`` and ``gaussian``, the share of views where
        the map beats each, and ``n``.
    """
    size = predictor.manifest.input_size
    maps, _chosen, _chances = predicted_maps(predictor, [view.pixels for view in views])
    bell = gaussian_map(size)
    rows = np.array(
        [
            [
                energy_inside(enlarge(heatmap, size), view.mask),
                view.mask.mean(),
                energy_inside(bell, view.mask),
            ]
            for heatmap, view in zip(maps, views, strict=True)
        ]
    )
    empty = int(np.isnan(rows[:, 0]).sum())
    rows = np.nan_to_num(rows)  # a map of zeros shows nothing of the cell
    return {
        "n": len(rows),
        "empty_maps": empty,
        "gradcam": float(rows[:, 0].mean()),
        "uniform": float(rows[:, 1].mean()),
        "gaussian": float(rows[:, 2].mean()),
        "beats_uniform": float((rows[:, 0] > rows[:, 1]).mean()),
        "beats_gaussian": float((rows[:, 0] > rows[:, 2]).mean()),
    }


def deletion_insertion(
    predictor: Predictor, views: Sequence[View], *, seed: int
) -> dict[str, dict[str, float]]:
    """Measure the areas under the deletion and insertion curves.

    Places are those of the network's map. The uniform map has no order, so its places are shuffled.

    Args:
        predictor: of the bundle.
        views: pictures.
        seed: of the shuffle.

    Returns:
        Per map ``deletion`` (the lower the better) and ``insertion`` (the higher the better): mean
        probability of the class predicted for the whole picture over 9 evenly spaced shares.
    """
    generator = np.random.default_rng(seed)
    size = predictor.manifest.input_size
    maps, chosen, _chances = predicted_maps(predictor, [view.pixels for view in views])
    grid = maps.shape[1:]
    bell = np.asarray(Image.fromarray(gaussian_map(size), mode="F").resize(grid[::-1]))
    sums: dict[str, list[list[float]]] = {name: [[], []] for name in ("gradcam", *BASELINES)}
    for view, heatmap, best in zip(views, maps, chosen, strict=True):
        blurred = np.asarray(
            Image.fromarray(view.pixels).filter(ImageFilter.GaussianBlur(size / 12))
        )
        # The least noise breaks ties between places of equal weight, such as zeros, by chance.
        noise = generator.random(grid) * 1e-9
        orders = {
            "gradcam": heatmap / max(float(heatmap.max()), 1e-12) + noise,
            "uniform": generator.random(grid),
            "gaussian": bell + noise,
        }
        for name, order in orders.items():
            batch = []
            for share in np.linspace(0, 1, STEPS + 1):
                first = _first_places(order, share, size)
                batch.append(np.where(first[..., None], blurred, view.pixels))
                batch.append(np.where(first[..., None], view.pixels, blurred))
            _maps, _best, chances = predicted_maps(predictor, batch)
            sums[name][0].append(float(chances[0::2, best].mean()))
            sums[name][1].append(float(chances[1::2, best].mean()))
    return {
        name: {"deletion": float(np.mean(down)), "insertion": float(np.mean(up))}
        for name, (down, up) in sums.items()
    }


def randomised_weights(
    predictor: Predictor, bundle: Path, views: Sequence[View], *, seed: int
) -> dict[str, float]:
    """Correlate the maps with those of the same network with random weights.

    Weights are drawn with each layer's own mean and deviation, from the top: the dense layer, then
    block 5 as well, then everything.

    Args:
        predictor: of the bundle.
        bundle: its folder.
        views: pictures.
        seed: of the weights.

    Returns:
        Mean Spearman correlation with the true map of the same class, per part made random; a map
        without any variation counts as uncorrelated.
    """
    from scipy.stats import spearmanr

    generator = np.random.default_rng(seed)
    pixels = [view.pixels for view in views]
    truth, chosen, _chances = predicted_maps(predictor, pixels)
    arrays = dict(load_weights(bundle, predictor.manifest).model)
    result = {}
    for part, prefixes in (
        ("dense layer", ("prediction",)),
        ("dense layer and block 5", ("prediction", "block5")),
        ("all layers", ("",)),
    ):
        changed = {
            name: generator.normal(array.mean(dtype="f4"), array.std(dtype="f4"), array.shape)
            if name.startswith(prefixes)
            else array
            for name, array in arrays.items()
        }
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "random"
            write_bundle(folder, predictor.manifest, changed)
            random = Predictor(folder, batch_size=predictor.batch_size)
        correlations = []
        for start in range(0, len(pixels), random.batch_size):
            answer = random.forward(np.stack(pixels[start : start + random.batch_size]))
            for place, maps in enumerate(answer.heatmaps, start):
                other = maps[:, :, chosen[place]]
                flat = other.std() == 0 or truth[place].std() == 0
                value = 0.0 if flat else spearmanr(other.ravel(), truth[place].ravel()).statistic
                correlations.append(float(value))
        random.close()
        result[part] = float(np.mean(correlations))
    return result


def measure(
    predictor: Predictor, bundle: Path, paths: Sequence[Path], *, curves: int, seed: int
) -> dict[str, Any]:
    """Run the three tests.

    Args:
        predictor: of the bundle.
        bundle: its folder.
        paths: pictures of one centred cell each.
        curves: how many of them the deletion and insertion curves take, at 54 views each.
        seed: of shifts, shuffles and weights.

    Returns:
        ``energy``, ``energy_shifted``, ``curves``, ``randomised`` and the pictures without a mask.

    Raises:
        ValueError: when no cell is found in any picture.
    """
    generator = np.random.default_rng(seed)
    plain, shifted, missing = [], [], 0
    for path in paths:
        picture = open_picture(path)
        view = view_of(picture, **predictor.manifest.view)
        if view is None:
            missing += 1
            continue
        plain.append(view)
        right, down = generator.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 2)
        moved = view_of(picture, **predictor.manifest.view, shift=(float(right), float(down)))
        if moved is not None:
            shifted.append(moved)
    if not plain or not shifted:
        raise ValueError("no cell was found by colour and size in these pictures")
    few = plain[:curves]
    return {
        "without_mask": missing,
        "energy": energy_figures(predictor, plain),
        "energy_shifted": energy_figures(predictor, shifted),
        "curves": {"n": len(few), **deletion_insertion(predictor, few, seed=seed)},
        "randomised": {"n": len(few), **randomised_weights(predictor, bundle, few, seed=seed)},
    }


def _first_places(order: NDArray[np.floating], share: float, size: int) -> NDArray[np.bool_]:
    """Return the pixels of the leading share of a map's places."""
    count = round(share * order.size)
    first = np.zeros(order.size, np.uint8)
    first[np.argsort(-order, axis=None)[:count]] = 255
    image = Image.fromarray(first.reshape(order.shape))
    return np.asarray(image.resize((size, size), Image.Resampling.NEAREST)) > 0
