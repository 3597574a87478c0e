"""The tour in pictures: every picture is there, light, and shown in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from scripts.tour import KILOBYTES, PICTURES, PROJECT

DOCUMENTS = {"en": PROJECT / "docs" / "tour.md", "es": PROJECT / "docs" / "tour.es.md"}


def names_in(path: Path) -> set[str]:
    return set(re.findall(r"images/tour/([\w.-]+)", path.read_text()))


@pytest.mark.parametrize("language", DOCUMENTS)
def test_each_picture_is_shown_once_and_is_light(language: str) -> None:
    named = names_in(DOCUMENTS[language])
    assert named == {path.name for path in PICTURES.glob(f"*.{language}.webp")}
    for name in named:
        path = PICTURES / name
        assert path.stat().st_size < KILOBYTES * 1000
        with Image.open(path) as picture:
            assert picture.format == "WEBP"


def test_both_languages_show_the_same() -> None:
    english, spanish = (names_in(each) for each in DOCUMENTS.values())
    assert {name.replace(".es.", ".en.") for name in spanish} == english


@pytest.mark.parametrize("path", DOCUMENTS.values(), ids=DOCUMENTS)
def test_its_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target
