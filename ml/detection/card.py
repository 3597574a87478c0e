"""A detector's card, README.md in English and README.es.md in Spanish, from its manifest."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.detection.manifest import read_detector_manifest
from ml.detection.report import SHEET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml.detection.manifest import DetectorManifest

CARD_NAMES = {"en": "README.md", "es": "README.es.md"}
CLASS_WORDS = {
    "en": {"rbc": "red cell", "wbc": "white cell", "platelet": "platelet"},
    "es": {"rbc": "hematíe", "wbc": "leucocito", "platelet": "plaqueta"},
}
WORDS = {
    "en": {
        "other": "[Tarjeta en español](README.es.md)",
        "use": (
            "## Intended use\n\nFinds white cells, red cells and platelets on fields of stained "
            "blood smears, with a box and a score each, so that a trained reader can check, "
            "number, "
            "classify and count them. Decision support, never a diagnosis; not a medical device."
        ),
        "network": (
            "## The network\n\nA residual encoder and decoder with maps of centres and box sides "
            "at "
            "a quarter of its input (after CenterNet and TTFNet), {parameters} weights, input at "
            "{scale} of the image's size{mirrored}. Weights SHA-256 `{sha}`."
        ),
        "mirrored": ", answers averaged over the four mirrorings",
        "settings": "| class | threshold | largest overlap of two cells | usual diameter (px) |",
        "settings_text": (
            "Thresholds and overlaps were chosen on {held} fields held out of the training list; "
            "diameters are medians of the whole annotated cells, in pixels of the training fields."
        ),
        "measured": (
            "## Measured\n\nOn {n} fields ({data}): mAP50 **{map50}**. {definition}. "
            "{seconds} s per field (median), {device}."
        ),
        "none": "## Measured\n\nNothing has been measured for this bundle yet.",
        "table": (
            "| class | cells | AP50 | precision (95 %) | recall (95 %) | F1 | count error "
            "| count bias |"
        ),
        "counting": (
            "Precision, recall and counts are those at the thresholds. Count error: mean absolute "
            "difference per field over the mean annotated count; averaged over each field's own "
            "relative error, that of red cells is {per_field}."
        ),
        "sheet": (
            "### The worst disagreements\n\nMany are cells that nobody annotated: a person must "
            "judge. Green: the cell at issue; orange: found; blue: annotated.\n\n"
            "![The worst disagreements]({sheet})"
        ),
        "provenance": "## Data and training\n\n{licence}.",
        "limits": (
            "## Limits\n\n"
            "- Trained on one collection of {fields} fields of 640 x 480 pixels, one magnification "
            "and one camera. Other stains and cameras must be tried before use; other "
            "magnifications "
            "need their zoom (micrometres per pixel, or measured by the red cells).\n"
            "- Annotators left out red cells and platelets, above all at the borders; the detector "
            "learnt from them, and scores there are lower.\n"
            "- Red cells in thick parts and rouleaux lie upon each other; there the count is least "
            "sure.\n"
            "- It knows three classes: smudge cells, stain deposits and parasites are not among "
            "them and may be taken for one.\n"
            "- Figures are those of fields of the same collection; nothing was measured on another "
            "laboratory's."
        ),
    },
    "es": {
        "other": "[Card in English](README.md)",
        "use": (
            "## Uso previsto\n\nEncuentra leucocitos, hematíes y plaquetas en campos de frotis "
            "sanguíneos teñidos, cada uno con su caja y su puntuación, para que una persona "
            "formada "
            "los compruebe, numere, clasifique y cuente. Ayuda a la decisión, nunca un "
            "diagnóstico; "
            "no es un producto sanitario."
        ),
        "network": (
            "## La red\n\nUn codificador y un decodificador residuales con mapas de centros y de "
            "lados de caja a un cuarto de la entrada (según CenterNet y TTFNet), {parameters} "
            "pesos, "
            "entrada a {scale} del tamaño de la imagen{mirrored}. SHA-256 de los pesos `{sha}`."
        ),
        "mirrored": ", con las respuestas promediadas sobre las cuatro reflexiones",
        "settings": "| clase | umbral | mayor solapamiento de dos células | diámetro usual (px) |",
        "settings_text": (
            "Los umbrales y solapamientos se eligieron en {held} campos apartados de la lista de "
            "entrenamiento; los diámetros son medianas de las células anotadas enteras, en píxeles "
            "de los campos de entrenamiento."
        ),
        "measured": (
            "## Medido\n\nEn {n} campos ({data}): mAP50 **{map50}**. Precisión media según PASCAL "
            "VOC, interpolación en todos los puntos, intersección sobre unión de al menos 0,5. "
            "{seconds} s por campo (mediana), {device}."
        ),
        "none": "## Medido\n\nTodavía no se ha medido nada para este paquete.",
        "table": (
            "| clase | células | AP50 | precisión (95 %) | sensibilidad (95 %) | F1 "
            "| error de recuento | sesgo de recuento |"
        ),
        "counting": (
            "Precisión, sensibilidad y recuentos son los obtenidos con los umbrales. Error de "
            "recuento: diferencia absoluta media por campo entre el recuento anotado medio; "
            "promediando el error relativo de cada campo, el de los hematíes es {per_field}."
        ),
        "sheet": (
            "### Los mayores desacuerdos\n\nMuchos son células que nadie anotó: debe juzgarlo una "
            "persona. Verde: la célula en cuestión; naranja: encontradas; azul: anotadas.\n\n"
            "![Los mayores desacuerdos]({sheet})"
        ),
        "provenance": "## Datos y entrenamiento\n\n{licence}.",
        "limits": (
            "## Límites\n\n"
            "- Entrenado con una sola colección de {fields} campos de 640 x 480 píxeles, un solo "
            "aumento y una sola cámara. Otras tinciones y cámaras deben probarse antes de usarlo; "
            "otros aumentos necesitan su escala (micrómetros por píxel, o medida por los "
            "hematíes).\n"
            "- Los anotadores omitieron hematíes y plaquetas, sobre todo en los bordes; el "
            "detector "
            "aprendió de ellos, y allí las puntuaciones son más bajas.\n"
            "- En zonas gruesas y en rouleaux los hematíes se superponen; allí el recuento es "
            "menos "
            "seguro.\n"
            "- Conoce tres clases: sombras nucleares, depósitos de colorante y parásitos no están "
            "entre ellas y pueden tomarse por una.\n"
            "- Las cifras son de campos de la misma colección; nada se midió con los de otro "
            "laboratorio."
        ),
    },
}


def write_detector_card(bundle: str | os.PathLike[str]) -> list[Path]:
    """Write both cards of a detector's bundle.

    Raises:
        ml.manifest.BundleError: when the manifest cannot be read.
    """
    folder = Path(bundle)
    manifest = read_detector_manifest(folder)
    written = []
    for language, name in CARD_NAMES.items():
        draft = folder / f".{name}.draft"
        draft.write_text(
            card_text(manifest, language, sheet=(folder / SHEET).exists()), encoding="utf-8"
        )
        draft.replace(folder / name)
        written.append(folder / name)
    return written


def card_text(manifest: DetectorManifest, language: str, *, sheet: bool) -> str:
    """Return a card as Markdown.

    Args:
        manifest: of the bundle.
        language: ``en`` or ``es``.
        sheet: whether the sheet of disagreements lies in the bundle.
    """
    from ml.detection.network import weight_shapes

    words, names = WORDS[language], CLASS_WORDS[language]
    shapes = weight_shapes(manifest.widths, classes=len(manifest.classes)).values()
    count = sum(math.prod(shape) for shape in shapes)
    training = manifest.training
    blocks = [
        f"# {manifest.name}",
        words["other"],
        words["use"],
        words["network"].format(
            parameters=f"{_number(count / 1e6, language, 2)} M",
            scale=_number(manifest.input_scale, language, 2),
            mirrored=words["mirrored"] if manifest.mirrored else "",
            sha=manifest.weights_sha256,
        ),
        words["settings_text"].format(held=training.get("held_out_fields", "?")),
        _table(
            words["settings"],
            [
                (
                    names.get(code, code),
                    _number(manifest.thresholds[code], language, 3),
                    _number(manifest.overlap_limits[code], language, 2),
                    _number(manifest.typical_diameters[code], language, 1),
                )
                for code in manifest.classes
            ],
        ),
    ]
    if figures := manifest.metrics.get("evaluation"):
        blocks += _measured(figures, language)
        if sheet:
            blocks.append(words["sheet"].format(sheet=SHEET))
    else:
        blocks.append(words["none"])
    blocks.append(words["provenance"].format(licence=manifest.data_licence.rstrip(".")))
    if training:
        blocks.append(
            "\n".join(
                f"- {name.replace('_', ' ')}: {_said(value)}"
                for name, value in training.items()
                if name != "recipe"
            )
        )
    blocks.append(words["limits"].format(fields=training.get("fields", "?")))
    return "\n\n".join(blocks) + "\n"


def _measured(figures: Mapping[str, Any], language: str) -> list[str]:
    words, names = WORDS[language], CLASS_WORDS[language]
    rows = []
    for code, item in figures["per_class"].items():
        rows.append(
            (
                names.get(code, code),
                item["n"],
                _number(item["ap50"], language, 4),
                _interval(item, "precision", language),
                _interval(item, "recall", language),
                _number(item["f1"], language, 4),
                _percent(item["count_error"], language),
                _percent(item["count_bias"], language),
            )
        )
    per_field = figures["per_class"].get("rbc", {}).get("count_error_per_field")
    return [
        words["measured"].format(
            n=figures["n"],
            data=figures["data"],
            map50=_number(figures["map50"], language, 4),
            definition=figures["definition"],
            seconds=_number(figures["seconds_per_field"]["median"], language, 2),
            device=figures["device"],
        ),
        _table(words["table"], rows),
        words["counting"].format(per_field=_percent(per_field, language)),
    ]


def _table(header: str, rows: Sequence[tuple[object, ...]]) -> str:
    lines = [header, "|" + " --- |" * (header.count("|") - 1)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{name.replace('_', ' ')} {each:.4f}" if isinstance(each, float) else f"{name} {each}"
            for name, each in value.items()
        )
    return str(value)


def _number(value: float | None, language: str, digits: int) -> str:
    """Return a decimal as the language writes it; a dash for none."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "es" else text


def _percent(value: float | None, language: str) -> str:
    return "–" if value is None else f"{_number(100 * value, language, 1)} %"


def _interval(item: Mapping[str, Any], name: str, language: str) -> str:
    low, high = item[f"{name}_interval"]
    return (
        f"{_percent(item[name], language)} ({_number(100 * low, language, 1)}–"
        f"{_percent(high, language)})"
    )
