"""Write a model bundle from a training run or a file of weights.

SOURCE is a folder that `train` made, whose run.json says the head, the input size and the rest,
or an .npz file of LAYER/kernel and LAYER/bias, described by the options. The bundle gets a model
card in English and Spanish (README.md, README.es.md) that holds only figures that were measured:
run `calibrate`, `unfamiliar`, `evaluate`, `faithfulness` and then `card`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.architectures import HEADS
from ml.bundle import write_bundle
from ml.commands.arguments import add_json_argument, finish
from ml.manifest import Manifest
from ml.preprocessing import PREPROCESSING_VERSIONS, TRAINING_FORM

if TYPE_CHECKING:
    import argparse

# Chosen on validation: docs/decisions/0016-second-look.md.
SECOND_LOOK = 0.7

HELP = "write a model bundle from a training run or an .npz file"
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


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SOURCE", type=Path, help="a run's folder, or an .npz")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--name", help="of this version (default: the folder's name)")
    parser.add_argument("--head", choices=HEADS, help="(default: the run's, or gap)")
    parser.add_argument(
        "--classes", nargs="+", help="in the logits' order (default: the run's, or PBC's eight)"
    )
    parser.add_argument("--input-size", type=int, help="pixels (default: the run's, or 160)")
    parser.add_argument("--crop", type=float, help="(default: the run's, or 0.75)")
    parser.add_argument(
        "--preprocessing-version",
        choices=PREPROCESSING_VERSIONS,
        help=f"(default: the run's, or {TRAINING_FORM})",
    )
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="until `calibrate` (default: %(default)s)"
    )
    parser.add_argument(
        "--review-threshold",
        type=float,
        default=1.0,
        help="until `calibrate` (default: %(default)s, every cell needs a reviewer)",
    )
    parser.add_argument(
        "--second-look",
        type=float,
        default=SECOND_LOOK,
        help="pictures of a lower highest softmax are looked at in four positions; 0 for none "
        "(default: %(default)s)",
    )
    parser.add_argument("--data-licence", default=PBC_LICENCE, help="of the training data")
    parser.add_argument(
        "--provenance",
        type=Path,
        metavar="FILE",
        help="JSON object: where the weights come from and how they were trained",
    )
    add_json_argument(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle standing there")


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle and its card; the last line is one JSON object.

    Raises:
        ValueError: when the source or the provenance cannot be used.
    """
    from ml.card import write_card
    from ml.initial_weights import read_weights

    described, training = _described(arguments.source)
    if arguments.provenance:
        provenance = json.loads(arguments.provenance.read_text(encoding="utf-8"))
        if not isinstance(provenance, dict):
            raise ValueError(f"{arguments.provenance}: the provenance must be a JSON object")
        training = {**training, **provenance}
    for name in ("head", "classes", "input_size", "crop", "preprocessing_version"):
        if getattr(arguments, name) is not None:
            described[name] = getattr(arguments, name)
    manifest = write_bundle(
        arguments.out,
        Manifest(
            name=arguments.name or arguments.out.resolve().name,
            architecture="vgg19",
            head=described["head"],
            classes=tuple(described["classes"]),
            input_size=described["input_size"],
            crop=described["crop"],
            preprocessing_version=described["preprocessing_version"],
            preprocessing=PREPROCESSING_VERSIONS[described["preprocessing_version"]],
            temperature=arguments.temperature,
            review_threshold=arguments.review_threshold,
            data_licence=arguments.data_licence,
            second_look=arguments.second_look,
            training=training,
        ),
        read_weights(arguments.source),
        overwrite=arguments.overwrite,
    )
    write_card(arguments.out)
    report = {
        "bundle": str(arguments.out),
        "name": manifest.name,
        "weights_sha256": manifest.weights_sha256,
    }
    finish(report, arguments.json)
    return 0


def _described(source: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the network's description and the training's, from the run or by default."""
    from ml.training import read_run

    if not source.is_dir():
        standing = {"head": "gap", "classes": PBC_CLASSES, "input_size": 160, "crop": 0.75}
        return {**standing, "preprocessing_version": TRAINING_FORM}, {}
    recipe, content = read_run(source)
    described = {
        "head": recipe.head,
        "classes": content["classes"],
        "input_size": recipe.input_size,
        "crop": recipe.crop,
        "preprocessing_version": recipe.preprocessing_version,
    }
    return described, {key: value for key, value in content.items() if key != "classes"}
