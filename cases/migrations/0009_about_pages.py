"""Pages of text, and what they say until somebody writes better."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

HELP = (
    "Markdown: a blank line between paragraphs, ## before a heading, - before an item of a "
    "list, **bold**, [words](https://address). HTML is shown as it is typed."
)
PAGES = {
    "project": (
        "About the project",
        "Sobre el proyecto",
        "pbcsite reads peripheral blood smears cell by cell. The images of a case are "
        "uploaded, a neural network names every cell and shows what it looked at, a "
        "trained reader confirms or corrects, and the differential follows, each "
        "percentage with its exact 95 % interval.\n"
        "\n"
        "**It is decision support for a trained reader, never a diagnosis.** It is no "
        "medical device. A qualified person has to confirm every result.\n"
        "\n"
        "## The model\n"
        "\n"
        "VGG19, a convolutional network (Simonyan and Zisserman, 2015), trained on "
        "pictures of single stained cells. It knows eight classes: neutrophil, "
        "eosinophil, basophil, lymphocyte, monocyte, immature granulocyte, erythroblast "
        "and platelet. The heatmaps are Grad-CAM (Selvaraju et al., 2017): they explain "
        "the model, not the cell. What was measured, on which images, stands on the page "
        "of the model.\n"
        "\n"
        "## The data\n"
        "\n"
        "The network was trained and measured on images of the PBC dataset: 17,092 of them, taken "
        "with a CellaVision DM96 at the Hospital Clínic of Barcelona, from people without "
        "infection, haematological or oncological disease, stained with "
        "May-Grünwald-Giemsa. [Acevedo et al. (2020), Mendeley "
        "Data](https://doi.org/10.17632/snkd93bnjr.1), CC BY 4.0.\n"
        "\n"
        "## Its limits\n"
        "\n"
        "- It has no class for blasts, smudge cells, artefacts, reactive lymphocytes or "
        "plasma cells. It calls such a cell one of its eight classes, or says that the "
        "cell is unfamiliar.\n"
        "- All its training images come from one hospital, one camera and one stain. "
        "Elsewhere it may be worse: measure it on cells of your own laboratory before you "
        "rely on it.\n"
        "- The people whose cells it learnt from were healthy. Disease changes cells in "
        "ways it has not seen.\n"
        "- A high probability is no proof. Cells below the review threshold wait for a "
        "reader; those above it can be wrong too.\n"
        "\n"
        "## Licences\n"
        "\n"
        "The software is published under the Apache License 2.0. The images of the "
        "demonstration and the reference cells come from the PBC dataset under CC BY 4.0. "
        "Libraries carry their own licences beside them.\n",
        "pbcsite lee frotis de sangre periférica célula a célula. Se suben las imágenes "
        "de un caso, una red neuronal nombra cada célula y muestra en qué se ha fijado, "
        "un lector formado confirma o corrige, y de ahí sale la fórmula leucocitaria, con "
        "el intervalo exacto del 95 % de cada porcentaje.\n"
        "\n"
        "**Es una ayuda a la decisión para un lector formado, nunca un diagnóstico.** No "
        "es un producto sanitario. Una persona cualificada debe confirmar cada resultado.\n"
        "\n"
        "## El modelo\n"
        "\n"
        "VGG19, una red convolucional (Simonyan y Zisserman, 2015), entrenada con "
        "imágenes de células teñidas individuales. Conoce ocho clases: neutrófilo, "
        "eosinófilo, basófilo, linfocito, monocito, granulocito inmaduro, eritroblasto y "
        "plaqueta. Los mapas de calor son Grad-CAM (Selvaraju et al., 2017): explican el "
        "modelo, no la célula. Lo que se ha medido, y con qué imágenes, figura en la "
        "página del modelo.\n"
        "\n"
        "## Los datos\n"
        "\n"
        "La red se entrenó y se midió con imágenes del conjunto de datos PBC: 17 092, "
        "tomadas con un CellaVision DM96 en el Hospital Clínic de Barcelona, de personas "
        "sin infección ni enfermedad hematológica u oncológica, con tinción de "
        "May-Grünwald-Giemsa. [Acevedo et al. (2020), Mendeley "
        "Data](https://doi.org/10.17632/snkd93bnjr.1), CC BY 4.0.\n"
        "\n"
        "## Sus límites\n"
        "\n"
        "- No tiene clase para blastos, sombras de Gumprecht, artefactos, linfocitos "
        "reactivos ni células plasmáticas. A una célula así le da el nombre de una de sus "
        "ocho clases, o dice que le resulta desconocida.\n"
        "- Todas las imágenes de entrenamiento proceden de un solo hospital, una cámara y "
        "una tinción. En otro lugar puede funcionar peor: mídalo con células de su propio "
        "laboratorio antes de confiar en él.\n"
        "- Las personas de cuyas células aprendió estaban sanas. La enfermedad cambia las "
        "células de maneras que no ha visto.\n"
        "- Una probabilidad alta no es una prueba. Las células por debajo del umbral de "
        "revisión esperan a un lector; las que están por encima también pueden ser "
        "erróneas.\n"
        "\n"
        "## Licencias\n"
        "\n"
        "El programa se publica bajo la licencia Apache 2.0. Las imágenes de la "
        "demostración y las células de referencia proceden del conjunto PBC, bajo CC BY "
        "4.0. Las bibliotecas llevan su propia licencia junto a ellas.\n",
    ),
    "us": (
        "About us",
        "Quiénes somos",
        "This page is for the people who run this installation: who they are, and whom to "
        "ask. Nobody has written it yet. An administrator can, in Administration, under "
        '"Pages of text".\n'
        "\n"
        "## Until then\n"
        "\n"
        "Questions about a case, an account or a result go to the administrator of your "
        "laboratory.\n"
        "\n"
        "pbcsite is free software under the Apache License 2.0; whoever runs it answers "
        "for how it is used.\n"
        "\n"
        "## Whose work it builds on\n"
        "\n"
        "- The PBC dataset: Andrea Acevedo, Anna Merino, Santiago Alférez, Ángel Molina, "
        "Laura Boldú and José Rodellar.\n"
        "- The idea of pictures in, names and heatmaps out: an article of Saturdays.AI on "
        "classifying blood cells with VGG19 and Grad-CAM.\n"
        "- Django, TensorFlow and Keras, Tabler, htmx, Chart.js, three.js, scatter-gl, "
        "scikit-learn and UMAP.\n",
        "Esta página es para las personas que mantienen esta instalación: quiénes son y a "
        "quién preguntar. Nadie la ha escrito todavía. Un administrador puede hacerlo en "
        "Administración, en «Páginas de texto».\n"
        "\n"
        "## Mientras tanto\n"
        "\n"
        "Las preguntas sobre un caso, una cuenta o un resultado se dirigen al "
        "administrador de su laboratorio.\n"
        "\n"
        "pbcsite es software libre bajo la licencia Apache 2.0; quien lo pone en marcha "
        "responde de su uso.\n"
        "\n"
        "## En qué trabajo se apoya\n"
        "\n"
        "- El conjunto de datos PBC: Andrea Acevedo, Anna Merino, Santiago Alférez, Ángel "
        "Molina, Laura Boldú y José Rodellar.\n"
        "- La idea de que entren imágenes y salgan nombres y mapas de calor: un artículo "
        "de Saturdays.AI sobre la clasificación de células sanguíneas con VGG19 y "
        "Grad-CAM.\n"
        "- Django, TensorFlow y Keras, Tabler, htmx, Chart.js, three.js, scatter-gl, "
        "scikit-learn y UMAP.\n",
    ),
}


def write(apps: Any, schema_editor: Any) -> None:
    page = apps.get_model("cases", "Page")
    for slug, (title_en, title_es, body_en, body_es) in PAGES.items():
        page.objects.update_or_create(
            slug=slug,
            defaults={
                "title": title_en,
                "title_en": title_en,
                "title_es": title_es,
                "body": body_en,
                "body_en": body_en,
                "body_es": body_es,
            },
        )


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0008_review_workspace"),
    ]

    operations = [
        migrations.CreateModel(
            name="Page",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(unique=True, verbose_name="name in the address")),
                ("title", models.CharField(max_length=120, verbose_name="title")),
                ("title_en", models.CharField(max_length=120, null=True, verbose_name="title")),
                ("title_es", models.CharField(max_length=120, null=True, verbose_name="title")),
                (
                    "body",
                    models.TextField(
                        help_text=HELP,
                        verbose_name="text",
                    ),
                ),
                (
                    "body_en",
                    models.TextField(
                        help_text=HELP,
                        null=True,
                        verbose_name="text",
                    ),
                ),
                (
                    "body_es",
                    models.TextField(
                        help_text=HELP,
                        null=True,
                        verbose_name="text",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
            ],
            options={
                "verbose_name": "page of text",
                "verbose_name_plural": "pages of text",
                "ordering": ("slug",),
            },
        ),
        migrations.RunPython(write, migrations.RunPython.noop),
    ]
