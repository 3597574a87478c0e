"""The quick look: owner only, in memory of the database for minutes, nothing left behind."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from cases.models import CaseImage, Cell, SmearCase, User
from classifier.models import ModelVersion, Prediction, QuickLook, QuickLookPicture
from classifier.services import quick_looks
from tests.classifier_tests.fakes import FakePredictor, answer, no_answer
from tests.factories import SmearCaseFactory, UserFactory, member, picture_bytes, upload

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(case: SmearCase, client: Client) -> User:
    user = member(case.laboratory)
    client.force_login(user)
    return user


def send(client: Client, *files: Any) -> str:
    """Send pictures through the page; returns the address of the look."""
    done = client.post("/quick-look/", {"files": list(files)})
    assert done.status_code == 302, done.content
    return str(done["Location"])


def test_from_pictures_to_numbers_and_heatmaps_and_nothing_is_stored(
    client: Client, owner: User, version: ModelVersion
) -> None:
    page = send(client, upload("one.png", seed=1), upload("two.png", seed=2))
    waiting = client.get(page).content.decode()
    assert "Waiting for the worker" in waiting
    assert "quick-look-waiting" in client.get(f"{page}progress/").content.decode()
    replies = iter([answer("eosinophil", 0.995), answer("monocyte", 0.5)])
    assert quick_looks.answer_waiting(reader=FakePredictor(reply=lambda each: next(replies))) == 1
    assert client.get(f"{page}progress/")["HX-Refresh"] == "true"
    text = client.get(page).content.decode()
    assert "Eosinophil" in text
    assert "99.50 %" in text
    assert 'class="pie"' in text
    second = client.get(f"{page}?picture=2").content.decode()
    assert "50.00 %" in second
    assert "Below the model's review threshold of 80.0 %" in second
    heatmap = client.get(f"{page}pictures/1/heatmap/?class=eosinophil")
    assert heatmap.content.startswith(b"\x89PNG")
    assert client.get(f"{page}pictures/1/heatmap/?class=nothing").status_code == 404
    photo = client.get(f"{page}pictures/2/photo/")
    assert photo["Content-Type"] == "image/png"
    assert "no-store" in photo["Cache-Control"]
    for model in (CaseImage, Cell, Prediction):
        assert model.objects.count() == 0


def test_a_stranger_is_warned_of_and_left_out_of_the_pie(
    client: Client, owner: User, version: ModelVersion
) -> None:
    strange = dataclasses.replace(answer("platelet", 0.99), unfamiliar=True, unfamiliarity=900.0)
    page = send(client, upload(seed=1), upload(seed=2), upload(seed=3))
    replies = iter([strange, answer("monocyte"), no_answer()])
    quick_looks.answer_waiting(reader=FakePredictor(reply=lambda each: next(replies)))
    text = client.get(page).content.decode()
    assert "resembles nothing the model has learnt" in text
    counts = re.search(r"Pictures by class.*?</table>", text, re.S)
    assert counts is not None
    assert "Monocyte" in counts[0]
    assert "Platelet" not in counts[0]
    failed = client.get(f"{page}?picture=3").content.decode()
    assert "could not be decoded" in failed


def test_nobody_else_sees_it_whatever_their_role(
    client: Client, case: SmearCase, owner: User, version: ModelVersion
) -> None:
    page = send(client, upload(seed=1))
    quick_looks.answer_waiting(reader=FakePredictor())
    boss = member(case.laboratory, "administrator", is_staff=True)
    root = UserFactory(is_superuser=True, is_staff=True)
    for other in (boss, root):
        client.force_login(other)
        for address in (page, f"{page}pictures/1/photo/", f"{page}pictures/1/heatmap/"):
            assert client.get(address).status_code == 404
        assert client.post(f"{page}leave/", {"now": "1"}).status_code == 404
    assert QuickLook.objects.count() == 1


def test_leaving_deletes_it_soon_but_a_reload_keeps_it(
    client: Client, owner: User, version: ModelVersion
) -> None:
    page = send(client, upload(seed=1))
    client.get(page)
    look = QuickLook.objects.get()
    assert client.post(f"{page}leave/", {"visit": str(look.visit)}).status_code == 204
    look.refresh_from_db()
    assert look.expires_at < timezone.now() + timedelta(seconds=21)
    client.get(page)  # the reload
    look.refresh_from_db()
    assert look.expires_at > timezone.now() + timedelta(minutes=9)
    # The word of the page before the reload comes late: it counts no more.
    before = look.visit
    client.get(page)
    client.post(f"{page}leave/", {"visit": str(before)})
    look.refresh_from_db()
    assert look.expires_at > timezone.now() + timedelta(minutes=9)


def test_time_is_never_prolonged_beyond_what_was_said(
    client: Client, owner: User, version: ModelVersion, settings: Any
) -> None:
    page = send(client, upload(seed=1))
    QuickLook.objects.update(queued_at=timezone.now() - timedelta(minutes=9))
    client.get(page)
    assert QuickLook.objects.get().expires_at <= timezone.now() + timedelta(minutes=1)


def test_the_sweep_deletes_what_has_run_out(
    client: Client, owner: User, version: ModelVersion
) -> None:
    page = send(client, upload(seed=1))
    QuickLook.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    # Gone for everybody before the sweep comes, and named by nobody.
    gone = client.get(page)
    assert gone.status_code == 404
    assert "This quick look is gone" in gone.content.decode()
    assert quick_looks.answer_waiting(reader=FakePredictor()) == 0
    assert quick_looks.purge() == 2
    assert QuickLookPicture.objects.count() == 0


def test_the_next_look_replaces_the_one_before(
    client: Client, owner: User, version: ModelVersion
) -> None:
    send(client, upload(seed=1))
    send(client, upload(seed=2))
    assert QuickLook.objects.count() == 1


def test_the_button_deletes_at_once(client: Client, owner: User, version: ModelVersion) -> None:
    page = send(client, upload(seed=1))
    done = client.post(f"{page}leave/", {"now": "1"}, follow=True)
    assert "Everything of the quick look is deleted" in done.content.decode()
    assert QuickLook.objects.count() == 0


def test_add_to_a_case_goes_through_the_upload(
    client: Client, case: SmearCase, owner: User, version: ModelVersion
) -> None:
    page = send(client, upload("one.png", seed=1), upload("two.png", seed=2))
    done = client.post(f"{page}add/", {"case": case.pk}, follow=True)
    assert "2 pictures were added to the case." in done.content.decode()
    assert list(case.images.values_list("original_name", flat=True)) == ["one.png", "two.png"]
    assert case.cells.filter(state="queued").count() == 2
    assert QuickLook.objects.count() == 0


def test_a_case_of_another_laboratory_or_none_is_refused(
    client: Client, owner: User, version: ModelVersion
) -> None:
    page = send(client, upload(seed=1))
    for chosen in (SmearCaseFactory().pk, ""):
        refused = client.post(f"{page}add/", {"case": chosen})
        assert refused.status_code == 422
        assert 'class="field-error"' in refused.content.decode()
    assert CaseImage.objects.count() == 0
    assert QuickLook.objects.count() == 1


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "No file was sent"),
        ([upload(seed=each) for each in range(21)], "at most 20 pictures"),
        ([upload("note.txt", b"no picture")], "note.txt"),
        ([upload("big.png", b"x" * (5 * 1024**2 + 1))], "larger than a quick look takes"),
    ],
)
def test_what_cannot_be_looked_at_is_said(
    client: Client, owner: User, files: list[Any], words: str
) -> None:
    for each in files:
        each.seek(0)
    refused = client.post("/quick-look/", {"files": files})
    assert 400 <= refused.status_code < 500
    assert words in refused.content.decode()
    assert QuickLook.objects.count() == 0


def test_a_bad_file_among_good_ones_is_named(
    client: Client, owner: User, version: ModelVersion
) -> None:
    page = send(client, upload(seed=1), upload("bad.png", picture_bytes()[:60]))
    assert "bad.png" in client.get(page).content.decode()
    assert QuickLookPicture.objects.count() == 1


def test_a_model_that_breaks_is_tried_again_and_then_told(
    client: Client, owner: User, version: ModelVersion, settings: Any
) -> None:
    page = send(client, upload(seed=1))

    def broken(pictures: Any) -> None:
        raise RuntimeError("out of memory")

    for _attempt in range(settings.CLASSIFY_MAX_ATTEMPTS):
        quick_looks.answer_waiting(reader=FakePredictor(before=broken))
        QuickLook.objects.filter(state="queued").update(not_before=None)
    look = QuickLook.objects.get()
    assert (look.state, look.failure_code) == ("failed", "model_error")
    assert "failed on this image several times" in client.get(page).content.decode()


def test_an_answer_for_a_look_that_has_gone_is_dropped(
    client: Client, owner: User, version: ModelVersion
) -> None:
    send(client, upload(seed=1))
    leaving = FakePredictor(before=lambda pictures: QuickLook.objects.all().delete())
    quick_looks.answer_waiting(reader=leaving)
    assert QuickLookPicture.objects.count() == 0


def test_queries_do_not_grow_with_the_pictures(
    client: Client, owner: User, version: ModelVersion, django_assert_max_num_queries: Any
) -> None:
    page = send(client, *(upload(seed=each) for each in range(12)))
    quick_looks.answer_waiting(reader=FakePredictor())
    with django_assert_max_num_queries(16):
        client.get(page)
    assert reverse("quick_look_detail", args=[QuickLook.objects.get().pk]) == page
