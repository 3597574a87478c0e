"""Arguments that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.device import PRECISIONS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from ml.predictor import Predictor

DEFAULT_BUNDLE = Path(__file__).resolve().parents[1] / "bundles" / "vgg19-pbc"
DEFAULT_DETECTOR = DEFAULT_BUNDLE.with_name("detect-bccd")


def add_predictor_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the bundle, the batch size and the precision."""
    parser.add_argument(
        "--bundle",
        type=Path,
        default=DEFAULT_BUNDLE,
        help="folder of model.json and weights.safetensors (default: the shipped one)",
    )
    parser.add_argument(
        "--batch", type=int, default=16, help="pictures in one forward pass (default: %(default)s)"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="auto: float32 on a CPU, mixed float16 on a GPU (default: %(default)s)",
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --json: the last line is one JSON object anyway, FILE gets it as well."""
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the result to this file as well"
    )


def finish(content: Mapping[str, Any], file: Path | None) -> None:
    """Print the result as one JSON object on the last line, and write it where asked.

    Raises:
        ValueError: for a number JSON does not know.
        OSError: when the file cannot be written.
    """
    text = json.dumps(content, allow_nan=False)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")
    print(text)


def load_predictor(arguments: argparse.Namespace) -> Predictor:
    """Load the bundle the arguments name.

    Raises:
        ml.bundle.BundleError: when it cannot be used.
        ValueError: when the batch size is below one.
    """
    from ml.predictor import Predictor

    return Predictor(arguments.bundle, precision=arguments.precision, batch_size=arguments.batch)
