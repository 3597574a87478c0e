"""Whoever is shown something of a patient leaves an entry, whatever address showed it.

The addresses are those of the access matrix, so that a new one is met here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.db import transaction

from cases.audit.models import AuditEntry, AuditHead
from tests.access_rows_accounts import ROWS as ACCOUNTS
from tests.access_world import WHO, World
from tests.test_access_matrix import API_ROUTES, TABLE

if TYPE_CHECKING:
    from tests.test_access_matrix import Row

# Models, their numbers and reference cells, classes, texts and states of the site, pictures one
# looks at without a case, and people: nothing of a patient.
WITHOUT_PATIENTS = {
    *(ACCOUNTS.keys() - {"audit_list", "audit_export", "privacy", "patient_removal"}),
    "healthz", "operations", "about_page", "training", "case_create",
    "model_list", "model_detail",
    "quick_look", "quick_look_detail", "quick_look_progress", "quick_look_photo",
    "quick_look_heatmap",
    "api-me", "api-laboratory-list", "api-cell-class-list", "api-cell-class-detail",
    "api-heatmap-legend", "api-model-version-list", "api-model-version-detail",
    "api-model-run-list", "api-schema", "api-docs",
}  # fmt: skip
SEEN = {"viewed", "listed", "exported"}


def build_world() -> World:
    return World()


def shown(row: Row, who: str) -> bool:
    return "GET" in row.answers and row.answers["GET"][WHO.index(who)] == 200


ADDRESSES = [
    (key, who)
    for key, row in TABLE.items()
    for who in [next((each for each in WHO[3:] if shown(row, each)), None)]
    if who is not None and key not in WITHOUT_PATIENTS
]


@pytest.mark.parametrize(("key", "who"), ADDRESSES)
def test_what_is_seen_leaves_an_entry(world: World, settings: Any, key: str, who: str) -> None:
    settings.AUDIT = True
    cache.clear()
    client = world.client(who, by_token=key in API_ROUTES)
    with transaction.atomic():
        AuditHead.objects.get_or_create(pk=1)
        before = AuditEntry.objects.count()
        answer = client.get(TABLE[key].path.format(**world.pk))
        assert answer.status_code == 200
        entries = list(AuditEntry.objects.filter(sequence__gt=before))
        transaction.set_rollback(True)
    assert entries
    assert {each.action for each in entries} <= SEEN
    assert {each.laboratory_id for each in entries} == {world.laboratory.pk}
