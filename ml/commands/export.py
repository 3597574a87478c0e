"""Write a model bundle from trained weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.architectures import HEADS
from ml.bundle import Manifest, write_bundle
from ml.preprocessing import PREPROCESSING_VERSION

if TYPE_CHECKING:
    import argparse
    import os

    from numpy.typing import NDArray

HELP = "write a model bundle from an .npz file of weights"
PBC_CLASSES = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
PBC_LICENCE = (
    "CC BY 4.0: Acevedo A., Merino A., Alférez S., Molina Á., Boldú L., Rodellar J. (2020), "
    "A dataset for microscopic peripheral blood cell images for development of automatic "
    "recognition systems, Mendeley Data V1, doi 10.17632/snkd93bnjr.1"
)


def read_npz(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read ``LAYER/kernel`` and ``LAYER/bias`` arrays; pickled objects are refused.

    Raises:
        OSError, ValueError: when the file is missing, is no .npz, or holds pickled objects.
    """
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--weights", type=Path, required=True, help=".npz of LAYER/kernel, LAYER/bias"
    )
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--name", help="of this version (default: the folder's name)")
    parser.add_argument("--head", choices=HEADS, default="gap")
    parser.add_argument(
        "--classes", nargs="+", default=list(PBC_CLASSES), help="in the logits' order"
    )
    parser.add_argument("--input-size", type=int, default=160, help="pixels (default: %(default)s)")
    parser.add_argument("--crop", type=float, default=0.75, help="(default: %(default)s)")
    parser.add_argument("--temperature", type=float, default=1.0, help="(default: %(default)s)")
    parser.add_argument(
        "--review-threshold", type=float, default=0.8, help="confidence (default: %(default)s)"
    )
    parser.add_argument("--data-licence", default=PBC_LICENCE, help="of the training data")
    parser.add_argument("--training", default="", help="where the weights come from, in words")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle standing there")


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle and print its hash."""
    manifest = write_bundle(
        arguments.out,
        Manifest(
            name=arguments.name or arguments.out.resolve().name,
            architecture="vgg19",
            head=arguments.head,
            classes=tuple(arguments.classes),
            input_size=arguments.input_size,
            crop=arguments.crop,
            preprocessing_version=PREPROCESSING_VERSION,
            temperature=arguments.temperature,
            review_threshold=arguments.review_threshold,
            data_licence=arguments.data_licence,
            training={"summary": arguments.training} if arguments.training else {},
        ),
        read_npz(arguments.weights),
        overwrite=arguments.overwrite,
    )
    print(f"{arguments.out}: {manifest.weights_sha256}")
    return 0
