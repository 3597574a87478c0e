"""Who gets what from every address: a table, and a walk that fails when an address is not in it.

How to add a row stands in docs/development.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from tests.access_rows_accounts import ROWS
from tests.access_world import MARK, METHODS, OUTSIDERS, WHO, World, all_addresses, body_of
from tests.factories import PASSWORD, upload
from tests.test_access_matrix_admin import ADMIN_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

# Statuses in the order of WHO: nobody, without membership, another laboratory's administrator,
# technician, reviewer, administrator.
Statuses = tuple[int, int, int, int, int, int]
TO_ALL: Statuses = (200, 200, 200, 200, 200, 200)
TO_NONE: Statuses = (404, 404, 404, 404, 404, 404)
# Pages: nobody is sent to the log-in.
PAGE: Statuses = (302, 200, 200, 200, 200, 200)
PAGE_OF_ROW: Statuses = (302, 404, 404, 200, 200, 200)
PAGE_OF_OWNER: Statuses = (302, 404, 404, 200, 404, 404)
PAGE_OF_REVIEWERS: Statuses = (302, 404, 404, 403, 200, 200)
PAGE_OF_ADMINISTRATORS: Statuses = (302, 404, 404, 403, 403, 200)
SENT_BY_ADMINISTRATORS: Statuses = (302, 404, 404, 403, 403, 302)
SENT_BY_REVIEWERS: Statuses = (302, 404, 404, 403, 302, 302)
READER_ALONE: Statuses = (302, 404, 404, 404, 200, 404)
API_READER_ALONE: Statuses = (401, 404, 404, 404, 200, 404)
# The API: nobody is unknown, a row of another laboratory is not there.
API: Statuses = (401, 200, 200, 200, 200, 200)
API_OF_REVIEWERS: Statuses = (401, 404, 404, 403, 201, 201)
API_CHANGED: Statuses = (401, 404, 404, 403, 200, 200)
API_ROW: Statuses = (401, 404, 404, 200, 200, 200)


@dataclass(frozen=True)
class Row:
    """What one address answers.

    Attributes:
        path: where it is, with ``{case}``, ``{cell}``, ... for keys of the laboratory's rows.
        answers: statuses by method; one that is not here must be refused.
        data: what is sent with a method that sends something; called with the world.
    """

    path: str
    answers: dict[str, Statuses]
    data: Callable[[World], dict[str, Any]] = field(default=lambda world: {})


def correction_form(world: World) -> dict[str, Any]:
    from cases.models import Cell

    version = Cell.objects.get(pk=world.pk["cell"]).version
    return {"to_class": "neutrophil", "expected_version": version}


def seen_cells(world: World) -> list[dict[str, int]]:
    from cases.models import Cell

    cell = Cell.objects.get(pk=world.pk["cell"])
    return [{"id": cell.pk, "version": cell.version}]


def signature_form(world: World) -> dict[str, Any]:
    from cases.models import SmearCase
    from cases.services.signing import readiness

    case = SmearCase.objects.for_display().get(pk=world.pk["case"])
    return {"password": PASSWORD, "seen": readiness(case=case).seen}


def range_form(code: str) -> dict[str, Any]:
    return {"cell_class": code, "sex": "any", "age_unit": "year", "percent_high": "10"}


def new_case_form(world: World) -> dict[str, Any]:
    return {
        "laboratory": world.pk["laboratory"],
        "patient_mode": "new",
        "identifier": "new-1",
        "accession_number": "new-1",
    }


# To a method an address does not know; who may not come near is told that first.
REFUSALS = {302, 401, 403, 404, 405}

PAGES = {
    "home": Row("/", {"GET": (302,) * 6, "POST": (302,) * 6, "PUT": (302,) * 6,
                      "PATCH": (302,) * 6, "DELETE": (302,) * 6}),
    "healthz": Row("/healthz", {"GET": TO_ALL}),
    # The suite runs without a broker that answers in time for all, and without a model's bundle.
    "readyz": Row("/readyz", {"GET": (503,) * 6}),
    # With the token alone, whoever is logged in.
    "metrics": Row("/metrics", {"GET": (401,) * 6}),
    # Numbers of the whole site, for whoever manages any laboratory.
    "operations": Row("/operations/", {"GET": (302, 403, 200, 403, 403, 200)}),
    "login": Row("/login/", {"GET": (200, 302, 302, 302, 302, 302),
                             "POST": (200, 302, 302, 302, 302, 302)}),
    "logout": Row("/logout/", {"POST": (302,) * 6}),
    "set_language": Row("/language/", {"POST": (302,) * 6}, lambda world: {"language": "es"}),
    "about_page": Row("/about/project/", {"GET": TO_ALL}),
    "case_list": Row("/cases/", {"GET": PAGE}),
    # Elsewhere's administrator may add cases, but not to this laboratory: the form refuses it.
    "case_create": Row("/cases/new/", {"GET": (302, 403, 200, 200, 200, 200),
                                       "POST": (302, 403, 200, 302, 302, 302),
                                       "PUT": (302, 403, 200, 200, 200, 200)}, new_case_form),
    "patient_suggestions": Row("/patients/suggestions/?identifier=" + MARK, {"GET": PAGE}),
    "case_detail": Row("/cases/{case}/", {"GET": PAGE_OF_ROW}),
    "case_gallery": Row("/cases/{case}/gallery/", {"GET": PAGE_OF_ROW}),
    "case_cells": Row("/cases/{case}/cells/", {"GET": PAGE_OF_ROW}),
    "cell_inspector": Row("/cells/{cell}/inspector/", {"GET": PAGE_OF_ROW}),
    "case_progress": Row("/cases/{case}/progress/", {"GET": PAGE_OF_ROW}),
    "case_upload": Row("/cases/{case}/upload/", {"GET": PAGE_OF_ROW, "POST": PAGE_OF_ROW},
                       lambda world: {"files": upload(seed=99)}),
    "case_failures": Row("/cases/{case}/failures/",
                         {"GET": PAGE_OF_ROW, "POST": (302, 404, 404, 302, 302, 302)}),
    "cell_detail": Row("/cells/{cell}/", {"GET": PAGE_OF_ROW, "POST": SENT_BY_REVIEWERS},
                       correction_form),
    "cell_correct": Row("/cells/{cell}/correct/",
                        {"GET": PAGE_OF_REVIEWERS, "POST": SENT_BY_REVIEWERS}, correction_form),
    "cell_look_alikes": Row("/cells/{cell}/look-alikes/", {"GET": PAGE_OF_ROW}),
    "cell_photo": Row("/cells/{cell}/photo/", {"GET": PAGE_OF_ROW}),
    "image_file": Row("/images/{image}/file/", {"GET": PAGE_OF_ROW}),
    "field_list": Row("/cases/{with_fields}/fields/", {"GET": PAGE_OF_ROW}),
    "field": Row("/cases/{with_fields}/fields/{field_number}/", {"GET": PAGE_OF_ROW}),
    "field_boxes": Row("/cases/{with_fields}/fields/{field_number}/boxes/", {"GET": PAGE_OF_ROW}),
    "field_retry": Row("/cases/{with_fields}/fields/{field_number}/retry/",
                       {"POST": (302, 404, 404, 302, 302, 302)}),
    "image_kind": Row("/images/{image}/kind/", {"POST": (302, 404, 404, 302, 302, 302)},
                      lambda world: {"kind": "field"}),
    "image_tile": Row("/images/{image}/tiles/0/0_0.jpg", {"GET": PAGE_OF_ROW}),
    "image_thumbnail": Row("/images/{image}/thumbnail.jpg", {"GET": PAGE_OF_ROW}),
    "work_list": Row("/work/", {"GET": PAGE}),
    "case_assignment": Row("/cases/{case}/assignment/",
                           {"GET": PAGE_OF_ROW, "POST": SENT_BY_REVIEWERS},
                           lambda world: {"assignee": world.people["reviewer"].pk}),
    "case_priority": Row("/cases/{case}/priority/", {"POST": (302, 404, 404, 302, 302, 302)},
                         lambda world: {"priority": "urgent"}),
    # A quick look needs a laboratory one may upload to; nobody but its owner ever sees it.
    "quick_look": Row("/quick-look/", {"GET": (302, 403, 200, 200, 200, 200),
                                       "POST": (302, 403, 302, 302, 302, 302)},
                      lambda world: {"files": upload(seed=97)}),
    "quick_look_detail": Row("/quick-look/{quicklook}/", {"GET": PAGE_OF_OWNER}),
    "quick_look_progress": Row("/quick-look/{quicklook}/progress/",
                               {"GET": (302, 200, 200, 200, 200, 200)}),
    "quick_look_leave": Row("/quick-look/{quicklook}/leave/",
                            {"POST": (302, 404, 404, 204, 404, 404)}),
    "quick_look_add": Row("/quick-look/{quicklook}/add/",
                          {"POST": (302, 404, 404, 302, 404, 404)},
                          lambda world: {"case": world.pk["case"]}),
    "quick_look_photo": Row("/quick-look/{quicklook}/pictures/1/photo/", {"GET": PAGE_OF_OWNER}),
    "quick_look_heatmap": Row("/quick-look/{quicklook}/pictures/1/heatmap/",
                              {"GET": PAGE_OF_OWNER}),
    # The case has too few cells for a projection; to others it does not exist.
    "projector": Row("/projector/", {"GET": PAGE, "POST": (302, 404, 422, 400, 400, 400)},
                     lambda world: {"source": "case", "case": world.pk["case"], "method": "pca",
                                    "seed": 1}),
    "projection_detail": Row("/projector/{projection}/", {"GET": PAGE_OF_ROW}),
    "projection_progress": Row("/projector/{projection}/progress/", {"GET": PAGE_OF_ROW}),
    "projection_points": Row("/projector/{projection}/points/", {"GET": PAGE_OF_ROW}),
    "projection_atlas": Row("/projector/{projection}/atlas.jpg", {"GET": PAGE_OF_ROW}),
    "projection_picture": Row("/projector/{projection}/picture.png", {"GET": PAGE_OF_ROW}),
    "projection_cells": Row("/projector/{projection}/cells/", {"POST": PAGE_OF_ROW},
                            lambda world: {"places": "0,1"}),
    "case_double_readings": Row("/cases/{case}/readings/",
                                {"GET": PAGE_OF_ROW, "POST": (302, 404, 404, 403, 400, 400)}),
    # Whose reading it is not finds nothing, an administrator neither.
    "reading": Row("/readings/{reading}/",
                   {"GET": READER_ALONE, "POST": (302, 404, 404, 404, 302, 404)},
                   lambda world: {"position": 1, "label": "monocyte"}),
    "reading_finish": Row("/readings/{reading}/finish/", {"POST": (302, 404, 404, 404, 302, 404)}),
    "reading_photo": Row("/readings/{reading}/cells/1/photo/", {"GET": READER_ALONE}),
    "double_reading": Row("/double-readings/{doublereading}/", {"GET": PAGE_OF_ROW}),
    "double_reading_decide": Row("/double-readings/{doublereading}/decide/",
                                 {"POST": SENT_BY_REVIEWERS},
                                 lambda world: {"reading_cell": world.pk["disputed"],
                                                "label": "ig"}),
    "double_reading_finish": Row("/double-readings/{to_close}/finish/",
                                 {"POST": SENT_BY_REVIEWERS}),
    # Whoever asked for it or an administrator withdraws it.
    "double_reading_withdraw": Row("/double-readings/{doublereading}/withdraw/",
                                   {"POST": (302, 404, 404, 403, 403, 302)}),
    "case_result": Row("/cases/{case}/result/", {"GET": PAGE_OF_ROW}),
    "case_result_panel": Row("/cases/{case}/result/panel/", {"GET": PAGE_OF_ROW}),
    "case_white_cells": Row("/cases/{case}/white-cells/",
                            {"POST": (302, 404, 404, 302, 302, 302)},
                            lambda world: {"analyser_wbc": "7.5"}),
    "finding_add": Row("/cases/{case}/findings/", {"POST": SENT_BY_REVIEWERS},
                       lambda world: {"text": "Plasma cell"}),
    "finding_withdraw": Row("/findings/{finding}/withdraw/", {"POST": SENT_BY_REVIEWERS}),
    "case_sign": Row("/cases/{case}/sign/",
                     {"GET": PAGE_OF_REVIEWERS, "POST": SENT_BY_REVIEWERS}, signature_form),
    "case_amend": Row("/cases/{signed}/amend/",
                      {"GET": PAGE_OF_REVIEWERS, "POST": SENT_BY_REVIEWERS},
                      lambda world: {"reason": "Looked again.", "version": 1}),
    "case_version": Row("/cases/{signed}/versions/1/", {"GET": PAGE_OF_ROW}),
    "case_version_diff": Row("/cases/{signed}/versions/1/changes/", {"GET": PAGE_OF_ROW}),
    "laboratory_settings": Row("/laboratories/{laboratory}/settings/",
                               {"GET": PAGE_OF_ADMINISTRATORS, "POST": SENT_BY_ADMINISTRATORS},
                               lambda world: {"nrbc_threshold": "10"}),
    "range_add": Row("/laboratories/{laboratory}/ranges/new/",
                     {"GET": PAGE_OF_ADMINISTRATORS, "POST": SENT_BY_ADMINISTRATORS},
                     lambda world: range_form("monocyte")),
    "range_edit": Row("/laboratories/{laboratory}/ranges/{referencerange}/",
                      {"GET": PAGE_OF_ADMINISTRATORS, "POST": SENT_BY_ADMINISTRATORS},
                      lambda world: range_form("neutrophil")),
    "range_delete": Row("/laboratories/{laboratory}/ranges/{referencerange}/delete/",
                        {"POST": SENT_BY_ADMINISTRATORS}),
    # The world's model has no bundle, so there are no thumbnails to show to anybody.
    "model_atlas": Row("/models/{modelversion}/atlas/references.jpg",
                       {"GET": (302, 404, 404, 404, 404, 404)}),
    # Models belong to the site; who administers a laboratory, any one, may change them.
    "model_list": Row("/models/", {"GET": PAGE, "POST": (302, 403, 400, 403, 403, 400)},
                      lambda world: {"folder": "nothing"}),
    "model_detail": Row("/models/{other_version}/",
                        {"GET": (302, 404, 200, 200, 200, 200),
                         "POST": (302, 404, 400, 403, 403, 302)},
                        lambda world: {"laboratory": world.pk["laboratory"]}),
    "model_activate": Row("/models/{other_version}/activate/",
                          {"POST": (302, 404, 302, 403, 403, 302)}),
    # The bundle of this version is nowhere; test_model_pages.py has one with pictures.
    "model_picture": Row("/models/{modelversion}/pictures/confusion.png",
                         {"GET": (302, 404, 404, 404, 404, 404)}),
    "model_run": Row("/models/runs/{model_run}/", {"GET": (302, 404, 404, 404, 404, 200),
                                                   "POST": (302, 404, 404, 404, 404, 302)}),
    "model_comparison": Row("/models/compare/?first={modelversion}&second={other_version}",
                            {"GET": (302, 403, 200, 403, 403, 200)}),
    "case_report": Row("/cases/{case}/report/", {"GET": PAGE_OF_ROW}),
    "case_report_file": Row("/cases/{case}/report.pdf", {"GET": PAGE_OF_ROW}),
    "case_fhir_file": Row("/cases/{case}/fhir.json", {"GET": PAGE_OF_ROW}),
    "case_counts_file": Row("/cases/{case}/counts.csv", {"GET": PAGE_OF_ROW}),
    "report_verify": Row("/cases/{case}/verify/0/" + "0" * 32 + "/", {"GET": PAGE_OF_ROW}),
    "case_cells_file": Row("/cases/{case}/cells.csv", {"GET": PAGE_OF_ROW}),
    "case_training": Row("/cases/{case}/training.zip", {"GET": (302, 404, 404, 403, 200, 200)}),
    "training": Row("/training/", {"GET": (302, 403, 200, 403, 403, 200)}),
    "laboratory_training": Row("/laboratories/{laboratory}/training.zip",
                               {"GET": (302, 404, 404, 403, 403, 200)}),
}  # fmt: skip

V1 = "/api/v1"
INVALID = (400,) * 6
API_ROUTES = {
    "api-token": Row(f"{V1}/auth/token/", {"POST": INVALID}),
    "api-logout": Row(f"{V1}/auth/logout/", {"POST": (401, 204, 204, 204, 204, 204)}),
    "api-me": Row(f"{V1}/me/", {"GET": API}),
    "api-laboratory-list": Row(f"{V1}/laboratories/", {"GET": API}),
    "api-laboratory-detail": Row(f"{V1}/laboratories/{{laboratory}}/", {"GET": API_ROW}),
    "api-cell-class-list": Row(f"{V1}/cell-classes/", {"GET": API}),
    "api-cell-class-detail": Row(f"{V1}/cell-classes/monocyte/", {"GET": API}),
    "api-patient-list": Row(f"{V1}/patients/", {"GET": API, "POST": (401, 403, 400, 201, 201, 201)},
                            lambda world: {"identifier": "new-2", "laboratory": MARK}),
    "api-patient-detail": Row(f"{V1}/patients/{{patient}}/", {"GET": API_ROW}),
    "api-case-list": Row(f"{V1}/cases/", {"GET": API, "POST": (401, 400, 400, 201, 201, 201)},
                         lambda world: {"patient": world.pk["patient"], "accession_number": "n-3"}),
    "api-case-detail": Row(f"{V1}/cases/{{case}}/", {"GET": API_ROW}),
    "api-case-counts": Row(f"{V1}/cases/{{case}}/counts/", {"GET": API_ROW}),
    "api-case-fhir": Row(f"{V1}/cases/{{case}}/fhir/", {"GET": API_ROW}),
    "api-case-report": Row(f"{V1}/cases/{{case}}/report/", {"GET": API_ROW}),
    "api-case-retry": Row(f"{V1}/cases/{{case}}/retry/", {"POST": API_ROW}),
    "api-case-images": Row(f"{V1}/cases/{{case}}/images/",
                           {"GET": API_ROW, "POST": (401, 404, 404, 201, 201, 201)},
                           lambda world: {"files": upload(seed=98)}),
    "api-detection-list": Row(
        f"{V1}/detections/", {"GET": API, "POST": (401, 403, 404, 403, 201, 201)},
        lambda world: {"image": world.pk["field"], "kind": "white_cell", "left": 10, "top": 10,
                       "width": 60, "height": 60}),
    "api-detection-detail": Row(
        f"{V1}/detections/{{detection}}/?version=0",
        {"GET": API_ROW, "PATCH": API_CHANGED, "DELETE": API_CHANGED},
        lambda world: {"left": 12, "version": 0}),
    "api-detection-corrections": Row(f"{V1}/detections/{{removed}}/corrections/", {"GET": API_ROW}),
    "api-detection-restore": Row(f"{V1}/detections/{{removed}}/restore/", {"POST": API_CHANGED},
                                 lambda world: {"version": 1}),
    "api-detection-duplicate": Row(
        f"{V1}/detections/{{detection}}/duplicate/", {"POST": API_CHANGED},
        lambda world: {"version": 0, "of": world.pk["same"]}),
    "api-detection-unmark-duplicate": Row(
        f"{V1}/detections/{{duplicate}}/unmark_duplicate/", {"POST": API_CHANGED},
        lambda world: {"version": 1}),
    "api-case-corrections": Row(f"{V1}/cases/{{case}}/corrections/",
                                {"POST": (401, 404, 404, 403, 201, 201)},
                                lambda world: {"cells": seen_cells(world), "to": "neutrophil"}),
    "api-case-flags": Row(f"{V1}/cases/{{case}}/flags/", {"POST": (401, 404, 404, 403, 200, 200)},
                          lambda world: {"cells": seen_cells(world), "raised": True}),
    "api-case-changes": Row(f"{V1}/cases/{{case}}/changes/?since=0", {"GET": API_ROW}),
    # The step is the reviewer's own.
    "api-step-undo": Row(f"{V1}/steps/{{step}}/undo/", {"POST": (401, 404, 404, 403, 201, 403)}),
    "api-work-list-list": Row(f"{V1}/work-list/", {"GET": API}),
    "api-case-assignments": Row(f"{V1}/cases/{{case}}/assignments/",
                                {"GET": API_ROW, "POST": (401, 404, 404, 403, 201, 201)},
                                lambda world: {"assignee": world.people["reviewer"].username}),
    "api-case-priority": Row(f"{V1}/cases/{{case}}/priority/", {"PUT": API_ROW},
                             lambda world: {"priority": "urgent"}),
    "api-case-double-readings": Row(f"{V1}/cases/{{compared}}/double-readings/",
                                    {"GET": API_ROW, "POST": (401, 404, 404, 403, 400, 400)},
                                    lambda world: {"readers": ["nobody", "neither"]}),
    "api-double-reading-list": Row(f"{V1}/double-readings/", {"GET": API}),
    "api-double-reading-detail": Row(f"{V1}/double-readings/{{doublereading}}/", {"GET": API_ROW}),
    "api-double-reading-comparison": Row(f"{V1}/double-readings/{{doublereading}}/comparison/",
                                         {"GET": API_ROW}),
    "api-double-reading-cells": Row(f"{V1}/double-readings/{{doublereading}}/cells/",
                                    {"GET": API_ROW}),
    "api-double-reading-decisions": Row(f"{V1}/double-readings/{{doublereading}}/decisions/",
                                        {"POST": (401, 404, 404, 403, 201, 201)},
                                        lambda world: {"id": world.pk["disputed"], "label": "ig"}),
    "api-double-reading-finish": Row(f"{V1}/double-readings/{{to_close}}/finish/",
                                     {"POST": (401, 404, 404, 403, 200, 200)}),
    "api-double-reading-withdraw": Row(f"{V1}/double-readings/{{doublereading}}/withdraw/",
                                       {"POST": (401, 404, 404, 403, 403, 200)}),
    "api-reading-list": Row(f"{V1}/readings/", {"GET": API}),
    "api-reading-detail": Row(f"{V1}/readings/{{reading}}/", {"GET": API_READER_ALONE}),
    "api-reading-cells": Row(f"{V1}/readings/{{reading}}/cells/", {"GET": API_READER_ALONE}),
    "api-reading-photo": Row(f"{V1}/readings/{{reading}}/cells/1/photo/",
                             {"GET": API_READER_ALONE}),
    "api-reading-labels": Row(f"{V1}/readings/{{reading}}/labels/",
                              {"POST": (401, 404, 404, 404, 201, 404)},
                              lambda world: {"position": 1, "label": "monocyte"}),
    "api-reading-finish": Row(f"{V1}/readings/{{reading}}/finish/", {"POST": API_READER_ALONE}),
    "api-image-detail": Row(f"{V1}/images/{{image}}/", {"GET": API_ROW,
                            "PATCH": (401, 404, 404, 200, 200, 200)},
                            lambda world: {"kind": "field"}),
    "api-image-file": Row(f"{V1}/images/{{image}}/file/", {"GET": API_ROW}),
    "api-cell-list": Row(f"{V1}/cells/", {"GET": API}),
    "api-cell-detail": Row(f"{V1}/cells/{{cell}}/", {"GET": API_ROW}),
    "api-cell-corrections": Row(f"{V1}/cells/{{cell}}/corrections/",
                                {"GET": API_ROW, "POST": (401, 404, 404, 403, 201, 201)},
                                lambda world: {"to": "neutrophil"}),
    "api-cell-heatmap": Row(f"{V1}/cells/{{cell}}/heatmap/", {"GET": API_ROW}),
    "api-heatmap-legend": Row(f"{V1}/heatmap-legend/", {"GET": API}),
    "api-correction-list": Row(f"{V1}/corrections/", {"GET": API}),
    "api-correction-detail": Row(f"{V1}/corrections/{{correction}}/", {"GET": API_ROW}),
    "api-prediction-list": Row(f"{V1}/predictions/", {"GET": API}),
    "api-prediction-detail": Row(f"{V1}/predictions/{{prediction}}/", {"GET": API_ROW}),
    "api-model-version-list": Row(f"{V1}/model-versions/",
                                  {"GET": API, "POST": (401, 403, 400, 403, 403, 400)},
                                  lambda world: {"folder": "nothing"}),
    "api-model-version-activate": Row(f"{V1}/model-versions/{{other_version}}/activate/",
                                      {"POST": (401, 404, 200, 403, 403, 200)}),
    "api-model-version-pictures": Row(f"{V1}/model-versions/{{modelversion}}/pictures/curves.png/",
                                      {"GET": (401, 404, 404, 404, 404, 404)}),
    "api-model-run-list": Row(f"{V1}/model-runs/",
                              {"GET": API, "POST": (401, 403, 400, 403, 403, 201)},
                              lambda world: {"model_version": world.pk["other_version"],
                                             "laboratory": MARK}),
    "api-model-run-detail": Row(f"{V1}/model-runs/{{model_run}}/",
                                {"GET": (401, 404, 404, 404, 404, 200)}),
    "api-model-run-cancel": Row(f"{V1}/model-runs/{{model_run}}/cancel/",
                                {"POST": (401, 404, 404, 404, 404, 200)}),
    "api-model-comparison": Row(
        f"{V1}/model-comparison/?first={{modelversion}}&second={{other_version}}",
        {"GET": (401, 403, 200, 403, 403, 200)}),
    "api-model-comparison-cells": Row(
        f"{V1}/model-comparison/cells/?first={{modelversion}}&second={{other_version}}",
        {"GET": (401, 403, 200, 403, 403, 200)}),
    # Models belong to the site: every member of any laboratory sees them.
    "api-model-version-detail": Row(f"{V1}/model-versions/{{modelversion}}/",
                                    {"GET": (401, 404, 200, 200, 200, 200)}),
    "api-case-result": Row(f"{V1}/cases/{{case}}/result/", {"GET": API_ROW}),
    "api-case-readiness": Row(f"{V1}/cases/{{case}}/readiness/", {"GET": API_ROW}),
    "api-case-sign-offs": Row(f"{V1}/cases/{{case}}/sign-offs/",
                              {"GET": API_ROW, "POST": API_OF_REVIEWERS}, signature_form),
    "api-sign-off-detail": Row(f"{V1}/sign-offs/{{signoff}}/", {"GET": API_ROW}),
    "api-case-amendments": Row(f"{V1}/cases/{{signed}}/amendments/",
                               {"GET": API_ROW, "POST": API_OF_REVIEWERS},
                               lambda world: {"reason": "Looked again."}),
    "api-case-findings": Row(f"{V1}/cases/{{case}}/findings/",
                             {"GET": API_ROW, "POST": API_OF_REVIEWERS},
                             lambda world: {"text": "Plasma cell"}),
    "api-finding-withdraw": Row(f"{V1}/findings/{{finding}}/withdraw/",
                                {"POST": (401, 404, 404, 403, 200, 200)}),
    "api-case-white-cells": Row(f"{V1}/cases/{{case}}/white-cells/", {"PUT": API_ROW},
                                lambda world: {"analyser_wbc": "7.5"}),
    "api-laboratory-settings": Row(
        f"{V1}/laboratories/{{laboratory}}/settings/",
        {"GET": API_ROW, "PUT": (401, 404, 404, 403, 403, 200)},
        lambda world: {"nrbc_threshold": "10", "require_all_reviewed": True,
                       "analyser_excludes_nrbc": False}),
    "api-ranges": Row(f"{V1}/laboratories/{{laboratory}}/ranges/",
                      {"GET": API_ROW, "POST": (401, 404, 404, 403, 403, 201)},
                      lambda world: range_form("monocyte")),
    "api-range": Row(f"{V1}/laboratories/{{laboratory}}/ranges/{{referencerange}}/",
                     {"PUT": (401, 404, 404, 403, 403, 200),
                      "DELETE": (401, 404, 404, 403, 403, 204)},
                     lambda world: range_form("neutrophil")),
    "api-schema": Row(f"{V1}/schema/", {"GET": TO_ALL}),
    "api-docs": Row(f"{V1}/docs/", {"GET": TO_ALL}),
    "api-unknown": Row(f"{V1}/nothing/", dict.fromkeys(METHODS, TO_NONE)),
}  # fmt: skip
ACCOUNTS = {
    key: Row(path, answers, lambda world, data=data: data)  # type: ignore[misc, arg-type]
    for key, (path, answers, data) in ROWS.items()
}
TABLE = PAGES | ACCOUNTS | API_ROUTES


def test_every_address_is_in_a_table() -> None:
    found = {each.key for each in all_addresses()}
    assert found == TABLE.keys() | ADMIN_KEYS


def send(client: Client, method: str, row: Row, world: World) -> Any:
    """Send a request, with the row's data where it sends: files and pages as forms, else JSON."""
    path = row.path.format(**world.pk)
    if method == "GET":
        return client.get(path)
    data = row.data(world) if method in row.answers else {}
    if method == "POST" and ("files" in data or not path.startswith("/api/")):
        return client.post(path, data)
    return client.generic(method, path, json.dumps(data), content_type="application/json")


def build_world() -> World:
    return World()


@pytest.mark.parametrize("key", TABLE)
def test_who_gets_what(world: World, key: str) -> None:
    row = TABLE[key]
    clients = {who: world.client(who, by_token=key in API_ROUTES) for who in WHO}
    for method in METHODS:
        got = {}
        for who, client in clients.items():
            with transaction.atomic():
                answer = send(client, method, row, world)
                got[who] = answer.status_code
                if who in OUTSIDERS:
                    assert MARK.encode() not in body_of(answer).lower(), f"{who} reads of {MARK}"
                transaction.set_rollback(True)
        if method in row.answers:
            assert got == dict(zip(WHO, row.answers[method], strict=True)), method
        else:
            assert {got[who] for who in OUTSIDERS} <= REFUSALS, method
            assert {got[who] for who in WHO if who not in OUTSIDERS} == {405}, method
