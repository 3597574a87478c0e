"""Measure serving against the bare forward pass and against the article's way, in one run.

The last line printed is the result; with --json it is one JSON object.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ml.commands.arguments import add_predictor_arguments, finish, load_predictor

if TYPE_CHECKING:
    import argparse

HELP = "measure pictures per second, end to end"
PICTURES = Path(__file__).resolve().parents[2] / "cases" / "demo" / "images"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_predictor_arguments(parser)
    parser.add_argument("--images", type=int, default=32, help="per round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="(default: %(default)s)")
    parser.add_argument(
        "--article-images",
        type=int,
        default=4,
        help="per round, one at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        default=PICTURES,
        help="folder of JPEGs (default: the demonstration's; synthetic ones when it has none)",
    )
    parser.add_argument(
        "--json",
        nargs="?",
        type=Path,
        const=None,
        default=False,
        metavar="FILE",
        help="print one JSON object; with FILE, write it there as well",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    from ml.benchmark import measure, read_pictures

    predictor = load_predictor(arguments)
    result = measure(
        predictor,
        read_pictures(arguments.pictures),
        images=arguments.images,
        rounds=arguments.rounds,
        article_images=arguments.article_images,
    )
    predictor.close()
    if arguments.json is not False:
        finish(asdict(result), arguments.json)
    else:
        print(
            f"{result.device}, {result.input_size} pixels, batch {result.batch}: "
            f"{result.images_per_second:.2f} pictures/s end to end, "
            f"{result.ratio_to_forward:.2f} of the bare forward pass, "
            f"{result.ratio_to_article:.1f} times the article's way"
        )
    return 0
