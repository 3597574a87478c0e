"""Broken, hostile and merely unusual files, made alike on every run.

``python -m tests.corpus FOLDER`` writes them out; tests/faults/test_bad_input.py sends them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tests.corpus import archives, documents, names, pictures
from tests.corpus.sample import ACCEPTED, REJECTED, Sample

__all__ = ["ACCEPTED", "REJECTED", "Sample", "corpus"]


@cache
def corpus() -> tuple[Sample, ...]:
    """All samples, in a fixed order, each with bytes of its own."""
    return tuple(_all())


def _all() -> Iterator[Sample]:
    for part in (pictures, documents, archives, names):
        yield from part.samples()
