"""Pages for running the site: the queue and its workers, rules of keeping, removal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from cases.models import Laboratory, Patient, User
from classifier.models import Removal, RetentionRules, Worker
from classifier.services.work import run_pending
from tests.browser.conftest import log_in, serious_findings
from tests.classifier_tests.fakes import FakePredictor, make_version, no_answer, queue_cells
from tests.factories import PatientFactory, SignOffFactory, SmearCaseFactory, member

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ADDRESSES = ("/operations/", "/privacy/", "/privacy/?identifier=P-", "/patients/{patient}/remove/")


@pytest.fixture
def administrator(laboratory: Laboratory) -> User:
    """With workers in every state, a cell that failed and others that wait."""
    adela: User = member(laboratory, "administrator", username="adela")
    make_version()
    patient = PatientFactory(laboratory=laboratory, name="María Fernández López")
    case = SmearCaseFactory(laboratory=laboratory, patient=patient)
    SignOffFactory(case=case, signed_by=adela)
    RetentionRules.objects.create(laboratory=laboratory, unsigned_days=30, updated_by=adela)
    Removal.objects.create(
        laboratory=laboratory, reason="request", rows={"cases.Cell": 200}, files=200, made_by=adela
    )
    queue_cells(case, 1)
    run_pending(predictor=FakePredictor(reply=lambda picture: no_answer()))
    queue_cells(case, 3)
    now = timezone.now()
    states: dict[str, dict[str, Any]] = {
        "celery@one-of-the-long-names.hospital.example.org": {"busy_since": now},
        "celery@idle": {"failures": {"undecodable": 2}, "failed_batches": 1},
        "celery@silent": {"seen_at": now - timedelta(hours=3)},
        "celery@stopped": {"stopped_at": now},
    }
    for name, given in states.items():
        Worker.objects.create(
            name=name,
            **{
                "started_at": now,
                "seen_at": now,
                "model_name": "vgg19-pbc-160",
                "device": "CPU AMD EPYC, float32",
                "batches": 1204,
                "cells": 19264,
                "milliseconds": 19264 * 88.4,
                **given,
            },
        )
    return adela


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1440), ("es", "dark", 390)]
)
def test_pages_are_accessible_and_fit(
    open_page: Callable[..., Page],
    administrator: User,
    language: str,
    scheme: str,
    width: int,
) -> None:
    page = open_page(width=width, height=844, color_scheme=scheme, locale=language)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    log_in(page, "adela")
    faults: dict[str, Any] = {}
    patient = Patient.objects.get(name_record__name__startswith="María").pk
    for pattern in ADDRESSES:
        address = pattern.format(patient=patient)
        page.goto(address)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.lang") == language
        if found := serious_findings(page):
            faults[address] = found
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults[address] = "wider than the screen"
    assert faults == {}
    assert [text for text in refused if "Policy" in text] == []
