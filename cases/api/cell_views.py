"""Cells and their corrections."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.response import Response

from cases.api.case_views import KEY
from cases.api.filters import CellFilterSet, CorrectionFilterSet
from cases.api.idempotency import answer_once
from cases.api.schema import IDEMPOTENCY_KEY, problems
from cases.api.serializers import (
    CellSerializer,
    CorrectionInputSerializer,
    CorrectionSerializer,
    StaleProblemSerializer,
)
from cases.models import Cell
from cases.policies import Action, policy_of
from cases.services.corrections import correct_cell
from cases.services.errors import Missing


class CellViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """Cells of my laboratories. ``ordering=confidence`` puts the least certain first."""

    serializer_class = CellSerializer
    filterset_class = CellFilterSet
    lookup_value_regex = KEY
    orderings = {
        "id": ("id",),
        "-id": ("-id",),
        "confidence": ("confidence_rank", "id"),
        "-confidence": ("-confidence_rank", "-id"),
    }

    def get_queryset(self) -> Any:
        return (
            policy_of(self.request)
            .cells()
            .select_related("label", "detection")
            .with_confidence_rank()
        )


class CorrectionViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """Corrections in my laboratories, the latest first."""

    serializer_class = CorrectionSerializer
    filterset_class = CorrectionFilterSet
    lookup_value_regex = KEY

    def get_queryset(self) -> Any:
        return policy_of(self.request).corrections().for_display()


class CellCorrectionsViewSet(viewsets.GenericViewSet[Any]):
    """The corrections of one cell."""

    serializer_class = CorrectionSerializer
    filter_backends = ()

    def get_queryset(self) -> Any:
        return policy_of(self.request).corrections().for_display()

    def _cell(self) -> Cell:
        cells = policy_of(self.request).cells().select_related("case")
        cell: Cell | None = cells.by_key(int(self.kwargs["cell"]))
        if cell is None:
            raise Missing("not_found", _("There is no such cell."))
        return cell

    @extend_schema(responses={200: CorrectionSerializer(many=True), **problems(401, 404)})
    def list(self, request: Any, cell: str) -> Response:
        """The cell's history, the latest first."""
        page = self.paginate_queryset(self.get_queryset().of_cell(self._cell().pk))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY],
        request=CorrectionInputSerializer,
        responses={
            201: CorrectionSerializer,
            **problems(400, 401, 403, 404, 409, 422, status_409=StaleProblemSerializer),
        },
    )
    def create(self, request: Any, cell: str) -> Response:
        """Name a cell; its present class confirms it. 409 when somebody was faster."""
        row = self._cell()
        policy_of(request).require(Action.CORRECT, row.case.laboratory_id)
        form = CorrectionInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data

        def correct() -> Response:
            correction = correct_cell(
                cell_id=row.pk,
                user=request.user,
                to_class=wanted["to"],
                comment=wanted["comment"],
                # Without a version the one read above counts: a change since then is a conflict.
                expected_version=wanted.get("version", row.version),
            )
            return Response(self.get_serializer(correction).data, status=201)

        return answer_once(request, correct, atomic=True)
