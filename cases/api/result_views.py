"""Results of cases: signing, amending, findings, the WBC count."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle, UserRateThrottle

from cases.api.case_views import KEY
from cases.api.result_serializers import (
    AmendInputSerializer,
    AmendmentSerializer,
    FindingInputSerializer,
    FindingSerializer,
    NotReadyProblemSerializer,
    ReadinessSerializer,
    SignInputSerializer,
    SignOffDetailSerializer,
    SignOffSerializer,
    WhiteCellsSerializer,
)
from cases.api.schema import problems
from cases.models import SmearCase, TokenScope
from cases.policies import Action, policy_of
from cases.services.errors import Missing
from cases.services.findings import add_finding, set_analyser_wbc, withdraw_finding
from cases.services.signing import amend_case, readiness, sign_case
from cases.services.snapshots import as_stored, case_summary


class OfCaseViewSet(viewsets.GenericViewSet[Any]):
    """Something about one case, which stands in the address."""

    filter_backends = ()

    def case(self) -> SmearCase:
        """The case, if it is of one of my laboratories.

        Raises:
            Missing: ``not_found``.
        """
        cases = policy_of(self.request).cases().for_display()
        row: SmearCase | None = cases.by_key(int(self.kwargs["case"]))
        if row is None:
            raise Missing("not_found", _("There is no such case."))
        return row


class CaseResultViewSet(OfCaseViewSet):
    """The result of a case as it stands."""

    queryset = SmearCase.objects.none()

    @extend_schema(
        operation_id="cases_result", responses={200: OpenApiTypes.OBJECT, **problems(401, 404)}
    )
    def retrieve(self, request: Any, case: str) -> Response:
        """The differential with intervals, before and after review, absolute counts and flags."""
        return Response(as_stored(case_summary(case=self.case())))


class CaseReadinessViewSet(OfCaseViewSet):
    """Whether a case can be signed."""

    queryset = SmearCase.objects.none()
    serializer_class = ReadinessSerializer

    @extend_schema(
        operation_id="cases_readiness", responses={200: ReadinessSerializer, **problems(401, 404)}
    )
    def retrieve(self, request: Any, case: str) -> Response:
        """What stands in the way of a signature, if anything."""
        return Response(self.get_serializer(readiness(case=self.case())).data)


class CaseSignOffsViewSet(OfCaseViewSet):
    """The signed versions of one case."""

    serializer_class = SignOffSerializer
    throttle_scope = "token"
    token_scopes = {"create": TokenScope.SIGN}

    def get_throttles(self) -> Any:
        """Signing takes a password, so it is throttled as the log-in is."""
        guarded = self.action == "create"
        return [ScopedRateThrottle()] if guarded else [UserRateThrottle()]

    def get_queryset(self) -> Any:
        return policy_of(self.request).sign_offs().without_snapshot().for_display()

    @extend_schema(responses={200: SignOffSerializer(many=True), **problems(401, 404)})
    def list(self, request: Any, case: str) -> Response:
        """The versions, the latest first, without their content."""
        page = self.paginate_queryset(self.get_queryset().of_case(self.case().pk))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        request=SignInputSerializer,
        responses={
            201: SignOffSerializer,
            **problems(400, 401, 403, 404, 409, status_409=NotReadyProblemSerializer),
        },
    )
    def create(self, request: Any, case: str) -> Response:
        """Sign the case with your password. 409 with what is left to do when it is not ready."""
        row = self.case()
        policy_of(request).require(Action.SIGN, row.laboratory_id)
        form = SignInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        signed = sign_case(case_id=row.pk, user=request.user, **form.validated_data)
        return Response(self.get_serializer(signed).data, status=201)


class SignOffViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]):
    """One signed version with its content, as it was signed."""

    serializer_class = SignOffDetailSerializer
    lookup_value_regex = KEY
    filter_backends = ()

    def get_queryset(self) -> Any:
        return policy_of(self.request).sign_offs().for_display()


class CaseAmendmentsViewSet(OfCaseViewSet):
    """The amendments of one case."""

    serializer_class = AmendmentSerializer
    token_scopes = {"create": TokenScope.SIGN}

    def get_queryset(self) -> Any:
        return policy_of(self.request).amendments().for_display()

    @extend_schema(responses={200: AmendmentSerializer(many=True), **problems(401, 404)})
    def list(self, request: Any, case: str) -> Response:
        """Why which version was amended, the latest first."""
        page = self.paginate_queryset(self.get_queryset().of_case(self.case().pk))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        request=AmendInputSerializer,
        responses={201: AmendmentSerializer, **problems(400, 401, 403, 404, 409)},
    )
    def create(self, request: Any, case: str) -> Response:
        """Open a signed case again as its next version. 409 when it is not signed."""
        row = self.case()
        policy_of(request).require(Action.SIGN, row.laboratory_id)
        form = AmendInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        made = amend_case(case_id=row.pk, user=request.user, **form.validated_data)
        return Response(self.get_serializer(made).data, status=201)


class CaseFindingsViewSet(OfCaseViewSet):
    """Findings of one case, outside its counts."""

    serializer_class = FindingSerializer

    def get_queryset(self) -> Any:
        return policy_of(self.request).findings().for_display()

    @extend_schema(responses={200: FindingSerializer(many=True), **problems(401, 404)})
    def list(self, request: Any, case: str) -> Response:
        """The findings, those withdrawn too, the latest first."""
        page = self.paginate_queryset(self.get_queryset().of_case(self.case().pk))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        request=FindingInputSerializer,
        responses={201: FindingSerializer, **problems(400, 401, 403, 404, 409)},
    )
    def create(self, request: Any, case: str) -> Response:
        """Record what was seen outside the counted set: a class, words or both."""
        row = self.case()
        policy_of(request).require(Action.CORRECT, row.laboratory_id)
        form = FindingInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        finding = add_finding(
            case=row,
            user=request.user,
            cell_class=given.get("cell_class", ""),
            text=given.get("text", ""),
            cell_number=given.get("cell"),
            image_number=given.get("image"),
        )
        return Response(self.get_serializer(finding).data, status=201)


class FindingWithdrawalViewSet(viewsets.GenericViewSet[Any]):
    """Taking a finding back."""

    serializer_class = FindingSerializer
    filter_backends = ()

    def get_queryset(self) -> Any:
        return policy_of(self.request).findings()

    @extend_schema(
        operation_id="findings_withdraw",
        request=None,
        responses={200: FindingSerializer, **problems(401, 403, 404, 409)},
    )
    def create(self, request: Any, finding: str) -> Response:
        """Withdraw a finding; it stays readable with who withdrew it and when."""
        row = self.get_queryset().by_key(int(finding))
        if row is None:
            raise Missing("finding_not_found", _("This finding does not exist."))
        withdrawn = withdraw_finding(finding_id=row.pk, user=request.user)
        return Response(self.get_serializer(withdrawn).data)


class CaseWhiteCellsViewSet(OfCaseViewSet):
    """The analyser's white cell count."""

    queryset = SmearCase.objects.none()
    serializer_class = WhiteCellsSerializer

    @extend_schema(
        operation_id="cases_white_cells_set",
        request=WhiteCellsSerializer,
        responses={200: WhiteCellsSerializer, **problems(400, 401, 403, 404, 409)},
    )
    def update(self, request: Any, case: str) -> Response:
        """Enter the count, or take it away with null."""
        row = self.case()
        policy_of(request).require(Action.UPLOAD, row.laboratory_id)
        form = WhiteCellsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        set_analyser_wbc(case=row, user=request.user, value=form.validated_data["analyser_wbc"])
        row.refresh_from_db()
        return Response(self.get_serializer(row).data)
