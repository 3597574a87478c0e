"""The projector: from the form to points, tables and the gallery; the worker's habits."""

from __future__ import annotations

import dataclasses
import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from cases.models import Cell, SmearCase, User
from cases.services.corrections import correct_cell
from classifier.explain.projector import read_places
from classifier.models import ModelVersion, Projection
from classifier.services import projections
from classifier.services.work import run_pending
from tests.classifier_tests.fakes import FakePredictor, answer, queue_cells
from tests.factories import SmearCaseFactory, member
from tests.reading_rows import asked_for

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
CODES = ("neutrophil", "monocyte", "platelet")


def named_cells(case: SmearCase, count: int) -> list[Cell]:
    """Cells in three groups of embeddings, each named by its group."""
    centres = np.random.default_rng(5).standard_normal((len(CODES), 512)).astype(np.float32)
    replies = iter(
        dataclasses.replace(
            answer(CODES[each % 3], 0.99),
            embedding=centres[each % 3]
            + 0.05 * np.random.default_rng(each).standard_normal(512).astype(np.float32),
        )
        for each in range(count)
    )
    cells = queue_cells(case, count)
    run_pending(predictor=FakePredictor(reply=lambda picture: next(replies)))
    return list(Cell.objects.filter(pk__in=[each.pk for each in cells]).order_by("pk"))


@pytest.fixture
def reviewer(case: SmearCase, client: Client) -> User:
    user = member(case.laboratory, "reviewer")
    client.force_login(user)
    return user


def ask(client: Client, smear: SmearCase, **changes: Any) -> str:
    data = {"source": "case", "case": smear.pk, "method": "pca", "seed": 42, **changes}
    done = client.post("/projector/", data)
    assert done.status_code == 302, done.content
    return str(done["Location"])


def test_from_the_form_to_points_tables_and_gallery(
    client: Client, case: SmearCase, reviewer: User, version: ModelVersion
) -> None:
    cells = named_cells(case, 36)
    page = ask(client, case)
    assert "Waiting for the worker" in client.get(page).content.decode()
    assert client.get(f"{page}points/").status_code == 404
    assert projections.run_waiting() == 1
    assert client.get(f"{page}progress/")["HX-Refresh"] == "true"

    data = client.get(f"{page}points/").json()
    assert data["cells"] == [each.pk for each in cells]
    points = np.array(data["points"])
    assert points.shape == (36, 3)
    groups = np.arange(36) % 3
    centres = np.stack([points[groups == each].mean(axis=0) for each in range(3)])
    nearest = np.linalg.norm(points[:, None] - centres[None], axis=2).argmin(axis=1)
    assert (nearest == groups).all()
    names = [data["classes"][place]["name"] for place in data["labels"][:3]]
    assert names == ["Neutrophil", "Monocyte", "Platelet"]

    # A correction counts at once, and makes its cell the most suspicious.
    assert "No cell lies mostly among cells" in client.get(page).content.decode()
    correct_cell(cell_id=cells[4].pk, user=reviewer, to_class="platelet")
    text = client.get(page).content.decode()
    assert "1 cell among others of another class" in text
    assert f'href="/cells/{cells[4].pk}/"' in text
    assert "100 % of its neighbours differ, most are Monocyte" in " ".join(text.split())
    row = re.search(r"Platelet</span></span></th>.*?</tr>", text, re.S)
    assert row is not None
    assert re.findall(r"[\d.]+ %", row[0])[0] == "0.0 %"

    gallery = client.post(f"{page}cells/", {"places": "4,0,99,x,-1"}).content.decode()
    assert "2 cells selected" in gallery
    assert f"/cells/{cells[0].pk}/photo/" in gallery

    atlas = client.get(f"{page}atlas.jpg")
    with Image.open(io.BytesIO(atlas.content)) as sheet:
        assert sheet.size == (6 * 32, 6 * 32)
    again = client.get(f"{page}atlas.jpg", headers={"If-None-Match": atlas["ETag"]})
    assert again.status_code == 304
    with Image.open(io.BytesIO(client.get(f"{page}picture.png").content)) as picture:
        drawn = {color for _count, color in picture.getcolors(10**7) or []}
    assert {(68, 119, 170, 255), (204, 187, 68, 255), (187, 187, 187, 255)} <= drawn


def test_the_same_request_finds_what_was_computed_and_new_cells_ask_anew(
    client: Client, case: SmearCase, reviewer: User, version: ModelVersion
) -> None:
    named_cells(case, 12)
    first = ask(client, case)
    projections.run_waiting()
    assert ask(client, case) == first
    assert ask(client, case, seed=43) != first
    named_cells(case, 3)
    assert ask(client, case) != first
    before = Projection.objects.values("points").get(pk=first.split("/")[2])
    Projection.objects.filter(pk=first.split("/")[2]).update(state="queued", points=b"")
    # Only the first twelve cells had been there; the row is computed of what there is.
    assert before["points"]


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_seed_gives_the_same_points_again(
    client: Client, case: SmearCase, reviewer: User, version: ModelVersion, method: str
) -> None:
    named_cells(case, 15)
    ask(client, case, method=method)
    projections.run_waiting()
    row = Projection.objects.get()
    assert (row.state, row.progress) == ("done", 100)
    first = bytes(row.points)
    Projection.objects.update(state="queued", attempts=0, points=b"")
    projections.run_waiting()
    assert bytes(Projection.objects.get().points) == first


