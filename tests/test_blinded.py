"""Whoever reads a case blind finds nothing of it at any address but those of their own reading.

Walks the whole table of the access matrix, so that an address made tomorrow is asked too.
"""

from __future__ import annotations

import pytest
from django.db import transaction

from cases.models import (
    CellClass,
    DoubleReading,
    LaboratorySettings,
    Reading,
    ReadingCell,
    Role,
    SmearCase,
)
from tests.access_world import MARK, World, body_of
from tests.factories import member
from tests.test_access_matrix import API_ROUTES, TABLE, send
from tests.test_access_matrix_admin import MODELS

pytestmark = pytest.mark.django_db
# What the case is known by, and what only those who may see it can know.
NUMBER = f"{MARK}-2026"
SECRETS = (NUMBER, f"{MARK} comment", f"{MARK} finding", f"{MARK} note", f"{MARK}.png")
# Keys of the world that belong to the case the test blinds its people for.
OF_THE_CASE = ("{case}", "{image}", "{cell}", "{correction}", "{prediction}", "{finding}",
               "{amendment}")  # fmt: skip
# Where a reader is told which case they are to read.
NAME_THE_CASE = ("work_list", "api-reading-list")
CLOSED = {403, 404}


def build_world() -> World:
    """The world, in which reviewer and administrator read the case blind from now on."""
    world = World()
    case = SmearCase.objects.get(pk=world.pk["case"])
    asks = member(world.laboratory, Role.REVIEWER)
    asked = DoubleReading.objects.create(case=case, requested_by=asks, seed=1)
    for number, who in enumerate(("reviewer", "administrator"), start=1):
        Reading.objects.create(double_reading=asked, number=number, reader=world.people[who])
    ReadingCell.objects.create(
        double_reading=asked, cell_id=world.pk["cell"], first_position=1, second_position=1
    )
    world.pk["asked"] = asked.pk
    return world


@pytest.mark.parametrize("who", ["reviewer", "administrator"])
def test_no_address_tells_a_blinded_reader_anything(world: World, who: str) -> None:
    told = {}
    for key, row in TABLE.items():
        if "GET" not in row.answers:
            continue
        client = world.client(who, by_token=key in API_ROUTES)
        answer = client.get(row.path.format(**world.pk))
        body = body_of(answer).decode(errors="replace").lower()
        if any(part in row.path for part in OF_THE_CASE) and answer.status_code not in CLOSED:
            told[key] = str(answer.status_code)
        elif any(secret in body for secret in SECRETS) and key not in NAME_THE_CASE:
            told[key] = "its body"
    assert told == {}


@pytest.mark.parametrize("who", ["reviewer", "administrator"])
def test_a_blinded_reader_changes_nothing_of_the_case(world: World, who: str) -> None:
    done = {}
    for key, row in TABLE.items():
        if not any(part in row.path for part in OF_THE_CASE):
            continue
        client = world.client(who, by_token=key in API_ROUTES)
        for method in row.answers:
            with transaction.atomic():
                status = send(client, method, row, world).status_code
                transaction.set_rollback(True)
            if status not in CLOSED:
                done[f"{method} {key}"] = status
    assert done == {}


def test_the_work_list_tells_a_blinded_reader_the_number_alone(world: World) -> None:
    client = world.client("reviewer", by_token=False)
    own = Reading.objects.get(double_reading=world.pk["asked"], number=1)
    body = body_of(client.get("/work/")).decode().lower()
    assert f"/readings/{own.pk}/" in body
    assert f'href="/cases/{world.pk["case"]}/"' not in body
    assert not any(secret in body for secret in SECRETS if secret != NUMBER)


def test_the_double_reading_itself_is_out_of_a_readers_sight(world: World) -> None:
    pages = world.client("reviewer", by_token=False)
    api = world.client("reviewer", by_token=True)
    asked = world.pk["asked"]
    assert pages.get(f"/double-readings/{asked}/").status_code == 404
    for part in ("", "comparison/", "cells/"):
        assert api.get(f"/api/v1/double-readings/{asked}/{part}").status_code == 404
    # The other reader's reading too, by whatever address.
    other = Reading.objects.get(double_reading=asked, number=2)
    assert pages.get(f"/readings/{other.pk}/").status_code == 404
    assert pages.get(f"/readings/{other.pk}/cells/1/photo/").status_code == 404
    for part in ("", "cells/", "cells/1/photo/"):
        assert api.get(f"/api/v1/readings/{other.pk}/{part}").status_code == 404


def test_a_reading_shows_no_label_but_the_readers_own(world: World) -> None:
    own = Reading.objects.get(double_reading=world.pk["asked"], number=1)
    cell = ReadingCell.objects.get(double_reading=world.pk["asked"]).cell
    page = body_of(world.client("reviewer", by_token=False).get(f"/readings/{own.pk}/")).decode()
    # Every class is offered and none is chosen; neither the cell nor its file can be told from it.
    assert page.count('name="label"') == CellClass.objects.count()
    assert 'aria-pressed="true"' not in page
    assert f'"/cells/{cell.pk}/' not in page
    answer = world.client("reviewer", by_token=True).get(f"/api/v1/readings/{own.pk}/cells/")
    (row,) = answer.json()["results"]
    assert set(row) == {"position", "label", "photo"}
    assert row["label"] is None


def test_djangos_admin_shows_a_blinded_reader_nothing_of_the_case(world: World) -> None:
    client = world.client("administrator", by_token=False)
    person = world.people["administrator"]
    assert person is not None
    told = []
    for superuser in (False, True):
        person.is_superuser = superuser
        person.save()
        for model in MODELS:
            application, name = model.split("_", 1)
            where = f"/admin/{application}/{name}/"
            body = body_of(client.get(where)).decode().lower()
            if f"{NUMBER}<" in body or f"{NUMBER} /" in body or f"{MARK} finding" in body:
                told.append(where)
            if name in ("smearcase", "cell", "caseimage", "correction", "prediction", "finding"):
                key = world.pk["case" if name == "smearcase" else name.removeprefix("case")]
                if client.get(f"{where}{key}/change/").status_code == 200:
                    told.append(f"{where}{key}/")
    assert told == []


def test_everything_comes_back_once_both_are_done(world: World) -> None:
    DoubleReading.objects.filter(pk=world.pk["asked"]).update(state="adjudication")
    client = world.client("reviewer", by_token=False)
    assert client.get(f"/cases/{world.pk['case']}/").status_code == 200
    assert client.get(f"/cells/{world.pk['cell']}/").status_code == 200
    assert LaboratorySettings.objects.exists()
