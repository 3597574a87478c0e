"""Embeddings as points in three dimensions, and who lies next to whom.

PCA (Pearson, 1901), t-SNE (van der Maaten & Hinton, 2008) and UMAP (McInnes, Healy & Melville,
2018). t-SNE and UMAP start from the first 50 principal components, as their authors do. All give
the same points for the same embeddings and seed on one machine. scikit-learn and UMAP are imported
inside the functions: importing umap loads TensorFlow where it is installed.
"""

from __future__ import annotations

import io
import re
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

METHODS = ("pca", "tsne", "umap")
LEAST = 10
COMPONENTS = 50
PERPLEXITY = 30.0
# Step n / 48 (Belkina et al., 2019, in scikit-learn's scale), but not scikit-learn's floor of 50:
# with that, groups of a few dozen cells in three dimensions are flung apart.
STEP_SHARE, LEAST_STEP = 48, 10.0
# Up to here all pairs cost less than the octree.
EXACT = 500
# The octree of three-dimensional t-SNE costs more per step than any other part here.
ITERATIONS, ITERATIONS_OF_MANY, MANY = 1000, 500, 3000
UMAP_NEIGHBOURS = 15
ROWS_AT_ONCE = 1024
SECONDS_BETWEEN_REPORTS = 1.0


def project(
    embeddings: NDArray[np.floating],
    *,
    method: str,
    seed: int,
    report: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """Return points (n, 3), centred, with the largest distance from zero along an axis 1.

    Args:
        embeddings: (n, d), n at least :data:`LEAST`.
        method: one of :data:`METHODS`.
        seed: another seed gives other points, save for PCA.
        report: told the share of the steps that is done, from 0 to 1, as t-SNE and UMAP go on.

    Raises:
        ValueError: for too few embeddings or an unknown method.
    """
    count = len(embeddings)
    if count < LEAST:
        raise ValueError(f"{count} embeddings are too few: at least {LEAST} are needed")
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    reduced = _principal_components(embeddings.astype(np.float64))
    if method == "pca":
        points = reduced[:, :3]
    elif method == "tsne":
        points = _tsne(reduced, seed, report)
    else:
        points = _umap(reduced, seed, report)
    if points.shape[1] < 3:
        points = np.pad(points, ((0, 0), (0, 3 - points.shape[1])))
    points = points - points.mean(axis=0)
    scaled = points / max(float(np.abs(points).max()), 1e-12)
    return np.asarray(scaled, np.float32)


def _principal_components(embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coordinates along the first components, each with a fixed sign."""
    from sklearn.decomposition import PCA

    components = min(COMPONENTS, *embeddings.shape)
    reduced = PCA(n_components=components, svd_solver="full").fit_transform(embeddings)
    return np.asarray(reduced, np.float64)


class _Steps(io.TextIOBase):
    """Where a library prints how far it has come; whatever else is printed goes to ``rest``.

    Neither scikit-learn nor UMAP calls back, but both print: t-SNE a line every 50 iterations, UMAP
    a bar of its epochs.

    Args:
        pattern: what is the library's own; group ``done`` holds the steps, ``all`` their number.
        report: told the share of the steps.
        steps: their number where the pattern has none.
        rest: the stream for words of others.
    """

    def __init__(
        self,
        pattern: str,
        report: Callable[[float], None],
        *,
        steps: int = 0,
        rest: io.TextIOBase | None = None,
    ) -> None:
        self.pattern = re.compile(pattern)
        self.report = report
        self.steps = steps
        self.rest = rest

        self.own_line = False

    def write(self, text: str) -> int:
        if self.own_line and text == "\n":  # print() writes the end of a line by itself
            self.own_line = False
            return 1
        found = self.pattern.search(text)
        if found and found["done"]:
            steps = self.steps or int(found["all"])
            self.report(min(1.0, int(found["done"]) / max(1, steps)))
        elif not found and self.rest is not None:
            self.rest.write(text)
        self.own_line = bool(found)
        return len(text)


def _tsne(
    reduced: NDArray[np.float64], seed: int, report: Callable[[float], None] | None
) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    count = len(reduced)
    iterations = ITERATIONS if count <= MANY else ITERATIONS_OF_MANY
    made = TSNE(
        n_components=3,
        perplexity=min(PERPLEXITY, max(2.0, count / 6)),
        max_iter=iterations,
        learning_rate=max(count / STEP_SHARE, LEAST_STEP),
        method="exact" if count <= EXACT else "barnes_hut",
        init="pca",
        random_state=seed,
        n_jobs=1,  # several threads add up in another order, and the points differ
        verbose=0 if report is None else 2,
    )
    if report is None:
        return np.asarray(made.fit_transform(reduced), np.float64)
    own = r"\[t-SNE\](?: Iteration (?P<done>\d+):)?"
    with redirect_stdout(_Steps(own, report, steps=iterations, rest=sys.stdout)):  # type: ignore[arg-type]
        return np.asarray(made.fit_transform(reduced), np.float64)


def _umap(
    reduced: NDArray[np.float64], seed: int, report: Callable[[float], None] | None
) -> NDArray[np.float64]:
    from umap import UMAP

    count = len(reduced)
    bar = None
    if report is not None:
        bar = {
            "file": _Steps(r"(?P<done>\d+)/(?P<all>\d+)", report),
            "bar_format": "{n_fmt}/{total_fmt}",
            "mininterval": SECONDS_BETWEEN_REPORTS,
            "disable": False,
        }
    made = UMAP(
        n_components=3,
        n_neighbors=min(UMAP_NEIGHBOURS, count - 1),
        init="pca",
        random_state=seed,
        n_jobs=1,
        tqdm_kwds=bar,
    )
    return np.asarray(made.fit_transform(reduced), np.float64)


def nearest_neighbours(embeddings: NDArray[np.floating], *, count: int) -> NDArray[np.int32]:
    """Return the places (n, count) of each embedding's nearest others by cosine distance.

    Args:
        embeddings: (n, d).
        count: at most n - 1; fewer are returned when there are no more.
    """
    values = embeddings.astype(np.float32)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    total = len(values)
    count = min(count, total - 1)
    found = np.zeros((total, count), np.int32)
    for start in range(0, total, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, total)
        near = values[start:stop] @ values.T
        near[np.arange(stop - start), np.arange(start, stop)] = -np.inf
        order = np.argsort(-near, axis=1, kind="stable") if total <= 200 else None
        if order is None:
            part = np.argpartition(-near, count, axis=1)[:, :count]
            inner = np.argsort(-np.take_along_axis(near, part, 1), axis=1, kind="stable")
            order = np.take_along_axis(part, inner, 1)
        found[start:stop] = order[:, :count]
    return found
