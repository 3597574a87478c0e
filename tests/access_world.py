"""Two laboratories and everybody who might knock at an address, for the access matrix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from cases.accounts.models import Invitation
from cases.models import (
    ApiToken,
    CaseAssignment,
    Cell,
    DetectionCorrection,
    Page,
    ReadingLabel,
    Role,
    SmearCase,
    User,
)
from cases.services.corrections import correct_cell
from cases.services.fields import mark_duplicate, remove_detection
from classifier.models import (
    DetectorVersion,
    FieldRun,
    ModelRun,
    ModelVersion,
    Prediction,
    Projection,
    QuickLook,
    TilePyramid,
)
from classifier.services import quick_looks
from classifier.services.work import run_pending
from tests.classifier_tests.fakes import FakePredictor, make_version, queue_cells
from tests.factories import (
    AmendmentFactory,
    FindingFactory,
    LaboratoryFactory,
    LaboratorySettingsFactory,
    PatientFactory,
    ReferenceRangeFactory,
    SignOffFactory,
    SmearCaseFactory,
    UserFactory,
    cell_class,
    member,
    picture_bytes,
    upload,
)
from tests.field_rows import field_of
from tests.reading_rows import asked_for, case_to_read, read_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
WHO = (
    "nobody",
    "without membership",
    "another laboratory's administrator",
    "technician",
    "reviewer",
    "administrator",
)
OUTSIDERS = WHO[:3]
# In everything the laboratory wrote and in nothing else: no answer to an outsider may hold it.
MARK = "zebra"


@dataclass(frozen=True)
class Address:
    """One pattern of the resolver."""

    key: str  # its name with namespace, or the pattern where it has none
    pattern: str
    callback: Any


def all_addresses(resolver: Any = None, prefix: str = "", space: str = "") -> Iterator[Address]:
    """Every pattern, those of API routers and of the admin included."""
    for each in (resolver or get_resolver()).url_patterns:
        pattern = prefix + str(each.pattern)
        if hasattr(each, "url_patterns"):
            inner = f"{space}{each.namespace}:" if each.namespace else space
            yield from all_addresses(each, pattern, inner)
        else:
            yield Address(f"{space}{each.name}" if each.name else pattern, pattern, each.callback)


class World:
    """One laboratory with a row of everything, and six people of whom three have no business there.

    Attributes:
        people: the user by who they are; ``None`` for nobody.
        pk: keys of the laboratory's rows by what they are.
    """

    def __init__(self) -> None:
        self.laboratory = LaboratoryFactory(name=f"{MARK} laboratory", slug=MARK)
        elsewhere = LaboratoryFactory(name="Elsewhere", slug="elsewhere")
        PatientFactory(laboratory=elsewhere, identifier="E-1")
        self.people: dict[str, User | None] = {
            "nobody": None,
            "without membership": UserFactory(username="alone"),
            # As administrators are: they may open Django's admin, for their own laboratory.
            WHO[2]: member(elsewhere, Role.ADMINISTRATOR, username="elsewhere", is_staff=True),
            "technician": member(self.laboratory, Role.TECHNICIAN, username=f"{MARK}-t"),
            "reviewer": member(self.laboratory, Role.REVIEWER, username=f"{MARK}-r"),
            "administrator": member(
                self.laboratory, Role.ADMINISTRATOR, username=f"{MARK}-a", is_staff=True
            ),
        }
        patient = PatientFactory(
            laboratory=self.laboratory, identifier=f"{MARK}-1", name=f"{MARK} patient"
        )
        case = SmearCaseFactory(
            laboratory=self.laboratory,
            patient=patient,
            accession_number=f"{MARK}-2026",
            clinical_note=f"{MARK} note",
            created_by=self.people["technician"],
        )
        version: ModelVersion = make_version()
        (cell,) = queue_cells(case, 1)
        cell.image.original_name = f"{MARK}.png"
        cell.image.save()
        run_pending(predictor=FakePredictor())
        with_fields = SmearCaseFactory(
            laboratory=self.laboratory,
            patient=patient,
            accession_number=f"{MARK}-fields",
            created_by=self.people["technician"],
        )
        field, other_field = field_of(with_fields), field_of(with_fields)
        found = list(field.detections.order_by("number"))
        detector = DetectorVersion.objects.create(
            name="detector", bundle="nowhere", weights_sha256="0" * 64, manifest={}, active=True
        )
        field_run = FieldRun.objects.create(image=field, detector=detector, state="done")
        reviews: Any = {"user": self.people["reviewer"], "comment": f"{MARK} why"}
        remove_detection(detection=found[1], version=0, **reviews)
        original = other_field.detections.get(number=4)
        mark_duplicate(detection=found[3], version=0, of=original, **reviews)
        correction = correct_cell(
            cell_id=cell.pk,
            user=self.people["reviewer"],  # type: ignore[arg-type]
            to_class="monocyte",
            comment=f"{MARK} comment",
        )
        Cell.objects.filter(pk=cell.pk).update(label_source="reviewer", review_state="confirmed")
        TilePyramid.objects.create(
            image=cell.image, folder=f"cases/{case.pk}/tiles/{MARK}", tiles_total=1, state="done"
        )
        default_storage.save(f"cases/{case.pk}/tiles/{MARK}/0/0_0.jpg", ContentFile(b"a tile"))
        assignment = CaseAssignment.objects.create(
            case=case, assignee=None, made_by=self.people["administrator"]
        )
        settings = LaboratorySettingsFactory(laboratory=self.laboratory)
        limits = ReferenceRangeFactory(
            laboratory=self.laboratory, percent_low=40, percent_high=75, source=f"{MARK} study"
        )
        finding = FindingFactory(case=case, text=f"{MARK} finding", made_by=self.people["reviewer"])
        signed = SmearCaseFactory(
            laboratory=self.laboratory,
            patient=patient,
            accession_number=f"{MARK}-signed",
            created_by=self.people["technician"],
            status="signed_off",
        )
        sign_off = SignOffFactory(
            case=signed, signed_by=self.people["reviewer"], comment=f"{MARK} signature"
        )
        amendment = AmendmentFactory(
            sign_off=SignOffFactory(case=case, signed_by=self.people["reviewer"]),
            made_by=self.people["reviewer"],
            reason=f"{MARK} reason",
        )
        # Cases of their own: what somebody reads blind is out of their sight everywhere else.
        others = [member(self.laboratory, Role.REVIEWER, username=f"{MARK}-{n}") for n in (1, 2)]
        asks, reviewer = self.people["administrator"], self.people["reviewer"]
        to_read, to_compare, to_close = (
            asked_for(self._case_to_read(patient, name), asks, readers)  # type: ignore[arg-type]
            for name, readers in (
                ("read", (reviewer, others[0])),
                ("compare", (others[0], others[1])),
                ("close", (others[0], others[1])),
            )
        )
        mine, _other = to_read.readings.order_by("number")
        own_cells = list(to_read.cells.all())
        ReadingLabel.objects.bulk_create(
            ReadingLabel(reading=mine, reading_cell=each, label=cell_class("neutrophil"))
            for each in own_cells
        )
        disputed = to_compare.cells.all()[0]
        read_at_once(to_compare, {disputed.cell_id: "ig"})
        read_at_once(to_close)
        other = make_version("model two", active=False)
        run = ModelRun.objects.create(
            model_version=version,
            laboratory=self.laboratory,
            newest_cell=0,
            cells=1,
            requested_by=self.people["administrator"],
        )
        self.pk: dict[str, Any] = {
            "reading": mine.pk,
            "doublereading": to_compare.pk,
            "to_close": to_close.pk,
            "disputed": disputed.pk,
            "compared": to_compare.case_id,
            "laboratorysettings": settings.pk,
            "referencerange": limits.pk,
            "finding": finding.pk,
            "signed": signed.pk,
            "signoff": sign_off.pk,
            "amendment": amendment.pk,
            "laboratory": self.laboratory.pk,
            "patient": patient.pk,
            "case": case.pk,
            "image": cell.image_id,
            "cell": cell.pk,
            "projection": projection_of(case, self.people["technician"]).pk,
            "quicklook": quick_look_of(self.people["technician"]).pk,
            "page": Page.objects.get(slug="project").pk,
            "cellclass": cell.case.cells.get().label_id,
            "correction": correction.pk,
            "field": field.pk,
            "field_number": field.number,
            "with_fields": with_fields.pk,
            "detection": found[0].pk,
            "detectorversion": detector.pk,
            "fieldrun": field_run.pk,
            "detectioncorrection": DetectionCorrection.objects.latest("pk").pk,
            "removed": found[1].pk,
            "duplicate": found[3].pk,
            "same": other_field.detections.get(number=1).pk,
            "step": correction.batch_id,
            "caseassignment": assignment.pk,
            "modelversion": version.pk,
            "other_version": other.pk,
            "model_run": run.pk,
            "classificationjob": version.jobs.get().pk,
            "prediction": Prediction.objects.get(cell=cell).pk,
            "membership": self.laboratory.memberships.get(role=Role.TECHNICIAN).pk,
            "user": self.people["technician"].pk,  # type: ignore[union-attr]
            "invitation": Invitation.objects.create(
                laboratory=self.laboratory,
                email=f"{MARK}@example.org",
                role=Role.REVIEWER,
                digest=MARK,
                expires_at=timezone.now() + timedelta(days=1),
            ).pk,
        }

    def _case_to_read(self, patient: Any, name: str) -> SmearCase:
        case: SmearCase = SmearCaseFactory(
            laboratory=self.laboratory,
            patient=patient,
            accession_number=f"{MARK}-{name}",
            created_by=self.people["technician"],
        )
        return case_to_read(case, 2)

    def client(self, who: str, *, by_token: bool) -> Client:
        """A client of this person: with a token for the API, with a session for pages."""
        user = self.people[who]
        client = Client(raise_request_exception=False)
        if user is None:
            return client
        if by_token:
            _kept, token = ApiToken.objects.create(user)
            return Client(
                raise_request_exception=False, headers={"Authorization": f"Token {token}"}
            )
        client.force_login(user)
        return client


def projection_of(case: SmearCase, user: Any) -> Projection:
    """A computed projection of the case's cells, two points of it."""
    cell = case.cells.order_by("pk").first()
    return Projection.objects.create(
        key=MARK,
        source=Projection.Source.CASE,
        case=case,
        laboratory=case.laboratory,
        model_version=Prediction.objects.filter(cell=cell).latest("pk").model_version,
        method=Projection.Method.PCA,
        requested_by=user,
        total=2,
        count=2,
        points=np.eye(2, 3, dtype="<f4").tobytes(),
        cells=np.array([cell.pk, 0], "<i8").tobytes(),
        neighbours=np.array([[1], [0]], "<i4").tobytes(),
        atlas=picture_bytes("JPEG"),
        atlas_columns=2,
        state="done",
    )


def quick_look_of(user: Any) -> QuickLook:
    """An answered quick look of this user, of one picture."""
    look, _refused = quick_looks.start_quick_look(user=user, files=[upload(f"{MARK}.png")])
    quick_looks.answer_waiting(reader=FakePredictor())
    assert look is not None
    return look


def body_of(answer: Any) -> bytes:
    """The whole body, of a streamed file too."""
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)
