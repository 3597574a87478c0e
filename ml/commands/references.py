"""Put labelled cells beside a bundle's weights: look-alikes to show, and the test set to project.

TRAIN gives a sample per class, from which the site shows the nearest known cells to a new one;
TEST is kept whole, with what the network says of each cell. Both are stored as embeddings, labels
and one sheet of thumbnails in references.safetensors, whose SHA-256 enters model.json. Run it last:
the embeddings belong to the weights as they are, and a command that changes those drops them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ml.commands.arguments import (
    add_json_argument,
    add_predictor_arguments,
    finish,
    load_predictor,
)

if TYPE_CHECKING:
    import argparse

    from ml.data import LabelledFiles
    from ml.predictor import Predictor
    from ml.references import CellSet

HELP = "put labelled cells beside a bundle's weights, for look-alikes and the projector"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("train", metavar="TRAIN", type=Path, help="one sub-folder per class")
    parser.add_argument("test", metavar="TEST", type=Path, help="the same, for testing only")
    add_predictor_arguments(parser)
    parser.add_argument(
        "--per-class", type=int, default=40, help="most cells of TRAIN (default: %(default)s)"
    )
    parser.add_argument(
        "--side", type=int, default=72, help="thumbnails of TRAIN, pixels (default: %(default)s)"
    )
    parser.add_argument(
        "--test-side", type=int, default=36, help="thumbnails of TEST (default: %(default)s)"
    )
    parser.add_argument("--quality", type=int, default=80, help="of JPEG (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="(default: %(default)s)")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Classify, pack, write; the last line is one JSON object."""
    from ml.data import read_folder
    from ml.references import REFERENCES_NAME, add_references

    predictor = load_predictor(arguments)
    classes = predictor.manifest.classes
    train = read_folder(arguments.train, classes=classes)
    test = read_folder(arguments.test, classes=classes)
    train = train.without({path.resolve() for path in test.paths})
    sample = train.at_most(arguments.per_class, seed=arguments.seed)
    sets = {
        "references": _cells(predictor, sample, arguments.side, arguments.quality),
        "test": _cells(predictor, test, arguments.test_side, arguments.quality),
    }
    predictor.close()
    add_references(
        arguments.bundle, sets, sources=[_words(arguments.train), _words(arguments.test)]
    )
    size = (arguments.bundle / REFERENCES_NAME).stat().st_size
    counts = {name: len(cells) for name, cells in sets.items()}
    right = float((sets["test"].predictions == sets["test"].labels).mean())
    finish({"cells": counts, "test_accuracy": right, "bytes": size}, arguments.json)
    return 0


def _words(folder: Path) -> str:
    """The folder's last two names, which say the data set and its part without anybody's paths."""
    return "/".join(folder.resolve().parts[-2:])


def _cells(predictor: Predictor, files: LabelledFiles, side: int, quality: int) -> CellSet:
    import numpy as np

    from ml.data import open_picture
    from ml.outputs import run_files
    from ml.preprocessing import prepare
    from ml.references import CellSet, draw_atlas

    answers = run_files(predictor, files)
    crop = predictor.manifest.crop
    return CellSet(
        embeddings=answers.embeddings.astype(np.float16),
        labels=files.labels.astype(np.uint8),
        predictions=answers.logits.argmax(axis=1).astype(np.uint8),
        names=tuple(path.name for path in files.paths),
        side=side,
        atlas=draw_atlas(
            (prepare(open_picture(path), size=side, crop=crop) for path in files.paths),
            side=side,
            quality=quality,
        ),
    )
