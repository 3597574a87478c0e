"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ml.device import PRECISIONS

if TYPE_CHECKING:
    import argparse

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


def load_predictor(arguments: argparse.Namespace) -> Predictor:
    """Load the bundle the arguments name.

    Raises:
        ml.bundle.BundleError: when it cannot be used.
        ValueError: when the batch size is below one.
    """
    from ml.predictor import Predictor

    return Predictor(arguments.bundle, precision=arguments.precision, batch_size=arguments.batch)
