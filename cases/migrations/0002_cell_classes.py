"""The classes every laboratory starts with: eight the model predicts, five for reviewers."""

from __future__ import annotations

from typing import Any

from django.db import migrations

# Colours: distinguishable with any colour vision; from Paul Tol's qualitative schemes (2021).
CLASSES = [
    # code, group, colour, counted, predicted, English, Spanish, what it is (English, Spanish)
    ("neutrophil", "leukocyte", "#4477AA", True, True, "Neutrophil", "Neutrófilo",
     "Segmented or band granulocyte with fine, pale granules.",
     "Granulocito segmentado o en banda con gránulos finos y pálidos."),
    ("eosinophil", "leukocyte", "#EE6677", True, True, "Eosinophil", "Eosinófilo",
     "Granulocyte with large orange-red granules, usually a bilobed nucleus.",
     "Granulocito con gránulos grandes anaranjados, núcleo habitualmente bilobulado."),
    ("basophil", "leukocyte", "#332288", True, True, "Basophil", "Basófilo",
     "Granulocyte with coarse dark granules that hide the nucleus.",
     "Granulocito con gránulos gruesos y oscuros que ocultan el núcleo."),
    ("lymphocyte", "leukocyte", "#228833", True, True, "Lymphocyte", "Linfocito",
     "Mononuclear cell with condensed chromatin and scant to moderate cytoplasm.",
     "Célula mononuclear con cromatina condensada y citoplasma escaso o moderado."),
    ("monocyte", "leukocyte", "#CCBB44", True, True, "Monocyte", "Monocito",
     "Large cell with a folded nucleus and grey-blue, often vacuolated cytoplasm.",
     "Célula grande con núcleo plegado y citoplasma gris azulado, a menudo vacuolado."),
    ("ig", "leukocyte", "#66CCEE", True, True, "Immature granulocyte", "Granulocito inmaduro",
     "Promyelocyte, myelocyte or metamyelocyte.",
     "Promielocito, mielocito o metamielocito."),
    ("erythroblast", "erythroblast", "#AA3377", False, True, "Erythroblast", "Eritroblasto",
     "Nucleated red cell (nRBC), reported per 100 leukocytes.",
     "Glóbulo rojo nucleado (NRBC), se informa por cada 100 leucocitos."),
    ("platelet", "platelet", "#BBBBBB", False, True, "Platelet", "Plaqueta",
     "Small anucleate fragment with purple granules.",
     "Fragmento pequeño sin núcleo con gránulos púrpura."),
    ("blast", "review", "#882255", False, False, "Blast", "Blasto",
     "Immature cell with fine chromatin and nucleoli. The model does not know this class.",
     "Célula inmadura con cromatina fina y nucléolos. El modelo no conoce esta clase."),
    ("smudge", "review", "#999933", False, False, "Smudge cell", "Sombra de Gumprecht",
     "Ruptured cell, only a smeared nucleus is left. The model does not know this class.",
     "Célula rota de la que solo queda el núcleo extendido. El modelo no conoce esta clase."),
    ("artefact", "review", "#DDCC77", False, False, "Artefact", "Artefacto",
     "Stain deposit, dirt or another thing that is no cell.",
     "Depósito de colorante, suciedad u otra cosa que no es una célula."),
    ("other", "review", "#44AA99", False, False, "Other cell", "Otra célula",
     "A cell none of the other classes names; say which in the comment.",
     "Una célula que ninguna otra clase nombra; indique cuál en el comentario."),
    ("unidentified", "review", "#777777", False, False, "Unidentified", "No identificada",
     "A cell that cannot be named with certainty.",
     "Una célula que no se puede nombrar con certeza."),
]  # fmt: skip


def add(apps: Any, schema_editor: Any) -> None:
    cell_class = apps.get_model("cases", "CellClass")
    for order, (code, group, color, counted, predicted, en, es, about_en, about_es) in enumerate(
        CLASSES, start=1
    ):
        cell_class.objects.update_or_create(
            code=code,
            defaults={
                "group": group,
                "color": color,
                "counted": counted,
                "predicted": predicted,
                "order": order,
                "name": en,
                "name_en": en,
                "name_es": es,
                "description": about_en,
                "description_en": about_en,
                "description_es": about_es,
            },
        )


class Migration(migrations.Migration):
    dependencies = [("cases", "0001_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
