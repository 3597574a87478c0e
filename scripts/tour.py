"""Take the pictures of docs/tour.md: the real site with real cells, in both languages.

A scratch site is started as ``make run`` does, a laboratory made up is filled with cells of the PBC
dataset and a field of BCCD, the shipped models find and name them, and a Chromium visits the pages.
Takes about three minutes.

    .venv/bin/python -m scripts.tour

Wants the datasets beside the checkout (``--images``, ``--field``), Chromium, and pdftoppm for the
report's page.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from scripts.measuring import (
    PASSWORD,
    SOFTWARE_WEBGL,
    chromium,
    free_port,
    running,
    scratch_site,
    wait_until_ready,
)
from scripts.run import PROJECT

IMAGES = PROJECT.parent / "shared" / "data" / "pbc" / "test"
FIELD = PROJECT.parent / "shared" / "data" / "bccd" / "images" / "BloodImage_00193.jpg"
PICTURES = PROJECT / "docs" / "images" / "tour"
LANGUAGES = ("en", "es")
SEED = 7
# Of the field: the neutrophil the tour speaks of.
CHOSEN = 5
# A smear that gives its reader something to decide.
SMEAR = {"neutrophil": 84, "lymphocyte": 30, "monocyte": 9, "eosinophil": 18, "basophil": 2,
         "ig": 6, "erythroblast": 12, "platelet": 14}  # fmt: skip
QUICK_LOOK = {"ig": 1, "monocyte": 1, "basophil": 1}
# Class, percent, 10^9/L: invented, as everything of this laboratory.
RANGES = (
    ("neutrophil", 40, 75, "1.8", "7.5"),
    ("eosinophil", 0, 6, "0", "0.5"),
    ("basophil", 0, 2, "0", "0.2"),
    ("lymphocyte", 20, 45, "1", "4"),
    ("monocyte", 2, 10, "0.2", "1"),
    ("ig", None, 0, None, None),
    ("erythroblast", None, 0, None, None),
)
KILOBYTES = 150
SECONDS_TO_WAIT = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=IMAGES, help="folders of cells by class")
    parser.add_argument("--field", type=Path, default=FIELD, help="a field of view with cells")
    given = parser.parse_args()
    images, field = given.images, given.field
    if not images.is_dir() or not field.is_file() or shutil.which("pdftoppm") is None:
        print(
            f"Cells are wanted in {images} (--images), a field (--field), and pdftoppm.",
            file=sys.stderr,
        )
        return 1
    os.environ["DJANGO_SETTINGS_MODULE"] = "pbcsite.settings"
    PICTURES.mkdir(parents=True, exist_ok=True)
    with scratch_site():
        port = free_port()
        os.environ["PORT"] = str(port)
        import django

        django.setup()
        with running([sys.executable, "-m", "scripts.run"]):
            wait_until_ready(port, 120)
            story = Story(images, field)
            for language in LANGUAGES:
                visit(f"http://127.0.0.1:{port}", story, language)
    return 0


class Story:
    """The laboratory made up: a case to review, one to sign, one with a field, one read twice.

    Attributes:
        to_review, to_sign, reading: keys of the first two cases and of the double reading.
        field: the address of the field's page.
        dropped: files for the quick look.
    """

    def __init__(self, images: Path, field: Path) -> None:
        from cases.models import Laboratory, SmearCase, User

        self.chance = random.Random(SEED)  # noqa: S311 - pictures to take again, no secret
        self.images = images
        self.laboratory = Laboratory.objects.get()
        for role, names in (
            ("reviewer", ("Elena", "Vidal")),
            ("administrator", ("Marta", "Ferrer")),
            ("technician", ("Jon", "Arrieta")),
        ):
            User.objects.filter(username=role).update(first_name=names[0], last_name=names[1])
        self.people = {each.username: each for each in User.objects.all()}
        self._name_laboratory()
        demonstration = SmearCase.objects.get()
        review = self._case("26-004711", self._files(SMEAR))
        sign = self._case("26-004708", self._files(SMEAR))
        seen = self._case("26-004715", [field], kind="field")
        self.field = f"/cases/{seen.pk}/fields/{seen.images.get().number}/"
        self._wait()
        self._prepare(review)
        self._prepare(sign)
        self._review(sign)
        self.to_review, self.to_sign = review.pk, sign.pk
        self.reading = self._read_twice(demonstration)
        self.dropped = self._files(QUICK_LOOK)

    def _files(self, wanted: dict[str, int]) -> list[Path]:
        files = [
            path
            for code, number in wanted.items()
            for path in self.chance.sample(sorted((self.images / code).iterdir()), number)
        ]
        self.chance.shuffle(files)
        return files

    def _name_laboratory(self) -> None:
        from cases.models import CellClass
        from cases.services.laboratory_settings import save_range

        laboratory = self.laboratory
        laboratory.name = "Hospital San Marcos"
        laboratory.address = "Servicio de Hematología\nCalle del Prado 12, 24001 León"
        laboratory.phone = "+34 900 000 000"
        laboratory.save()
        for code, low, high, least, most in RANGES:
            save_range(
                user=self.people["administrator"],
                laboratory=laboratory,
                cell_class=CellClass.objects.get(code=code),
                sex="any",
                age_from=18,
                percent_low=low,
                percent_high=high,
                absolute_low=Decimal(least) if least else None,
                absolute_high=Decimal(most) if most else None,
            )

    def _case(self, number: str, paths: list[Path], kind: str = "auto") -> Any:
        from django.core.files.base import ContentFile

        from cases.services.cases import create_case, create_patient
        from cases.services.uploads import store_images

        technician = self.people["technician"]
        patient = create_patient(
            user=technician,
            laboratory=self.laboratory,
            identifier=f"HC-{number[-4:]}",
            name="Lucía Martín Soler",
            sex="female",
            birth_date=date(1961, 4, 9),
        )
        case = create_case(
            user=technician,
            laboratory=self.laboratory,
            patient=patient,
            accession_number=number,
            stain="May-Grünwald-Giemsa",
            collected_at=datetime(2026, 11, 24, 8, 40, tzinfo=UTC),
        )
        files = [ContentFile(path.read_bytes(), name=path.name) for path in paths]
        list(store_images(case=case, user=technician, files=files, kind=kind))
        return case

    def _wait(self) -> None:
        """Until the worker has found and named every cell."""
        from cases.models import CaseImage, Cell

        deadline = time.monotonic() + SECONDS_TO_WAIT
        while waiting := (
            Cell.objects.filter(state__in=("queued", "processing")).count()
            + CaseImage.objects.filter(kind="field", searched_at=None).count()
        ):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{waiting} cells still wait for the model.")
            time.sleep(1)

    def _prepare(self, case: Any) -> None:
        from cases.services.findings import add_finding, set_analyser_wbc

        reviewer = self.people["reviewer"]
        set_analyser_wbc(case=case, user=reviewer, value=Decimal("12.4"))
        add_finding(case=case, user=reviewer, cell_class="blast")

    def _review(self, case: Any) -> None:
        """Confirm what waits, correct a monocyte, sign."""
        from cases.services.corrections import correct_cells
        from cases.services.signing import sign_case

        reviewer = self.people["reviewer"]
        waiting = dict(case.cells.filter(review_state="needs_review").values_list("pk", "version"))
        correct_cells(case_id=case.pk, user=reviewer, versions=waiting, to_class=None)
        monocyte = case.cells.filter(label__code="monocyte").order_by("confidence").first()
        correct_cells(
            case_id=case.pk,
            user=reviewer,
            versions={monocyte.pk: monocyte.version},
            to_class="blast",
        )
        sign_case(
            case_id=case.pk,
            user=reviewer,
            password=PASSWORD,
            comment="Eosinofilia ≥ 10 %; desviación izquierda. Repetir en dos semanas.",
        )

    def _read_twice(self, case: Any) -> int:
        """Two readings that differ in a few cells; whom they name otherwise is drawn."""
        from cases.models import Membership, User
        from cases.services.readings import finish_reading, name_cell, request_double_reading

        second = User.objects.create_user("second", first_name="Luis", last_name="Ortega")
        Membership.objects.create(user=second, laboratory=self.laboratory, role="reviewer")
        asked = request_double_reading(
            case_id=case.pk,
            user=self.people["administrator"],
            reader_ids=[self.people["reviewer"].pk, second.pk],
            seed=SEED,
        )
        neighbours = {"ig": "neutrophil", "monocyte": "lymphocyte", "neutrophil": "ig"}
        for reading in asked.readings.order_by("number"):
            place = ("first_position", "second_position")[reading.number - 1]
            for each in asked.cells.select_related("cell__label").order_by(place):
                code = each.cell.label.code if each.cell.label else "unidentified"
                if self.chance.random() < 0.12:
                    code = neighbours.get(code, code)
                name_cell(
                    reading_id=reading.pk,
                    user=reading.reader,
                    position=getattr(each, place),
                    label=code,
                )
            finish_reading(reading_id=reading.pk, user=reading.reader)
        return int(asked.pk)


def visit(site: str, story: Story, language: str) -> None:
    """Take every picture in one language."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = chromium(playwright, *SOFTWARE_WEBGL)

        def window(user: str, width: int = 1440, height: int = 900, scheme: str = "light") -> Any:
            page = browser.new_context(
                viewport={"width": width, "height": height},
                base_url=site,
                locale=language,
                color_scheme=scheme,
            ).new_page()
            page.goto("/login/")
            page.fill("#id_username", user)
            page.fill("#id_password", PASSWORD)
            page.locator("main button[type=submit]").click()
            page.wait_for_url(re.compile("/(work|cases)/$"))
            return page

        def take(page: Any, name: str) -> None:
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(700)
            keep(page.screenshot(), f"{name}.{language}")

        page = window("reviewer")
        case = f"/cases/{story.to_review}/"
        page.goto(f"{case}?review=1")
        page.locator("#gallery [role=option]").nth(2).click()
        take(page, "workspace")
        page.goto(f"/cases/{story.to_sign}/result/")
        take(page, "result")
        page.goto(f"{story.field}?box={CHOSEN}")
        page.locator("#box-list [aria-current]").wait_for()
        page.locator("#heatmap").evaluate("each => each.decode()")
        page.locator("[data-command=show-all]").click()
        take(page, "field")
        page.set_viewport_size({"width": 1440, "height": 1200})
        page.goto("/quick-look/")
        page.set_input_files("#quick-look-files", story.dropped)
        page.locator("#quick-look-form [type=submit]").click()
        page.locator("#panel-numbers .pie").first.wait_for(timeout=SECONDS_TO_WAIT * 1000)
        take(page, "quick-look")
        project(page)
        take(page, "projector")
        report = page.request.get(
            f"/cases/{story.to_sign}/report.pdf?language={language}&pictures=1"
        )
        keep(first_page(report.body()), f"report.{language}")
        page = window("administrator")
        page.goto(f"/double-readings/{story.reading}/")
        take(page, "two-readers")
        page = window("reviewer", 390, 844, "dark")
        page.goto(case)
        page.locator("#inspector .viewer").scroll_into_view_if_needed()
        take(page, "phone")
        browser.close()


