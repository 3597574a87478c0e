"""Embeddings in three dimensions: groups stay together, and a seed gives the same points."""

from __future__ import annotations

import numpy as np
import pytest

from ml.projection import METHODS, nearest_neighbours, project


def groups(per_group: int = 20, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three groups far apart in 64 dimensions."""
    generator = np.random.default_rng(seed)
    centres = 10 * generator.standard_normal((3, 64))
    labels = np.repeat(np.arange(3), per_group)
    return centres[labels] + generator.standard_normal((3 * per_group, 64)), labels


@pytest.mark.parametrize("method", METHODS)
def test_groups_stay_together_and_the_same_seed_gives_the_same_points(
    method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    embeddings, labels = groups()
    points = project(embeddings, method=method, seed=3)
    assert points.shape == (60, 3)
    assert points.dtype == np.float32
    assert np.abs(points).max() == pytest.approx(1)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).mean() > 0.95
    # Telling how far it has come changes nothing, moves, and leaves nothing on the console.
    told: list[float] = []
    assert (project(embeddings, method=method, seed=3, report=told.append) == points).all()
    assert told == sorted(told)
    if method != "pca":
        assert len(set(told)) > 1
        assert 0 <= told[0] < told[-1] <= 1
    assert capsys.readouterr().out == ""


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        project(np.zeros((9, 64)), method="pca", seed=1)


def test_equal_embeddings_do_no_harm() -> None:
    assert np.isfinite(project(np.ones((12, 64)), method="pca", seed=1)).all()


@pytest.mark.parametrize("count", [30, 3000])
def test_neighbours_are_the_nearest_by_angle(count: int) -> None:
    values = np.random.default_rng(1).standard_normal((count, 16))
    found = nearest_neighbours(values, count=5)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    for place in (0, count // 2, count - 1):
        near = unit @ unit[place]
        near[place] = -np.inf
        assert found[place].tolist() == np.argsort(-near)[:5].tolist()


def test_there_are_never_more_neighbours_than_others() -> None:
    assert nearest_neighbours(np.eye(3), count=10).shape == (3, 2)
