"""Name and explain single-cell pictures. Decision support for a trained reader, never a diagnosis.

Prints one line per file: the class and its confidence, or with --json one JSON object with all
probabilities; --json OBJECTS writes those objects, one a line, to a file as well. The exit status
is 1 when a file could not be named; the others are named all the same.

--heatmaps writes FILE.heatmaps.png per picture: a single-channel strip of the class maps at
feature-map resolution, one below the other in the model's order, each scaled to its own maximum,
which --json gives as heatmap_peaks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.commands.arguments import add_predictor_arguments, load_predictor
from ml.data import SUFFIXES

if TYPE_CHECKING:
    import argparse

    from ml.predictor import CellPrediction

HELP = "name and explain single-cell pictures"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="pictures of one cell")
    add_predictor_arguments(parser)
    parser.add_argument("--heatmaps", type=Path, metavar="OUT", help="folder for the heatmaps")
    parser.add_argument(
        "--json",
        nargs="?",
        type=Path,
        const=None,
        default=False,
        metavar="OBJECTS",
        help="print one JSON object per file; with a file's name, write them there as well",
    )


def run(arguments: argparse.Namespace) -> int:
    """Predict and print.

    Raises:
        FileNotFoundError, ValueError: before any work, for files that are missing or whose heatmaps
            would overwrite each other.
    """
    files: list[Path] = arguments.files
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"{file}: there is no such file")
    if arguments.json and arguments.json.suffix.lower() in SUFFIXES:
        raise ValueError(
            f"--json {arguments.json}: that is a picture, which would be written over; put --json "
            "behind the pictures"
        )
    if arguments.heatmaps:
        if len({file.name for file in files}) < len(files):
            raise ValueError("two files of the same name would share one heatmap: run them apart")
        arguments.heatmaps.mkdir(parents=True, exist_ok=True)
    predictor = load_predictor(arguments)
    classes = predictor.manifest.classes
    starts = range(0, len(files), arguments.batch)
    batches = ([file.read_bytes() for file in files[i : i + arguments.batch]] for i in starts)
    status = 0
    remaining = iter(files)
    objects: list[str] = []
    for answers in predictor.predict_stream(batches):
        for answer in answers:
            file = next(remaining)
            peaks: list[float] = []
            if answer.error:
                status = 1
            elif arguments.heatmaps:
                strip, peaks = answer.heatmap_strip()
                (arguments.heatmaps / f"{file.name}.heatmaps.png").write_bytes(strip)
            if arguments.json is not False:
                objects.append(json.dumps(_describe(file, answer, classes, peaks)))
                print(objects[-1])
            elif answer.error:
                print(f"{file}: {answer.error}")
            else:
                note = " unfamiliar" if answer.unfamiliar else ""
                print(f"{file}: {answer.predicted_class} {answer.confidence:.4f}{note}")
    predictor.close()
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text("".join(f"{line}\n" for line in objects), encoding="utf-8")
    return status


def _describe(
    file: Path, answer: CellPrediction, classes: tuple[str, ...], peaks: list[float]
) -> dict[str, Any]:
    if answer.error:
        return {"file": str(file), "error": answer.error}
    description: dict[str, Any] = {
        "file": str(file),
        "predicted_class": answer.predicted_class,
        "confidence": answer.confidence,
        "unfamiliar": answer.unfamiliar,
        "probabilities": dict(zip(classes, answer.probabilities.tolist(), strict=True)),
    }
    if peaks:
        description["heatmap_peaks"] = dict(zip(classes, peaks, strict=True))
    return description