def project(page: Any) -> None:
    """Lay out the model's labelled cells with UMAP, and wait for the picture."""
    page.goto("/projector/")
    page.locator("[name=source]").last.check()
    page.select_option("[name=method]", "umap")
    page.locator("#projector-form [type=submit]").click()
    page.locator("#projector-stage[data-shows=points]").wait_for(timeout=SECONDS_TO_WAIT * 1000)
    page.wait_for_timeout(5000)


def first_page(report: bytes) -> bytes:
    """The first page of a PDF as PNG, 100 dots per inch."""
    drawn = subprocess.run(
        ["pdftoppm", "-png", "-f", "1", "-l", "1", "-r", "100"],  # noqa: S607
        input=report,
        capture_output=True,
        check=True,
    )
    return drawn.stdout


def keep(picture: bytes, name: str) -> None:
    """Store a picture as WebP, as good as fits into ``KILOBYTES``.

    Raises:
        ValueError: when even a poor one does not.
    """
    from PIL import Image

    for quality in (88, 80, 70, 60, 50):
        target = io.BytesIO()
        Image.open(io.BytesIO(picture)).convert("RGB").save(
            target, "WEBP", quality=quality, method=6
        )
        if target.tell() < KILOBYTES * 1000:
            (PICTURES / f"{name}.webp").write_bytes(target.getvalue())
            print(f"{name}: {target.tell() // 1000} kB at quality {quality}", flush=True)
            return
    raise ValueError(f"{name} is larger than {KILOBYTES} kB.")


if __name__ == "__main__":
    sys.exit(main())
