"""The work list, who reads a case and how soon it is wanted."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from cases.api.case_views import with_progress
from cases.api.filters import WorkListFilterSet
from cases.api.schema import problems
from cases.api.work_serializers import (
    AssignmentInputSerializer,
    AssignmentSerializer,
    PriorityInputSerializer,
    PrioritySerializer,
    WorkListSerializer,
)
from cases.models import SmearCase
from cases.policies import Action, policy_of
from cases.querysets import SmearCaseQuerySet
from cases.services.errors import Missing
from cases.services.work import assign_case, readers_of, set_priority


class WorkListViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """Cases that wait for a reader, the most urgent first."""

    serializer_class = WorkListSerializer
    filterset_class = WorkListFilterSet
    orderings = {"-urgency": SmearCaseQuerySet.WORK_ORDER}

    def get_queryset(self) -> Any:
        return policy_of(self.request).cases().waiting().for_display()

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        return with_progress(page) if page is not None else None


def _case(request: Any, pk: str) -> SmearCase:
    case: SmearCase | None = policy_of(request).cases().for_display().by_key(int(pk))
    if case is None:
        raise Missing("not_found", _("There is no such case."))
    return case


class CaseAssignmentsViewSet(viewsets.GenericViewSet[Any]):
    """Who had a case when."""

    serializer_class = AssignmentSerializer
    filter_backends = ()

    def get_queryset(self) -> Any:
        return policy_of(self.request).assignments().for_display()

    @extend_schema(responses={200: AssignmentSerializer(many=True), **problems(401, 404)})
    def list(self, request: Any, case: str) -> Response:
        """The case's readers, the latest first."""
        page = self.paginate_queryset(self.get_queryset().of_case(_case(request, case).pk))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        request=AssignmentInputSerializer,
        responses={201: AssignmentSerializer, **problems(400, 401, 403, 404, 409)},
    )
    def create(self, request: Any, case: str) -> Response:
        """Take a case, give it back, or (administrators) assign it. 409 when it changed hands."""
        row = _case(request, case)
        policy_of(request).require(Action.CORRECT, row.laboratory_id)
        form = AssignmentInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        expected = wanted.get("expected", row.assignee.username if row.assignee else None)
        assigned = assign_case(
            case_id=row.pk,
            user=request.user,
            assignee_id=_reader(row, wanted["assignee"]),
            expected_assignee_id=_reader(row, expected, present=True),
        )
        return Response(self.get_serializer(assigned).data, status=201)


def _reader(case: SmearCase, username: str | None, *, present: bool = False) -> int | None:
    """The key of a reader by user name; the present one may have left the laboratory."""
    if username is None:
        return None
    if present and case.assignee and case.assignee.username == username:
        return case.assignee_id
    for each in readers_of(case.laboratory_id):
        if each.user.username == username:
            return each.user_id
    field = "expected" if present else "assignee"
    raise ValidationError({field: [_("Choose a reviewer or an administrator of this laboratory.")]})


class CasePriorityViewSet(viewsets.GenericViewSet[Any]):
    """How soon a case is wanted."""

    serializer_class = PrioritySerializer
    filter_backends = ()
    queryset = SmearCase.objects.none()

    @extend_schema(
        request=PriorityInputSerializer,
        responses={200: PrioritySerializer, **problems(400, 401, 403, 404, 409)},
    )
    def update(self, request: Any, case: str) -> Response:
        """Say whether a case is urgent or routine."""
        row = _case(request, case)
        form = PriorityInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        changed = set_priority(case_id=row.pk, user=request.user, **form.validated_data)
        return Response(self.get_serializer(changed).data)
