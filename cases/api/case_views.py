"""Patients, cases, their images and their counts."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from cases.api.detection_serializers import ImageKindSerializer
from cases.api.filters import PatientFilterSet, SmearCaseFilterSet
from cases.api.idempotency import answer_once
from cases.api.parsers import MultiPartParser
from cases.api.problems import problem
from cases.api.schema import IDEMPOTENCY_KEY, problems
from cases.api.serializers import (
    CaseCountsSerializer,
    CaseImageSerializer,
    PatientInputSerializer,
    PatientSerializer,
    SmearCaseInputSerializer,
    SmearCaseSerializer,
    UploadAnswerSerializer,
    UploadSerializer,
)
from cases.models import Cell, Laboratory, SmearCase
from cases.policies import Action, policy_of
from cases.services.cases import create_case, create_patient
from cases.services.counts import case_counts
from cases.services.errors import Missing
from cases.services.searches import change_kind
from cases.services.uploads import ACCEPTED, DUPLICATE, REJECTED, store_images
from cases.views.media import file_answer

KEY = "[0-9]{1,18}"
NO_CELLS = dict.fromkeys(
    ("total", "finished", "failed", "needs_review", "flagged", "unfamiliar"), 0
)


class PatientViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]
):
    """Patients of my laboratories."""

    serializer_class = PatientSerializer
    filterset_class = PatientFilterSet
    lookup_value_regex = KEY
    orderings = {
        "-id": ("-id",),
        "id": ("id",),
        "identifier": ("identifier", "id"),
        "-identifier": ("-identifier", "-id"),
    }

    def get_queryset(self) -> Any:
        return policy_of(self.request).patients().select_related("laboratory").with_name()

    @extend_schema(
        request=PatientInputSerializer,
        responses={201: PatientSerializer, **problems(400, 401, 403, 409)},
    )
    def create(self, request: Any) -> Response:
        """Register a patient. 409 when the laboratory has the identifier already."""
        form = PatientInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        laboratory = _chosen_laboratory(request, form.validated_data.pop("laboratory", None))
        patient = create_patient(user=request.user, laboratory=laboratory, **form.validated_data)
        return Response(self.get_serializer(patient).data, status=201)


def _chosen_laboratory(request: Any, named: str | None) -> Laboratory:
    """The laboratory meant: by short name or id, or the only one there is to choose."""
    policy = policy_of(request)
    policy.require_anywhere(Action.UPLOAD)
    laboratories = policy.laboratories(Action.UPLOAD)
    if named is None:
        choice = list(laboratories[:2])
        if len(choice) == 1:
            return choice[0]
        raise ValidationError({"laboratory": [_("Say which laboratory.")]})
    for laboratory in laboratories:
        if named in (laboratory.slug, str(laboratory.pk)):
            return laboratory
    raise ValidationError({"laboratory": [_("You have no such laboratory.")]})


class SmearCaseViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]
):
    """Smear cases of my laboratories."""

    serializer_class = SmearCaseSerializer
    filterset_class = SmearCaseFilterSet
    lookup_value_regex = KEY
    orderings = {
        "-id": ("-id",),
        "id": ("id",),
        "accession_number": ("accession_number", "id"),
        "-accession_number": ("-accession_number", "-id"),
    }

    def get_queryset(self) -> Any:
        return policy_of(self.request).cases().for_display()

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        return with_progress(page) if page is not None else None

    def get_object(self) -> SmearCase:
        case: SmearCase = super().get_object()
        return case

    @extend_schema(responses={200: SmearCaseSerializer, **problems(401, 404)})
    def retrieve(self, request: Any, pk: str) -> Response:
        """One case with its progress."""
        (case,) = with_progress([self.get_object()])
        return Response(self.get_serializer(case).data)

    @extend_schema(
        request=SmearCaseInputSerializer,
        responses={201: SmearCaseSerializer, **problems(400, 401, 403, 409)},
    )
    def create(self, request: Any) -> Response:
        """Open a case. 409 when the laboratory has the accession number already."""
        form = SmearCaseInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data.pop("patient")
        patient = policy_of(request).patients().select_related("laboratory").by_key(wanted)
        if patient is None:
            raise ValidationError({"patient": [_("There is no such patient.")]})
        case = create_case(
            user=request.user,
            laboratory=patient.laboratory,
            patient=patient,
            **form.validated_data,
        )
        (case,) = with_progress([case])
        return Response(self.get_serializer(case).data, status=201)

    @extend_schema(responses={200: CaseCountsSerializer, **problems(401, 404)})
    @action(detail=True, filterset_class=None, pagination_class=None)
    def counts(self, request: Any, pk: str) -> Response:
        """Counts of a case and its differential with exact 95 % intervals."""
        return Response(CaseCountsSerializer(case_counts(case=self.get_object())).data)


def with_progress(cases: list[SmearCase]) -> list[Any]:
    """Put the cells' progress on each of these cases, with one query for all."""
    progress = Cell.objects.progress_by_case([case.pk for case in cases])
    shown: list[Any] = cases
    for case in shown:
        counted = progress.get(case.pk, NO_CELLS)
        case.progress = {**counted, "pending": counted["total"] - counted["finished"]}
    return shown