def test_a_month_holds_the_laboratorys_cells_and_no_others(
    client: Client, case: SmearCase, reviewer: User, version: ModelVersion
) -> None:
    own = named_cells(case, 11)
    named_cells(SmearCaseFactory(laboratory=case.laboratory), 1)
    named_cells(SmearCaseFactory(), 12)
    month = own[0].created_at.strftime("%Y-%m")
    page = ask(client, case, source="month", laboratory=case.laboratory_id, month=month, case="")
    projections.run_waiting()
    data = client.get(f"{page}points/").json()
    assert len(data["cells"]) == 12
    assert set(
        Cell.objects.filter(pk__in=data["cells"]).values_list("case__laboratory", flat=True)
    ) == {case.laboratory_id}
    empty = client.post(
        "/projector/",
        {"source": "month", "laboratory": case.laboratory_id, "month": "2020-02",
         "method": "pca", "seed": 1},
    )  # fmt: skip
    assert empty.status_code == 400
    assert "at least 10" in empty.content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"case": ""}, "Choose a case."),
        ({"source": "month"}, "Choose a month."),
        ({"source": "month", "month": "yesterday"}, "year-month"),
        ({"method": "magic"}, "magic"),
        ({"seed": -1}, "0"),
        ({"source": "test"}, "does not hold its test set"),
    ],
)
def test_what_cannot_be_computed_is_said(
    client: Client,
    case: SmearCase,
    reviewer: User,
    version: ModelVersion,
    changes: dict[str, Any],
    words: str,
) -> None:
    data = {"source": "case", "case": case.pk, "method": "pca", "seed": 42, **changes}
    refused = client.post("/projector/", data)
    assert 400 <= refused.status_code < 500
    assert words in refused.content.decode()
    assert Projection.objects.count() == 0


def test_a_failure_is_tried_again_and_then_told(
    client: Client,
    case: SmearCase,
    reviewer: User,
    version: ModelVersion,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named_cells(case, 10)
    page = ask(client, case)

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("ml.projection.project", broken)
        for _attempt in range(settings.CLASSIFY_MAX_ATTEMPTS):
            projections.run_waiting()
            Projection.objects.filter(state="queued").update(not_before=None)
    assert Projection.objects.get().state == "failed"
    assert "could not be computed" in client.get(page).content.decode()
    assert ask(client, case) == page
    projections.run_waiting()
    assert Projection.objects.get().state == "done"


def test_a_worker_that_lost_its_lease_stores_nothing(
    client: Client, case: SmearCase, reviewer: User, version: ModelVersion
) -> None:
    from classifier.services import leases

    named_cells(case, 10)
    ask(client, case)
    mine = leases.claim_one(Projection.objects.without_blobs())
    assert leases.claim_one(Projection.objects.without_blobs()) is None
    Projection.objects.update(lease_token="00000000-0000-0000-0000-000000000001")
    projections.compute(mine)
    row = Projection.objects.get()
    assert (row.state, bytes(row.points)) == ("processing", b"")


def test_more_cells_than_are_shown_give_a_sample(
    client: Client,
    case: SmearCase,
    reviewer: User,
    version: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(projections, "MOST", 12)
    named_cells(case, 30)
    page = ask(client, case)
    projections.run_waiting()
    assert len(client.get(f"{page}points/").json()["points"]) == 12
    assert "12 of 30, an even random sample" in client.get(page).content.decode()


def test_queries_do_not_grow_with_the_cells(
    client: Client,
    case: SmearCase,
    reviewer: User,
    version: ModelVersion,
    django_assert_max_num_queries: Any,
) -> None:
    cells = named_cells(case, 30)
    for each in cells[:12]:
        correct_cell(cell_id=each.pk, user=reviewer, to_class="basophil")
    page = ask(client, case)
    projections.run_waiting()
    with django_assert_max_num_queries(16):
        assert "among others of another class" in client.get(page).content.decode()
    with django_assert_max_num_queries(12):
        client.get(f"{page}points/")
    with django_assert_max_num_queries(12):
        client.post(f"{page}cells/", {"places": ",".join(map(str, range(30)))})


def test_places_that_are_none_are_left_out() -> None:
    assert read_places("0,3,3x,,-1,99999999999999999999,4", 4) == [0, 3]


def test_a_blind_reader_sees_neither_the_case_nor_its_month(
    client: Client, case: SmearCase, reviewer: User, version: ModelVersion
) -> None:
    named_cells(case, 12)
    month = Cell.objects.earliest("pk").created_at.strftime("%Y-%m")
    pages = [
        ask(client, case),
        ask(client, case, source="month", laboratory=case.laboratory_id, month=month, case=""),
    ]
    SmearCase.objects.filter(pk=case.pk).update(status="in_review")
    case.refresh_from_db()
    boss = member(case.laboratory, "administrator")
    asked_for(case, boss, (reviewer, member(case.laboratory, "reviewer")))
    assert [client.get(page).status_code for page in pages] == [404, 404]
    # The form does not offer what would be refused, and says why.
    form = client.get("/projector/").content.decode()
    assert "are closed to you" in form
    assert case.laboratory.name not in form.split("<main")[-1]
    month_asked = {"source": "month", "laboratory": case.laboratory_id, "month": month}
    refused = client.post("/projector/", {**month_asked, "method": "pca", "seed": 42})
    assert refused.status_code == 422
    client.force_login(boss)
    assert [client.get(page).status_code for page in pages] == [200, 200]
