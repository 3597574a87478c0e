"""What of a request goes into the audit trail: who saw, changed, exported or signed what.

The path says which case is meant, so that a new address needs no entry in a table. Seeing a case is
recorded once in a while for each reader, not for every thumbnail; changes are recorded before they
are made, and a refusal after it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.cache import cache
from django.dispatch import receiver

from cases.audit.models import Action
from cases.audit.services import record
from cases.models import (
    Amendment,
    CaseImage,
    Cell,
    Correction,
    CorrectionBatch,
    Detection,
    DoubleReading,
    Finding,
    Laboratory,
    Membership,
    Patient,
    Reading,
    SignOff,
    SmearCase,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponseBase

SAFE = ("GET", "HEAD", "OPTIONS")
KEY = "([0-9]{1,18})"
# Lookups by the word before a key in the path: model, path to the case, path to the laboratory.
LOOKUPS: dict[str, tuple[Any, str | None, str]] = {}
# A word and a key in a path.
STEP = re.compile(rf"/([a-z-]+)/{KEY}(?=/)")


def know(model: Any, case: str | None, laboratory: str, *words: str) -> None:
    """Say which case and laboratory a path is about that has one of the words before a key.

    Args:
        model: what the key is of; its name is a word already, for Django's admin.
        case: where the row names its case, if it does.
        laboratory: where it names its laboratory.
        words: as addresses have them.
    """
    for each in (model._meta.model_name, *words):
        LOOKUPS[each] = (model, case, laboratory)


know(Laboratory, None, "pk", "laboratories")
know(SmearCase, "pk", "laboratory_id", "cases")
know(Cell, "case_id", "case__laboratory_id", "cells")
know(CaseImage, "case_id", "case__laboratory_id", "images")
know(Detection, "image__case_id", "image__case__laboratory_id", "detections")
know(Correction, "cell__case_id", "cell__case__laboratory_id", "corrections")
know(CorrectionBatch, "case_id", "case__laboratory_id", "steps")
know(Finding, "case_id", "case__laboratory_id", "findings")
know(SignOff, "case_id", "case__laboratory_id", "sign-offs")
know(Amendment, "case_id", "case__laboratory_id")
know(DoubleReading, "case_id", "case__laboratory_id", "double-readings")
know(Reading, "double_reading__case_id", "double_reading__case__laboratory_id", "readings")
know(Patient, None, "laboratory_id", "patients")
know(Membership, None, "laboratory_id", "members")

EXPORT_TYPES = ("text/csv", "application/pdf", "application/zip", "application/fhir+json")
EXPORT_NAMES = re.compile(r"export|report|fhir|csv|training|download")
SIGN_NAMES = re.compile(r"\bsign|[_-]sign")  # not of "assign"
LIST_NAMES = re.compile(
    r"\b(?:api-)?(?:case|work|work-list|patient|cell|image|detection|correction|prediction|reading"
    r"|double-reading|audit)[-_]list$"
    r"|patient_suggestions$|model[-_]comparison(?:-cells)?$| projector$| privacy$|_changelist$"
)
# Fields of a form that say what was asked for, and hold nothing of a patient.
TOLD = ("action", "role", "to_class", "to", "required", "priority", "assignee", "scopes", "days",
        "requires_second_factor", "version", "expected_version")  # fmt: skip
BEGUN = "_audit_begun"


class Place(NamedTuple):
    """Where a request went."""

    case_id: int | None
    laboratory_id: int | None


def step_of(path: str) -> tuple[str, int] | None:
    """The first word with a key in the path that says where it is."""
    for found in STEP.finditer(path):
        if found[1] in LOOKUPS:
            return found[1], int(found[2])
    return None


def place_of(path: str) -> Place:
    """The case and the laboratory a path is about, if any; one query."""
    step = step_of(path)
    if step is None:
        return Place(None, None)
    word, key = step
    model, case_path, laboratory_path = LOOKUPS[word]
    wanted = [case_path or "pk", laboratory_path]
    row = model.objects.filter(pk=key).values_list(*wanted).first()
    if row is None:
        return Place(None, None)
    return Place(row[0] if case_path else None, row[1])


class TrailMiddleware:
    """Record sessions' requests; a token's user is known to the view first, which calls begin."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        user = request.user
        if settings.AUDIT and user.is_authenticated:
            finish(request, response, user)
        return response

    def process_view(self, request: HttpRequest, *ignored: Any) -> None:
        if request.user.is_authenticated:
            begin(request, request.user)


def begin(request: Any, user: Any) -> None:
    """Record a change before it is made: nothing changes without an entry."""
    if not settings.AUDIT or request.method in SAFE or hasattr(request, BEGUN):
        return
    name = name_of(request)
    signing = SIGN_NAMES.search(name) is not None
    entries = [
        record(
            action=Action.SIGNED if signing else Action.CHANGED,
            subject=name,
            user=user,
            case_id=place.case_id,
            laboratory_id=place.laboratory_id,
            details=details_of(request),
            address=address_of(request),
        )
        for place in places_of(request, user)
    ]
    setattr(request, BEGUN, entries)


