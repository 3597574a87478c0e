"""Blinded readings: asking for them, reading, comparing and adjudicating."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from cases.api.case_views import KEY
from cases.api.reading_serializers import (
    ComparedCellSerializer,
    ComparisonSerializer,
    DecisionInputSerializer,
    DecisionSerializer,
    DoubleReadingInputSerializer,
    DoubleReadingSerializer,
    ReadingCellSerializer,
    ReadingLabelInputSerializer,
    ReadingLabelSerializer,
    ReadingSerializer,
)
from cases.api.schema import problems
from cases.models import Adjudication, DoubleReading, ReadingCell, SmearCase
from cases.policies import Action, policy_of
from cases.services.adjudication import decide_cell, finish_adjudication
from cases.services.comparison import compare_readings, paired_labels
from cases.services.errors import Missing
from cases.services.readings import (
    POSITIONS,
    cell_at,
    finish_reading,
    name_cell,
    request_double_reading,
    withdraw,
)
from cases.services.work import readers_of
from cases.views.media import draw_photo, harmless

DISPUTED = OpenApiParameter("disputed", bool, description="Only the cells named differently.")


class CaseDoubleReadingsViewSet(viewsets.GenericViewSet[Any]):
    """The double readings of one case."""

    serializer_class = DoubleReadingSerializer
    filter_backends = ()

    def get_queryset(self) -> Any:
        return policy_of(self.request).double_readings().for_display()

    def _case(self) -> SmearCase:
        case: SmearCase | None = policy_of(self.request).cases().by_key(int(self.kwargs["case"]))
        if case is None:
            raise Missing("not_found", _("There is no such case."))
        return case

    @extend_schema(responses={200: DoubleReadingSerializer(many=True), **problems(401, 404)})
    def list(self, request: Any, case: str) -> Response:
        """Requests for two readings, the latest first."""
        page = self.paginate_queryset(self.get_queryset().of_case(self._case().pk))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        request=DoubleReadingInputSerializer,
        responses={201: DoubleReadingSerializer, **problems(400, 401, 403, 404, 409)},
    )
    def create(self, request: Any, case: str) -> Response:
        """Ask two readers. The case is out of their sight from now on until both are done."""
        row = self._case()
        policy_of(request).require(Action.CORRECT, row.laboratory_id)
        form = DoubleReadingInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        made = request_double_reading(
            case_id=row.pk,
            user=request.user,
            reader_ids=_keys_of(row, form.validated_data["readers"]),
        )
        return Response(self.get_serializer(made).data, status=201)


def _keys_of(case: SmearCase, usernames: list[str]) -> list[int]:
    known = {each.user.username: each.user_id for each in readers_of(case.laboratory_id)}
    if not known.keys() >= set(usernames):
        raise ValidationError(
            {"readers": [_("Choose a reviewer or an administrator of this laboratory.")]}
        )
    return [known[each] for each in usernames]


class DoubleReadingViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """Double readings of my laboratories, but for those I read myself and that are not done."""

    serializer_class = DoubleReadingSerializer
    filter_backends = ()
    lookup_value_regex = KEY

    def get_queryset(self) -> Any:
        return policy_of(self.request).double_readings().for_display()

    def _sought(self) -> DoubleReading:
        """The double reading, for somebody who corrects in its laboratory."""
        found: DoubleReading = self.get_object()
        policy_of(self.request).require(Action.CORRECT, found.case.laboratory_id)
        return found

    @extend_schema(responses={200: ComparisonSerializer, **problems(401, 404, 409)})
    @action(detail=True, pagination_class=None)
    def comparison(self, request: Any, pk: str) -> Response:
        """Agreement, tests and the table. 409 `readings_open` before both are done."""
        pairs = paired_labels(self.get_object())
        return Response(ComparisonSerializer(compare_readings(pairs)).data)

    @extend_schema(
        parameters=[DISPUTED],
        responses={200: ComparedCellSerializer(many=True), **problems(401, 404, 409)},
    )
    @action(detail=True)
    def cells(self, request: Any, pk: str) -> Response:
        """Every cell with both labels, or only those in dispute. 409 before both are done."""
        found = self.get_object()
        paired_labels(found)
        rows = found.cells.with_labels_of(found.readings.order_by("number"))
        if request.query_params.get("disputed", "").lower() in ("true", "1"):
            rows = rows.in_dispute()
        page: list[Any] = self.paginate_queryset(rows) or []
        decided = Adjudication.objects.latest_of(found.pk)
        for row in page:
            decision = decided.get(row.pk)
            row.decided = decision.label.code if decision else None
        return self.get_paginated_response(ComparedCellSerializer(page, many=True).data)

    @extend_schema(
        request=DecisionInputSerializer,
        responses={201: DecisionSerializer, **problems(400, 401, 403, 404, 409)},
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def decisions(self, request: Any, pk: str) -> Response:
        """Decide a cell in dispute, as somebody who read neither; it becomes a correction."""
        found = self._sought()
        form = DecisionInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        decided = decide_cell(
            double_reading_id=found.pk,
            user=request.user,
            reading_cell_id=form.validated_data["id"],
            label=form.validated_data["label"],
            expected_version=form.validated_data.get("version"),
        )
        return Response(DecisionSerializer(decided).data, status=201)

    @extend_schema(
        request=None, responses={200: DoubleReadingSerializer, **problems(401, 403, 404, 409)}
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def finish(self, request: Any, pk: str) -> Response:
        """Take over what the readers agreed on, and close."""
        done = finish_adjudication(double_reading_id=self._sought().pk, user=request.user)
        return Response(self.get_serializer(done).data)

    @extend_schema(
        request=None, responses={200: DoubleReadingSerializer, **problems(401, 403, 404, 409)}
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def withdraw(self, request: Any, pk: str) -> Response:
        """End without a result: whoever asked, or an administrator, but no reader."""
        ended = withdraw(double_reading_id=self._sought().pk, user=request.user)
        return Response(self.get_serializer(ended).data)


class ReadingViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """My own blinded readings."""

    serializer_class = ReadingSerializer
    filter_backends = ()
    lookup_value_regex = KEY
    orderings: dict[str, tuple[str, ...]] = {"-id": ("-id",), "id": ("id",)}

    def get_queryset(self) -> Any:
        return policy_of(self.request).readings().for_display().with_progress()

    @extend_schema(responses={200: ReadingCellSerializer(many=True), **problems(401, 404)})
    @action(detail=True)
    def cells(self, request: Any, pk: str) -> Response:
        """The cells to name, with my names so far. ``position`` is their place in my reading."""
        reading = self.get_object()
        self.orderings: dict[str, tuple[str, ...]] = {"position": (POSITIONS[reading.number], "id")}
        rows = reading.double_reading.cells.with_own_label(reading)
        page = self.paginate_queryset(rows)
        context = {**self.get_serializer_context(), "reading": reading}
        return self.get_paginated_response(
            ReadingCellSerializer(page, many=True, context=context).data
        )

    @extend_schema(
        request=ReadingLabelInputSerializer,
        responses={201: ReadingLabelSerializer, **problems(400, 401, 404, 409)},
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def labels(self, request: Any, pk: str) -> Response:
        """Name the cell at a place; the latest name counts."""
        reading = self.get_object()
        form = ReadingLabelInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        made = name_cell(reading_id=reading.pk, user=request.user, **form.validated_data)
        return Response(ReadingLabelSerializer(made).data, status=201)

    @extend_schema(request=None, responses={200: ReadingSerializer, **problems(401, 404, 409)})
    @action(detail=True, methods=["post"], pagination_class=None)
    def finish(self, request: Any, pk: str) -> Response:
        """Close my reading for good. 409 `cells_unnamed` while a cell has no name."""
        finish_reading(reading_id=self.get_object().pk, user=request.user)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        parameters=[OpenApiParameter("position", int, OpenApiParameter.PATH)],
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY, **problems(401, 404)},
    )
    @action(
        detail=True,
        url_path="cells/(?P<position>[0-9]{1,9})/photo",
        url_name="photo",
        pagination_class=None,
    )
    def photo(self, request: Any, pk: str, position: str) -> HttpResponse:
        """The picture of the cell at a place."""
        cell: ReadingCell = cell_at(self.get_object(), int(position))
        answer = HttpResponse(draw_photo(cell.cell, 768), content_type="image/jpeg")
        harmless(answer)
        return answer
