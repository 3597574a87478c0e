"""A score of how little a picture resembles the cells a network has learnt.

Four ways to compute it, all from the logits and the 512-value embedding of the one forward pass:

``mahalanobis``
    squared distance to the nearest class mean under the covariance shared by all classes (Lee et
    al., NeurIPS 2018), shrunk by a thousandth towards its mean variance.
``mahalanobis-unit``
    the same on embeddings scaled to unit length (Mueller & Hein, "Mahalanobis++", ICML 2025).
``energy``
    minus the log-sum-exp of the logits (Liu et al., NeurIPS 2020).
``knn``
    distance of the unit embedding to its tenth nearest training embedding (Sun et al., ICML 2022).

Means, covariance and neighbours come from training pictures, the threshold from validation ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.manifest import MANIFEST_NAME, BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ml.manifest import Manifest

METHODS = ("mahalanobis", "mahalanobis-unit", "energy", "knn")
# Strangers show in directions where cells hardly vary, which more shrinkage (Ledoit and Wolf's rule
# gave 0.03) hides: see docs/training.md for what each choice flagged.
SHRINKAGE = 0.001
NEIGHBOURS = 10
# Squared distances to 512-value means run to hundreds; float32 holds them to seven digits.
STORED = np.float32


@dataclass(frozen=True)
class Detector:
    """A fitted score and its threshold.

    Attributes:
        method: one of :data:`METHODS`.
        threshold: scores above it are called unfamiliar.
        arrays: ``means`` (classes, 512) and ``whitening`` (512, 512) of the Mahalanobis distances,
            ``neighbours`` (m, 512) of unit length for ``knn``, nothing for ``energy``.
    """

    method: str
    threshold: float
    arrays: Mapping[str, NDArray[np.float32]]

    def scores(
        self, logits: NDArray[np.floating], embeddings: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return one score per picture, the larger the less familiar.

        Args:
            logits: (n, classes), not divided by a temperature.
            embeddings: (n, 512).
        """
        if self.method == "energy":
            from scipy.special import logsumexp

            return -np.asarray(logsumexp(logits.astype(np.float64), axis=1))
        if self.method == "mahalanobis":
            return self._distances(embeddings.astype(np.float64))
        if self.method == "mahalanobis-unit":
            return self._distances(unit_length(embeddings))
        near = unit_length(embeddings) @ self.arrays["neighbours"].astype(np.float64).T
        tenth = np.sort(near, axis=1)[:, -min(NEIGHBOURS, near.shape[1])]
        return np.sqrt(np.maximum(2.0 - 2.0 * tenth, 0.0))

    def _distances(self, embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
        whitening = self.arrays["whitening"].astype(np.float64)
        points = embeddings @ whitening
        means = self.arrays["means"].astype(np.float64) @ whitening
        gaps = points[:, None, :] - means[None, :, :]
        return np.asarray((gaps**2).sum(axis=2).min(axis=1))


def unit_length(embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale every row to length one; a row of zeros stays one."""
    values = embeddings.astype(np.float64)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def fit_detector(
    method: str,
    *,
    embeddings: NDArray[np.floating],
    labels: NDArray[np.int64],
    validation_logits: NDArray[np.floating],
    validation_embeddings: NDArray[np.floating],
    false_flags: float,
) -> Detector:
    """Fit a score on training pictures and its threshold on validation pictures.

    Args:
        method: one of :data:`METHODS`.
        embeddings: (n, 512), of training pictures.
        labels: (n,), theirs.
        validation_logits: (m, classes).
        validation_embeddings: (m, 512).
        false_flags: share of the validation pictures that may lie above the threshold.

    Returns:
        The detector.

    Raises:
        ValueError: for an unknown method or a share outside (0, 1).
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    if not 0 < false_flags < 1:
        raise ValueError(f"the share of false flags must lie between 0 and 1, not {false_flags}")
    arrays: dict[str, NDArray[np.float32]] = {}
    if method.startswith("mahalanobis"):
        points = unit_length(embeddings) if method.endswith("unit") else embeddings
        arrays = _gaussians(points.astype(np.float64), labels)
    elif method == "knn":
        arrays = {"neighbours": unit_length(embeddings).astype(STORED)}
    draft = Detector(method, 0.0, arrays)
    scores = draft.scores(validation_logits, validation_embeddings)
    threshold = float(np.quantile(scores, 1.0 - false_flags, method="higher"))
    return Detector(method, threshold, arrays)


def detector_of(
    manifest: Manifest, arrays: Mapping[str, NDArray[Any]], bundle: Path
) -> Detector | None:
    """Return the detector a bundle holds, or None.

    Args:
        manifest: of the bundle.
        arrays: its further arrays, by name.
        bundle: its folder, named in the error.

    Raises:
        ml.manifest.BundleError: when the bundle's settings and arrays do not make one.
    """
    settings = manifest.unfamiliar
    if settings is None:
        return None
    method, threshold = settings.get("method"), settings.get("threshold")
    needed: tuple[str, ...] = ()
    if method == "knn":
        needed = ("neighbours",)
    elif isinstance(method, str) and method.startswith("mahalanobis"):
        needed = ("means", "whitening")
    if (
        method not in METHODS
        or not isinstance(threshold, int | float)
        or any(name not in arrays or arrays[name].ndim != 2 for name in needed)
    ):
        raise BundleError(
            "wrong_weights",
            bundle / MANIFEST_NAME,
            f"Its method {method!r} for unfamiliar pictures does not fit its arrays.",
            "Run `python -m ml unfamiliar` on the bundle again.",
        )
    return Detector(method, float(threshold), arrays)


def _gaussians(
    points: NDArray[np.float64], labels: NDArray[np.int64]
) -> dict[str, NDArray[np.float32]]:
    """Fit class means and whiten by the inverse of the shared, shrunk covariance."""
    from sklearn.covariance import ShrunkCovariance

    present = np.unique(labels)
    means = np.stack([points[labels == label].mean(axis=0) for label in present])
    centred = points - means[np.searchsorted(present, labels)]
    fitted = ShrunkCovariance(shrinkage=SHRINKAGE, assume_centered=True).fit(centred)
    precision = fitted.precision_
    return {
        "means": means.astype(STORED),
        "whitening": np.linalg.cholesky(precision).astype(STORED),
    }