class CaseImagesViewSet(viewsets.GenericViewSet[Any]):
    """The images of one case."""

    serializer_class = CaseImageSerializer
    parser_classes = (MultiPartParser,)
    filter_backends = ()
    orderings = {"id": ("id",), "-id": ("-id",)}

    def get_queryset(self) -> Any:
        return policy_of(self.request).images().select_related("uploaded_by")

    def _case(self) -> SmearCase:
        case: SmearCase | None = policy_of(self.request).cases().by_key(int(self.kwargs["case"]))
        if case is None:
            raise Missing("not_found", _("There is no such case."))
        return case

    @extend_schema(responses={200: CaseImageSerializer(many=True), **problems(401, 404)})
    def list(self, request: Any, case: str) -> Response:
        """Images in the order of their numbers."""
        page = self.paginate_queryset(self.get_queryset().in_case(self._case().pk))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY],
        request={"multipart/form-data": UploadSerializer},
        responses={
            200: OpenApiResponse(UploadAnswerSerializer, "Nothing new: duplicates."),
            201: OpenApiResponse(UploadAnswerSerializer, "At least one file was accepted."),
            **problems(400, 401, 403, 404, 409, 413, 415),
            **problems(422, status_422=UploadAnswerSerializer),
        },
    )
    def create(self, request: Any, case: str) -> Response:
        """Upload pictures or ZIPs of them; every file gets its own answer.

        201 when at least one file was accepted, 200 when all were duplicates or some were and
        none was new, 422 when every file was rejected. The form is the same in all three.
        """
        row = self._case()
        policy_of(request).require(Action.UPLOAD, row.laboratory_id)
        form = UploadSerializer(
            data={"files": request.FILES.getlist("files"), **_kind_given(request.data)}
        )
        form.is_valid(raise_exception=True)
        return answer_once(request, lambda: self._store(request, row, form), atomic=False)

    def _store(self, request: Any, case: SmearCase, form: UploadSerializer) -> Response:
        answers = list(store_images(case=case, user=request.user, **form.validated_data))
        outcomes = [each.outcome for each in answers]
        body = UploadAnswerSerializer(
            {
                "accepted": outcomes.count(ACCEPTED),
                "duplicates": outcomes.count(DUPLICATE),
                "rejected": outcomes.count(REJECTED),
                "files": answers,
            },
            context={"request": request},
        ).data
        if ACCEPTED in outcomes:
            return Response(body, status=201)
        if DUPLICATE in outcomes:
            return Response(body)
        return problem(
            request,
            status=422,
            code="no_file_accepted",
            detail=_("None of the files was accepted; see the answer to each."),
            extra=dict(body),
        )


def _kind_given(data: Any) -> dict[str, Any]:
    return {"kind": data["kind"]} if "kind" in data else {}


class CaseImageViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]):
    """One image."""

    serializer_class = CaseImageSerializer
    lookup_value_regex = KEY
    filter_backends = ()

    def get_queryset(self) -> Any:
        return policy_of(self.request).images().select_related("uploaded_by", "case")

    @extend_schema(
        request=ImageKindSerializer,
        responses={200: CaseImageSerializer, **problems(400, 401, 403, 404, 409)},
    )
    def partial_update(self, request: Any, pk: str) -> Response:
        """Correct what an image shows; its cells are looked for or named anew."""
        image = self.get_object()
        policy_of(request).require(Action.UPLOAD, image.case.laboratory_id)
        form = ImageKindSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        change_kind(user=request.user, image=image, kind=form.validated_data["kind"])
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        responses={
            (200, "image/jpeg"): OpenApiTypes.BINARY,
            (200, "image/png"): OpenApiTypes.BINARY,
            (200, "image/tiff"): OpenApiTypes.BINARY,
            **problems(401, 404),
        }
    )
    @action(detail=True)
    def file(self, request: Any, pk: str) -> Any:
        """The picture: upright, RGB, without metadata; a large TIFF as it was uploaded."""
        image = self.get_object()
        try:
            return file_answer(image, download=False)
        except Http404 as error:
            raise Missing(
                "file_missing", _("The file is missing from the storage; tell the administrator.")
            ) from error
