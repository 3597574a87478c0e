"""The report of an evaluation: figures, and the worst disagreements as pictures for a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from ml.data import open_picture
from ml.detection.fields import CLASSES
from ml.plots import draw_contact_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ml.detection.decoding import Found
    from ml.detection.evaluation import Answers, Disagreement

SHOWN = 20
SHEET = "disagreements.png"
# Okabe and Ito's colours, told apart with every kind of colour vision.
FOUND, ANNOTATED, AT_ISSUE = (213, 94, 0), (0, 114, 178), (0, 158, 115)
SHOWN_SCORE = 0.2  # weaker boxes would only clutter the pictures
SIDE = 360  # of a picture on the sheet, in pixels


def write_report(
    figures: dict[str, Any], answers: Answers, worst: Sequence[Disagreement], folder: Path
) -> None:
    """Write ``report.md``, ``report.json`` and the sheet of disagreements.

    Args:
        figures: of :func:`ml.detection.evaluation.evaluate_fields`, with name and data.
        answers: what they were measured on.
        worst: of :func:`ml.detection.evaluation.disagreements`, the surest first.
        folder: is made when missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = surest_of_each_kind(worst)
    draw_disagreements(shown, answers, folder / SHEET)
    listed = [listing(number, item) for number, item in enumerate(shown, 1)]
    (folder / "report.json").write_text(
        json.dumps({**figures, "worst": listed}, indent=2) + "\n", encoding="utf-8"
    )
    (folder / "report.md").write_text(text_of(figures, listed), encoding="utf-8")


def surest_of_each_kind(worst: Sequence[Disagreement]) -> list[Disagreement]:
    """Return the surest disagreements, half of them extra cells and half missed ones.

    Scores of cells that nobody annotated and of cells that were missed do not compare: on one list,
    one kind would push the other off. When a kind has too few, the other fills the list.
    """
    extra = [item for item in worst if item.kind == "extra"]
    missed = [item for item in worst if item.kind == "missed"]
    half = SHOWN // 2
    return extra[: max(half, SHOWN - len(missed))] + missed[: max(half, SHOWN - len(extra))]


def listing(number: int, item: Disagreement) -> dict[str, Any]:
    """Return one disagreement as JSON values."""
    left, top, right, bottom = (round(float(value), 1) for value in item.box)
    return {
        "number": number,
        "field": item.field.path.name,
        "class": CLASSES[item.label],
        "kind": item.kind,
        "weight": round(item.weight, 3),
        "overlap": round(item.overlap, 3),
        "box": [left, top, right, bottom],
    }


def text_of(figures: dict[str, Any], listed: Sequence[dict[str, Any]]) -> str:
    """Return the report as Markdown."""
    lines = [
        f"# {figures['detector']} on {figures['data']}",
        "",
        f"{figures['n']} fields, mAP50 {figures['map50']:.4f}. {figures['definition']}.",
        "",
        "| class | n | AP50 | precision | recall | F1 | count error |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for code, item in figures["per_class"].items():
        values = (item[name] for name in ("ap50", "precision", "recall", "f1", "count_error"))
        cells = " | ".join("none" if value is None else f"{value:.4f}" for value in values)
        lines.append(f"| {code} | {item['n']} | {cells} |")
    lines += [
        "",
        f"## The {len(listed)} worst of {figures['disagreements']} disagreements",
        "",
        "An *extra* cell was found with this score and is not annotated; a *missed* one is "
        "annotated and got a score of at most 1 minus this weight. Overlap: with the nearest box "
        "of its class on the other side.",
        "",
        f"![Green: the cell at issue; orange: found; blue: annotated]({SHEET})",
        "",
        "| no. | field | class | kind | weight | overlap | box |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for item in listed:
        box = ", ".join(f"{value:.0f}" for value in item["box"])
        lines.append(
            f"| {item['number']} | {item['field']} | {item['class']} | {item['kind']} "
            f"| {item['weight']:.2f} | {item['overlap']:.2f} | {box} |"
        )
    return "\n".join(lines) + "\n"


def draw_disagreements(shown: Sequence[Disagreement], answers: Answers, path: Path) -> None:
    """Draw disagreements with their surroundings: found, annotated, and the cell at issue."""
    by_path = {
        field.path: found for field, found in zip(answers.fields, answers.found, strict=True)
    }
    pictures = [surroundings(item, by_path[item.field.path]) for item in shown]
    captions = [
        f"{number}: {CLASSES[item.label]}, {item.kind} {item.weight:.2f}\n{item.field.path.name}"
        for number, item in enumerate(shown, 1)
    ]
    draw_contact_sheet(pictures, captions, path, columns=5, side=SIDE)


def surroundings(item: Disagreement, found: Found) -> Image.Image:
    """Cut the square of three times the cell's longer side around it, with boxes of its class."""
    picture = open_picture(item.field.path)
    left, top, right, bottom = (float(value) for value in item.box)
    half = max(right - left, bottom - top, 40.0) * 1.5
    x, y = (left + right) / 2, (top + bottom) / 2
    factor = SIDE / (2 * half)
    cut = picture.transform(
        (SIDE, SIDE),
        Image.Transform.AFFINE,
        (1 / factor, 0, x - half, 0, 1 / factor, y - half),
        Image.Resampling.BILINEAR,
        fillcolor=(255, 255, 255),
    )
    draw = ImageDraw.Draw(cut)

    def outline(box: Any, colour: tuple[int, int, int], width: int) -> None:
        corners = (np.asarray(box) - [x - half, y - half] * 2) * factor
        draw.rectangle([float(value) for value in corners], outline=colour, width=width)

    for box in found.boxes[(found.labels == item.label) & (found.scores >= SHOWN_SCORE)]:
        outline(box, FOUND, 2)
    for box in item.field.boxes[item.field.labels == item.label]:
        outline(box, ANNOTATED, 2)
    outline(item.box, AT_ISSUE, 5)
    return cut
