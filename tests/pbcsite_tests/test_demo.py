"""The demonstration: its people, its 40 cells and their attribution."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from cases.management.commands.demo import IMAGES
from cases.models import CaseImage, Cell, Membership, Patient, SmearCase, User
from tests.conftest import CLASSES, PROJECT
from tests.factories import UserFactory


def create(password: str = "given", *, reset: bool = False) -> None:
    call_command("demo", password=password, reset_password=reset, verbosity=0)


@pytest.mark.django_db
def test_people_and_their_roles() -> None:
    create()
    roles = dict(Membership.objects.values_list("user__username", "role"))
    assert roles == {each: each for each in ("technician", "reviewer", "administrator")}
    assert all(each.check_password("given") for each in User.objects.all())
    assert set(User.objects.filter(is_superuser=True)) == {
        User.objects.get(username="administrator")
    }


@pytest.mark.django_db
def test_a_case_of_forty_cells_that_wait_for_the_model() -> None:
    create()
    case = SmearCase.objects.get()
    assert case.cells.filter(state="queued").count() == 40
    assert case.created_by.username == "technician"
    sent = {hashlib.sha256(each.read_bytes()).hexdigest(): each for each in IMAGES.glob("*/*.jpg")}
    stored = case.images.first()
    assert stored is not None
    with stored.file.open() as file, Image.open(file) as kept:
        assert kept.tobytes() == Image.open(sent[stored.sha256]).tobytes()


@pytest.mark.django_db
def test_a_second_time_changes_nothing() -> None:
    create("first")
    before = list(CaseImage.objects.values_list("pk", "file"))
    create("second")
    assert list(CaseImage.objects.values_list("pk", "file")) == before
    assert (Cell.objects.count(), Patient.objects.count(), User.objects.count()) == (40, 1, 3)
    assert User.objects.get(username="reviewer").check_password("first")


@pytest.mark.django_db
def test_a_password_is_changed_when_asked_for() -> None:
    create("first")
    create("second", reset=True)
    assert User.objects.get(username="reviewer").check_password("second")


@pytest.mark.django_db
def test_an_interrupted_start_is_made_whole() -> None:
    create()
    case = SmearCase.objects.get()
    Cell.objects.all()._raw_delete(using="default")
    CaseImage.objects.all()._raw_delete(using="default")
    create()
    assert case.images.count() == 40


@pytest.mark.django_db
def test_somebody_elses_user_is_left_alone() -> None:
    theirs = UserFactory(username="reviewer")
    with pytest.raises(CommandError, match="does not belong to the demonstration"):
        create(reset=True)
    theirs.refresh_from_db()
    assert not theirs.check_password("given")
    assert not User.objects.filter(username="technician").exists()


@pytest.mark.django_db
def test_the_password_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from a file\n")
    call_command("demo", password_file=file, verbosity=0)
    assert User.objects.get(username="technician").check_password("from a file")
    file.write_text("\n")
    with pytest.raises(CommandError, match="empty"):
        call_command("demo", password_file=file)


def test_five_images_of_every_class_with_their_licence() -> None:
    files = sorted(IMAGES.glob("*/*.jpg"))
    assert Counter(each.parent.name for each in files) == dict.fromkeys(CLASSES, 5)
    assert sum(each.stat().st_size for each in files) < 1_000_000
    attribution = PROJECT.joinpath("cases", "demo", "ATTRIBUTION.md").read_text()
    assert "10.17632/snkd93bnjr.1" in attribution
    assert "CC BY 4.0" in attribution


def test_the_images_are_the_first_five_of_the_test_part(pbc_images: dict[str, list[Path]]) -> None:
    for name, originals in pbc_images.items():
        copies = sorted(IMAGES.joinpath(name).glob("*.jpg"))
        assert [each.name for each in copies] == [each.name for each in originals[:5]]
        for copy, original in zip(copies, originals, strict=False):
            assert copy.read_bytes() == original.read_bytes()
