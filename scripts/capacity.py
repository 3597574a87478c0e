"""How many web and worker replicas serve how many cases a day, from measured figures.

``python -m scripts.capacity [--cells 200] [--gpu-cells-per-second N]`` prints the table of
docs/kubernetes.md. Every constant names where it was measured or says that it is assumed.
"""

from __future__ import annotations

import argparse
import math

# docs/performance.md, "The model": end to end with heatmaps, the slower of two runs, two CPU cores.
CPU_CELLS_PER_SECOND = 10.89
# docs/performance.md, "The case page with 10,000 cells": median server time of the page.
CASE_PAGE_SECONDS = 0.031
# docs/performance.md, "The review workspace": process time of one correction.
CORRECTION_SECONDS = 0.030
# docs/kubernetes.md: process time of one cell photo (median of 300, Django's test client).
PHOTO_SECONDS = 0.0105

# Assumed, to be replaced by what the laboratory counts.
CELLS = 200  # of a case: a 200-cell differential
CORRECTED = 0.1  # share of cells a reader renames
PAGES = 6  # of a case: list, case, result, signing, report
BUSIEST_HOUR = 0.2  # share of a day's cases that fall into one hour
# No process is planned busier than this: queues grow without bound near 1.
LOAD = 0.6
# One Python process computes on one core at a time; serving.py starts two to a pod.
PROCESSES_OF_A_POD = 2
LEAST_WEB = 2  # so that one can be replaced while the other serves
DAYS = (100, 500, 2000, 5000)


def worker_replicas(cases: int, *, cells: int, rate: float) -> int:
    """Workers that classify the busiest hour's cells within that hour."""
    wanted = cases * BUSIEST_HOUR * cells / 3600
    return max(1, math.ceil(wanted / (rate * LOAD)))


def web_replicas(cases: int, *, cells: int) -> int:
    """Pods that have computed the busiest hour's answers within that hour."""
    of_a_case = PAGES * CASE_PAGE_SECONDS + cells * (PHOTO_SECONDS + CORRECTED * CORRECTION_SECONDS)
    wanted = cases * BUSIEST_HOUR * of_a_case / 3600
    return max(LEAST_WEB, math.ceil(wanted / (PROCESSES_OF_A_POD * LOAD)))


def table(*, cells: int = CELLS, gpu_rate: float | None = None) -> list[str]:
    """Lines of a Markdown table."""
    head = ["cases a day", "web pods", "CPU workers of two cores"]
    if gpu_rate:
        head.append(f"GPU workers at {gpu_rate:g} cells/s")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for cases in DAYS:
        row = [
            cases,
            web_replicas(cases, cells=cells),
            worker_replicas(cases, cells=cells, rate=CPU_CELLS_PER_SECOND),
        ]
        if gpu_rate:
            row.append(worker_replicas(cases, cells=cells, rate=gpu_rate))
        lines.append("| " + " | ".join(f"{each:,}" for each in row) + " |")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=CELLS, help="cells of a case")
    parser.add_argument(
        "--gpu-cells-per-second",
        type=float,
        help="images_per_second of `python -m ml benchmark --json` on your GPU; none is assumed",
    )
    given = parser.parse_args()
    print("\n".join(table(cells=given.cells, gpu_rate=given.gpu_cells_per_second)))


if __name__ == "__main__":
    main()
