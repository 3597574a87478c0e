"""The log of a training run: a CSV file with one row per validation period."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_log(path: Path) -> list[dict[str, float]]:
    """Read CSVLogger's file: one dictionary of numbers per period."""
    with path.open(newline="", encoding="utf-8") as stream:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]


def trim_log(path: Path, periods: int) -> None:
    """Drop the rows of periods that will be repeated, and a row cut short by a kill."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [
        line for line in lines[1:] if line.endswith("\n") and int(line.partition(",")[0]) < periods
    ]
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text("".join(lines[:1] + kept) if kept else "", encoding="utf-8")
    draft.replace(path)
