"""``python -m ml COMMAND``: the model's side on the command line."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING

from ml.bundle import BundleError
from ml.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with every registered command."""
    parser = argparse.ArgumentParser(
        prog="python -m ml",
        description="Train, judge, pack and run the cell classifier. "
        "Decision support for a trained reader, never a diagnosis.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"ml.commands.{name}")
        subparser = subparsers.add_parser(
            name.replace("_", "-"),
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 for success, 1 when a file could not be used.
    """
    parsed = build_parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
    except (BundleError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
