"""Workers die while they search fields: each field is stored once and whole, or not at all."""

from __future__ import annotations

from collections import Counter

from cases.models import CaseImage, Cell, Detection
from classifier.fields.models import DetectorVersion, FieldRun
from classifier.models import ModelVersion, Prediction
from tests.factories import picture_bytes
from tests.faults.site import Site
from tests.field_rows import FOUND, HEIGHT, RED, WIDTH

FIELDS = 3
NAMED = sum(kind != RED for kind, *_rest in FOUND)


def test_a_worker_killed_while_it_searches_leaves_each_field_whole_or_untouched(
    site: Site, version: ModelVersion
) -> None:
    """SIGKILL in the middle of a search, twice, then once while the cells found are named."""
    DetectorVersion.objects.create(
        name="quick", bundle="nowhere", weights_sha256="0" * 64, manifest={}, active=True
    )
    site.start_web()
    site.start_beat()
    files = [
        ("files", (f"{seed}.png", picture_bytes(seed=seed, size=(WIDTH, HEIGHT))))
        for seed in range(FIELDS)
    ]
    answer = site.api().post(
        site.url(f"cases/{site.case.pk}/images/"), files=files, data={"kind": "field"}, timeout=120
    )
    assert {each["outcome"] for each in answer.json()["files"]} == {"accepted"}

    def in_mid_search() -> bool:
        rows = CaseImage.objects.filter(state="processing", searched_at=None)
        return rows.filter(search_progress__gte=20, search_progress__lt=99).exists()

    for life in (1, 2):
        victim = site.start_worker(f"worker-{life}", QUICK_SECONDS="0.4")
        site.wait(in_mid_search, "a search")
        site.processes.kill(victim)
        assert_whole_or_untouched()
    victim = site.start_worker("worker-3", QUICK_SECONDS="0.4")
    site.wait(Prediction.objects.exists, "the first names")
    site.processes.kill(victim)
    assert_whole_or_untouched()
    site.start_worker("worker-4")
    site.wait(lambda: not searches_left() and site.all_are_finished(), "the fourth worker")

    assert_whole_or_untouched()
    assert Counter(FieldRun.objects.values_list("state", flat=True)) == {"done": FIELDS}
    assert FieldRun.objects.filter(attempts__gt=1).exists()
    assert CaseImage.objects.filter(state="done").count() == FIELDS
    assert Detection.objects.count() == FIELDS * len(FOUND)
    numbers = list(Cell.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, FIELDS * NAMED + 1))
    counted = Cell.objects.filter(excluded="")
    assert Prediction.objects.filter(cell__in=counted).values("cell").distinct().count() == (
        Prediction.objects.filter(cell__in=counted).count()
    )
    assert Prediction.objects.count() == counted.count() == FIELDS * NAMED
    site.assert_files_exact()


def searches_left() -> bool:
    return CaseImage.objects.filter(kind="field", searched_at=None).exists()


def assert_whole_or_untouched() -> None:
    """No field has a part of its cells, and none has them twice."""
    for image in CaseImage.objects.all():
        rows = list(image.detections.order_by("number").values_list("number", flat=True))
        cells = Cell.objects.filter(image=image).count()
        if image.searched_at is None:
            assert (rows, cells) == ([], 0)
        else:
            assert (rows, cells) == (list(range(1, len(FOUND) + 1)), NAMED)
