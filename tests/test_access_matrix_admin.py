"""Who gets what from Django's admin: a table, and a walk over every page of every model."""

from __future__ import annotations

import pytest

from cases.models import User
from tests.access_world import MARK, WHO, World, all_addresses, body_of
from tests.factories import PASSWORD, UserFactory

# Only who may open the admin at all gets further than its log-in page, whatever the address.
STAFF = (WHO[2], "administrator", "superuser")
SENT_TO_LOG_IN = ("nobody", "without membership", "technician", "reviewer")

# Statuses of GET for STAFF: another laboratory's administrator, the laboratory's own, a superuser.
Statuses = tuple[int, int, int]
TO_STAFF: Statuses = (200, 200, 200)
TO_SUPERUSER: Statuses = (403, 403, 200)
TO_NONE: Statuses = (403, 403, 403)
# A row one may not see is not there: Django's admin leads back to its start page.
ROW: Statuses = (302, 200, 200)
AWAY: Statuses = (302, 302, 302)

SITE: dict[str, tuple[str, Statuses]] = {
    "admin:index": ("/admin/", TO_STAFF),
    "admin:password_change": ("/admin/password_change/", TO_STAFF),
    "admin:password_change_done": ("/admin/password_change/done/", TO_STAFF),
    "admin:jsi18n": ("/admin/jsi18n/", TO_STAFF),
    "admin:logout": ("/admin/logout/", (405, 405, 405)),
    "admin:autocomplete": (
        "/admin/autocomplete/?app_label=cases&model_name=smearcase&field_name=patient&term=" + MARK,
        TO_STAFF,
    ),
    "admin:view_on_site": ("/admin/r/1/1/", (404, 404, 404)),
    "admin:app_list": ("/admin/cases/", TO_STAFF),
    "admin/(?P<url>.*)$": ("/admin/nothing/", (404, 404, 404)),
}

# By model: the list, add, change, delete, history.
SHARED_ROW: tuple[Statuses, ...] = (TO_STAFF, TO_SUPERUSER, TO_STAFF, TO_SUPERUSER, TO_STAFF)
KEPT_ROW: tuple[Statuses, ...] = (TO_STAFF, TO_NONE, ROW, TO_NONE, ROW)
OWN_ROW: tuple[Statuses, ...] = (TO_STAFF, TO_STAFF, ROW, ROW, ROW)
MODELS: dict[str, tuple[Statuses, ...]] = {
    "cases_user": OWN_ROW,
    "cases_laboratory": (TO_STAFF, TO_SUPERUSER, ROW, TO_SUPERUSER, ROW),
    "cases_membership": OWN_ROW,
    "cases_cellclass": SHARED_ROW,
    "cases_page": SHARED_ROW,
    "cases_patient": OWN_ROW,
    "cases_smearcase": OWN_ROW,
    "cases_caseimage": KEPT_ROW,
    "cases_caseassignment": KEPT_ROW,
    "cases_cell": KEPT_ROW,
    "cases_correction": KEPT_ROW,
    "cases_detection": KEPT_ROW,
    "cases_detectioncorrection": KEPT_ROW,
    "cases_laboratorysettings": OWN_ROW,
    "cases_referencerange": OWN_ROW,
    "cases_finding": KEPT_ROW,
    "cases_signoff": KEPT_ROW,
    "cases_amendment": KEPT_ROW,
    "cases_idempotentanswer": (TO_SUPERUSER, TO_NONE, TO_SUPERUSER, TO_NONE, TO_SUPERUSER),
    "cases_apitoken": (TO_SUPERUSER, TO_NONE, TO_SUPERUSER, TO_NONE, TO_SUPERUSER),
    "classifier_modelversion": (TO_STAFF, TO_NONE, TO_STAFF, TO_NONE, TO_STAFF),
    "classifier_classificationjob": KEPT_ROW,
    "classifier_prediction": KEPT_ROW,
    "classifier_detectorversion": (TO_STAFF, TO_NONE, TO_STAFF, TO_NONE, TO_STAFF),
    "classifier_fieldrun": KEPT_ROW,
    "auth_group": (TO_SUPERUSER,) * 5,
}
PAGES = ("changelist", "add", "change", "delete", "history")
PATHS = ("", "add/", "{pk}/change/", "{pk}/delete/", "{pk}/history/")


def table() -> dict[str, tuple[str, Statuses]]:
    """Address and statuses of every admin page, by its key."""
    rows = dict(SITE)
    rows["admin:auth_user_password_change"] = (
        "/admin/cases/user/{cases_user}/password/",
        (404, 200, 200),
    )
    for model, statuses in MODELS.items():
        place = f"/admin/{model.replace('_', '/')}/"
        for page, path, answers in zip(PAGES, PATHS, statuses, strict=True):
            rows[f"admin:{model}_{page}"] = (place + path.format(pk=f"{{{model}}}"), answers)
        # The old address of a row leads to its change page.
        rows[f"{place[1:]}<path:object_id>/"] = (place + f"{{{model}}}/", AWAY)
    return rows


TABLE = table()
# The log-in page is the one that anybody may see.
ADMIN_KEYS = TABLE.keys() | {"admin:login"}


def build_world() -> World:
    from django.contrib.auth.models import Group

    from cases.models import ApiToken, IdempotentAnswer

    world = World()
    superuser: User = UserFactory(username="root", is_staff=True, is_superuser=True)
    world.people["superuser"] = superuser
    answer = IdempotentAnswer.objects.create(
        user=world.people["technician"], key=MARK, path="/", fingerprint="0" * 64
    )
    token, _secret = ApiToken.objects.create(world.people["technician"])
    world.pk |= {
        "apitoken": token.pk,
        "idempotentanswer": answer.pk,
        "group": Group.objects.create(name="group").pk,
        "smearcase": world.pk["case"],
        "caseimage": world.pk["image"],
    }
    return world


@pytest.mark.parametrize("key", TABLE)
def test_who_gets_what(world: World, key: str) -> None:
    pattern, answers = TABLE[key]
    path = pattern.format(**{model: world.pk[model.split("_")[1]] for model in MODELS})
    for who in SENT_TO_LOG_IN:
        answer = world.client(who, by_token=False).get(path)
        assert answer.status_code == 302, who
        assert answer["Location"].startswith(("/admin/login/", "/admin/")), who
    expected = dict(zip(STAFF, answers, strict=True))
    got = {}
    for who in STAFF:
        answer = world.client(who, by_token=False).get(path)
        got[who] = answer.status_code
        if who == WHO[2]:
            assert MARK.encode() not in body_of(answer).lower()
    assert got == expected


def test_the_log_in_is_the_sites_own(world: World) -> None:
    """Or a second factor would not be asked for."""
    answer = world.client("nobody", by_token=False).get("/admin/login/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=%2Fadmin%2Flogin%2F")
    given = {"username": "root", "password": PASSWORD}
    answer = world.client("nobody", by_token=False).post("/admin/login/", given)
    assert answer["Location"].startswith("/login/")


def test_every_model_with_a_page_is_in_the_table() -> None:
    found = {each.key for each in all_addresses() if each.pattern.startswith("admin/")}
    assert found == ADMIN_KEYS
