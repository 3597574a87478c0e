"""Measure how long the projector's three methods take for many cells.

The embeddings of the shipped bundle's reference and test cells, repeated with noise up to the
number of points, are projected one method after the other in this process, as the worker does it.
Prints one JSON object: seconds of each method and how often it told how far it had come.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from ml.manifest import read_manifest
from ml.projection import METHODS, nearest_neighbours, project
from ml.references import load_references

BUNDLE = Path(__file__).resolve().parent.parent / "ml" / "bundles" / "vgg19-pbc"
NEIGHBOURS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000)
    count = parser.parse_args().points
    sets = load_references(BUNDLE, read_manifest(BUNDLE)) or {}
    known = np.concatenate([each.embeddings.astype(np.float32) for each in sets.values()])
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 0.1 * known.std(), (count, known.shape[1]))
    embeddings = (known[np.arange(count) % len(known)] + noise).astype(np.float32)
    started = time.perf_counter()
    nearest_neighbours(embeddings, count=NEIGHBOURS)
    figures: dict[str, object] = {"points": count, "different_cells": len(known)}
    figures["neighbours_seconds"] = round(time.perf_counter() - started, 1)
    for method in METHODS:
        told: list[float] = []
        started = time.perf_counter()
        project(embeddings, method=method, seed=42, report=told.append)
        figures[method] = {
            "seconds": round(time.perf_counter() - started, 1),
            "reports": len(told),
        }
        print(method, figures[method], file=sys.stderr, flush=True)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