def finish(request: Any, response: HttpResponseBase, user: Any) -> None:
    """Record what was seen or taken away, or that a change was refused."""
    status = response.status_code
    begun = getattr(request, BEGUN, None)
    if begun is not None:
        if status >= 400:
            for entry in begun:
                _note(request, Action.REFUSED, entry.subject, user,
                      Place(entry.case_id, entry.laboratory_id),
                      {"entry": entry.sequence, "status": status})  # fmt: skip
        return
    if status >= 300 and status != 304:
        return
    name = name_of(request)
    if is_export(name, response):
        for place in places_of(request, user):
            details = {"path": request.path[:200]}
            _note(request, Action.EXPORTED, name, user, place, details)
    elif step := step_of(request.path):
        _seen(request, name, user, step)
    elif LIST_NAMES.search(name) and _first_in_a_while(f"{user.pk}:{name.replace(' ', ':')}"):
        for place in places_of(request, user):
            _note(request, Action.LISTED, name, user, place, {})


def _seen(request: Any, name: str, user: Any, step: tuple[str, int]) -> None:
    """Once for a reader and a case; which path belongs to which case is remembered as well."""
    word, key = step
    remembered = f"audit:place:{word}:{key}"
    place = cache.get(remembered)
    if place is None:
        place = tuple(place_of(request.path))
        cache.set(remembered, place, settings.AUDIT_MINUTES * 60)
    here = Place(*place)
    if here.laboratory_id is None:
        return
    what = f"case:{here.case_id}" if here.case_id else f"{word}:{key}"
    if _first_in_a_while(f"{user.pk}:{what}"):
        _note(request, Action.VIEWED, name, user, here, {"path": request.path[:200]})


def _first_in_a_while(what: str) -> bool:
    return bool(cache.add(f"audit:seen:{what}", 1, settings.AUDIT_MINUTES * 60))


def _note(
    request: Any, action: str, name: str, user: Any, place: Place, details: dict[str, Any]
) -> None:
    record(
        action=action,
        subject=name,
        user=user,
        case_id=place.case_id,
        laboratory_id=place.laboratory_id,
        details=details,
        address=address_of(request),
    )


def places_of(request: Any, user: Any) -> list[Place]:
    """Where it happened: the path's case, else each laboratory of the user, with its own entry."""
    place = place_of(request.path)
    if place.laboratory_id is not None:
        return [place]
    own = Membership.objects.filter(user_id=user.pk).values_list("laboratory_id", flat=True)
    return [Place(None, each) for each in own] or [Place(None, None)]


def name_of(request: Any) -> str:
    match = request.resolver_match
    return f"{request.method} {match.view_name if match and match.view_name else request.path}"


def is_export(name: str, response: HttpResponseBase) -> bool:
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    attached = response.headers.get("Content-Disposition", "").startswith("attachment")
    return (
        attached
        or kind in EXPORT_TYPES
        or (bool(EXPORT_NAMES.search(name)) and not kind.startswith("text/html"))
    )


def details_of(request: Any) -> dict[str, Any]:
    """What was asked for, in words that name no patient.

    Only of the pages' plain forms: reading an upload here would take its limits from the view.
    """
    said: dict[str, Any] = {"path": request.path[:200]}
    plain = request.content_type == "application/x-www-form-urlencoded"
    if plain and not request.path.startswith("/api/"):
        for name in TOLD:
            if name in request.POST:
                said[name] = [each[:100] for each in request.POST.getlist(name)[:20]]
    return said


def address_of(request: Any) -> str | None:
    """The client's address: the proxy's word counts only behind one."""
    given = request.META.get("REMOTE_ADDR", "")
    if settings.REST_FRAMEWORK["NUM_PROXIES"]:
        given = request.META.get("HTTP_X_FORWARDED_FOR", given).split(",")[-1].strip()
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        return None


@receiver(user_logged_in)
def logged_in(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    of_person(Action.LOGGED_IN, request, user)


@receiver(user_logged_out)
def logged_out(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    if user is not None:
        of_person(Action.LOGGED_OUT, request, user)


@receiver(user_login_failed)
def log_in_failed(sender: Any, credentials: Any, request: Any = None, **kwargs: Any) -> None:
    from cases.models import User

    name = str(credentials.get("username", ""))[:150]
    user = User.objects.filter(username=name).first()
    if user is not None:  # names that do not exist would let anybody write at will
        of_person(Action.LOG_IN_FAILED, request, user)


def of_person(action: str, request: Any, user: Any, subject: str = "log-in") -> None:
    """Record what somebody did to their own way in, in each of their laboratories."""
    if not settings.AUDIT or request is None:
        return
    own = Membership.objects.filter(user_id=user.pk).values_list("laboratory_id", flat=True)
    known: list[int | None] = [*own]
    for laboratory_id in known or [None]:
        record(
            action=action,
            subject=subject,
            user=user,
            laboratory_id=laboratory_id,
            address=address_of(request),
        )
