"""Divide a folder of class folders into train, validation and test parts.

Second copies of the same bytes are left out, and so are files that do not open and pictures that
lie under two labels; DST/dropped.csv lists each with its reason. The division is stratified and
the same on every machine. With --link, symbolic links are made instead of copies:
`--ratio 0.9 0.1 --link` makes a folder of exactly the pictures that `train` holds out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ml.commands.arguments import add_json_argument, finish

if TYPE_CHECKING:
    import argparse

HELP = "divide a folder of class folders into train, validation and test"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SRC", type=Path, help="one sub-folder per class")
    parser.add_argument("target", metavar="DST", type=Path, help="the folder to make")
    parser.add_argument(
        "--ratio",
        nargs="+",
        type=float,
        default=[0.8, 0.1, 0.1],
        metavar="SHARE",
        help="train, validation and test; two shares make no test part (default: 0.8 0.1 0.1)",
    )
    parser.add_argument("--seed", type=int, default=42, help="(default: %(default)s)")
    parser.add_argument("--link", action="store_true", help="symbolic links instead of copies")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Divide and write; the last line is one JSON object with the counts."""
    from ml.splitting import DROPPED_NAME, split, write_split

    result = split(arguments.source, ratio=arguments.ratio, seed=arguments.seed)
    write_split(arguments.source, arguments.target, result, link=arguments.link)
    for item in result.dropped:
        print(f"dropped {item.path}: {item.reason} ({item.detail})")
    report = {
        "counts": result.counts(),
        "dropped": len(result.dropped),
        "dropped_list": str(arguments.target / DROPPED_NAME),
        "seed": arguments.seed,
    }
    finish(report, arguments.json)
    return 0
