"""The model card's words in English and Spanish."""

from __future__ import annotations

CLASS_NAMES = {
    "en": {"ig": "immature granulocyte (ig)"},
    "es": {
        "basophil": "basófilo",
        "eosinophil": "eosinófilo",
        "erythroblast": "eritroblasto",
        "ig": "granulocito inmaduro (ig)",
        "lymphocyte": "linfocito",
        "monocyte": "monocito",
        "neutrophil": "neutrófilo",
        "platelet": "plaqueta",
    },
}
KINDS = {
    "en": {},
    "es": {
        "test cells": "células de prueba",
        "red-cell background": "fondo de hematíes",
        "blank": "superficies vacías",
        "noise": "ruido",
        "text": "texto",
        "photographs": "fotografías",
        "foreign, all kinds": "ajenas, todas",
        "white cells of BCCD": "leucocitos de BCCD (otro laboratorio)",
    },
}

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "other_language": "[Tarjeta en español](README.es.md)",
        "use_title": "Intended use",
        "use": (
            "Decision support for a trained reader of blood smears: the model suggests the class "
            "of a picture of one stained cell, explains it with a heatmap, and says when it needs "
            "a reviewer. It is never a diagnosis, and no result leaves the laboratory without a "
            "person having looked at it. It is not a medical device."
        ),
        "network_title": "The network",
        "network": (
            "{architecture} with the head `{head}`, {size} x {size} pixels of the central "
            "{crop:.0%} of the picture, {count} classes: {classes}. Weights SHA-256 `{sha}`."
        ),
        "measured_title": "Measured",
        "not_measured": "Nothing has been measured for this bundle yet.",
        "headline": (
            "On the {n} pictures of `{data}`: accuracy **{accuracy}** (95 % interval "
            "{interval}), balanced accuracy **{balanced}**, macro-F1 **{f1}**, expected "
            "calibration error **{ece}** after temperature scaling ({ece_before} before; {bins} "
            "bins of equal width, Guo et al., 2017)."
        ),
        "selective": (
            "Review threshold {threshold}: {coverage} of the cells lie at or above it, with "
            "{errors} errors among {cells} (right {accuracy}, 95 % interval {interval})."
        ),
        "flagged": "Test cells called unfamiliar: {share} ({flagged} of {n}).",
        "class_table": "| Class | n | Recall (95 %) | Precision (95 %) |",
        "confusion_alt": "Confusion matrix",
        "reliability_alt": "Reliability diagram",
        "risk_alt": "Risk against coverage",
        "curves_alt": "Training curves",
        "sheet_alt": "Misclassified test pictures, the most confident first",
        "risk_table": "| Cells kept | n | Least confidence | Errors |",
        "subtype_title": "Errors by sub-type",
        "subtype_table": "| Sub-type (class/file prefix) | n | Errors (95 %) | Taken for |",
        "calibration_title": "Calibration",
        "calibration": (
            "On {n} validation pictures: temperature {temperature} of least negative "
            "log-likelihood. Review threshold {threshold}: the lowest confidence such that "
            "(errors + 1) / (cells + 1), among the validation cells at or above it, is at most "
            "{allowed}; {coverage} of them lie there, with {errors} errors."
        ),
        "unfamiliar_title": "Unfamiliar pictures",
        "unfamiliar": (
            "Score `{method}`, threshold at {allowed} false flags on validation. Share flagged:"
        ),
        "unfamiliar_table": "| Pictures | n | Flagged (95 %) | Median confidence |",
        "faithful_title": "Heatmaps",
        "energy_table": "| Energy in the cell | Grad-CAM | Uniform | Centred Gaussian | n |",
        "energy": "centred, as they are",
        "energy_shifted": "shifted by up to a quarter",
        "curve_table": "| Curves ({n} pictures) | Deletion (low) | Insertion (high) |",
        "gradcam": "Grad-CAM",
        "uniform": "uniform (random order)",
        "gaussian": "centred Gaussian",
        "randomised": (
            "Rank correlation with the maps of randomised weights: {values}. The nearer to zero, "
            "the more the maps depend on what was learnt."
        ),
        "provenance_title": "Where it comes from",
        "licence": "Training data: {licence}.",
        "limits_title": "Limits",
        "limits": (
            "- It knows eight classes. Blasts, smudge cells, artefacts, parasites, plasma cells "
            "and atypical lymphocytes have no class of their own: it gives such a cell one of the "
            "eight, at times with confidence.\n"
            "- One laboratory, one stain (May-Gruenwald-Giemsa), one scanner (CellaVision DM96, "
            "Barcelona). Confidence and threshold were fitted there and do not carry over to "
            "another laboratory without being measured again.\n"
            "- Training and test pictures come from the same laboratory, and files do not say "
            "which come from the same patient: the figures above are for that laboratory's "
            "pictures and may flatter.\n"
            "- One centred cell per picture; two cells in the view are given one answer."
        ),
    },
    "es": {
        "other_language": "[Card in English](README.md)",
        "use_title": "Uso previsto",
        "use": (
            "Apoyo a la decisión de una persona formada en la lectura de frotis de sangre: el "
            "modelo propone la clase de una imagen de una sola célula teñida, la explica con un "
            "mapa de calor e indica cuándo hace falta revisarla. Nunca es un diagnóstico, y ningún "
            "resultado sale del laboratorio sin que alguien lo haya mirado. No es un producto "
            "sanitario."
        ),
        "network_title": "La red",
        "network": (
            "{architecture} con la cabeza `{head}`, {size} x {size} píxeles del {crop:.0%} central "
            "de la imagen, {count} clases: {classes}. SHA-256 de los pesos: `{sha}`."
        ),
        "measured_title": "Medido",
        "not_measured": "Todavía no se ha medido nada con este paquete.",
        "headline": (
            "Con las {n} imágenes de `{data}`: exactitud **{accuracy}** "
            "(intervalo del 95 %: {interval}), exactitud equilibrada **{balanced}**, macro-F1 "
            "**{f1}**, error de calibración esperado **{ece}** tras ajustar la temperatura "
            "({ece_before} antes; {bins} intervalos de igual anchura, Guo et al., 2017)."
        ),
        "selective": (
            "Umbral de revisión {threshold}: lo alcanza el {coverage} de las células, con {errors} "
            "errores entre {cells} (aciertos {accuracy}, intervalo del 95 %: {interval})."
        ),
        "flagged": "Células de prueba señaladas como ajenas: {share} ({flagged} de {n}).",
        "class_table": "| Clase | n | Sensibilidad (95 %) | Precisión (95 %) |",
        "confusion_alt": "Matriz de confusión",
        "reliability_alt": "Diagrama de fiabilidad",
        "risk_alt": "Riesgo según la cobertura",
        "curves_alt": "Curvas de entrenamiento",
        "sheet_alt": "Imágenes de prueba mal clasificadas, primero las de mayor confianza",
        "risk_table": "| Células conservadas | n | Confianza mínima | Errores |",
        "subtype_title": "Errores por subtipo",
        "subtype_table": "| Subtipo (clase/prefijo) | n | Errores (95 %) | Tomado por |",
        "calibration_title": "Calibración",
        "calibration": (
            "Con {n} imágenes de validación: temperatura {temperature}, la de menor "
            "log-verosimilitud negativa. Umbral de revisión {threshold}: la confianza más baja tal "
            "que (errores + 1) / (células + 1), entre las células de validación que la alcanzan, "
            "no pasa de {allowed}; la alcanza el {coverage}, con {errors} errores."
        ),
        "unfamiliar_title": "Imágenes ajenas",
        "unfamiliar": (
            "Puntuación `{method}`, umbral en {allowed} de falsas señales en validación. "
            "Proporción señalada:"
        ),
        "unfamiliar_table": "| Imágenes | n | Señaladas (95 %) | Confianza mediana |",
        "faithful_title": "Mapas de calor",
        "energy_table": "| Energía en la célula | Grad-CAM | Uniforme | Gaussiana centrada | n |",
        "energy": "centradas, tal cual",
        "energy_shifted": "desplazadas hasta un cuarto",
        "curve_table": "| Curvas ({n} imágenes) | Borrado (mejor bajo) | Inserción (mejor alta) |",
        "gradcam": "Grad-CAM",
        "uniform": "uniforme (orden al azar)",
        "gaussian": "gaussiana centrada",
        "randomised": (
            "Correlación de rangos con los mapas de pesos al azar: {values}. Cuanto más cerca de "
            "cero, más dependen los mapas de lo aprendido."
        ),
        "provenance_title": "Procedencia",
        "licence": "Datos de entrenamiento: {licence}.",
        "limits_title": "Límites",
        "limits": (
            "- Conoce ocho clases. Los blastos, las sombras nucleares, los artefactos, los "
            "parásitos, las células plasmáticas y los linfocitos atípicos no tienen clase propia: "
            "da a esas células una de las ocho, a veces con confianza.\n"
            "- Un laboratorio, una tinción (May-Gruenwald-Giemsa), un escáner (CellaVision DM96, "
            "Barcelona). La confianza y el umbral se ajustaron allí y no valen para otro "
            "laboratorio sin volver a medirlos.\n"
            "- Las imágenes de entrenamiento y de prueba son del mismo laboratorio y los archivos "
            "no dicen cuáles son del mismo paciente: las cifras valen para las imágenes de ese "
            "laboratorio y pueden ser optimistas.\n"
            "- Una célula centrada por imagen; si hay dos a la vista, la respuesta es una sola."
        ),
    },
}
PARTS = {
    "en": {},
    "es": {
        "dense layer": "capa densa",
        "dense layer and block 5": "capa densa y bloque 5",
        "all layers": "todas las capas",
    },
}
