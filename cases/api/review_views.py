"""A case's review: steps of corrections, taking them back, flags, what others did meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from cases.api.idempotency import answer_once
from cases.api.review_serializers import (
    ChangedCellSerializer,
    ChangesQuerySerializer,
    ChangesSerializer,
    FlagInputSerializer,
    ReviewStateSerializer,
    StaleStepProblemSerializer,
    StepAnswerSerializer,
    StepInputSerializer,
)
from cases.api.schema import IDEMPOTENCY_KEY, problems
from cases.api.serializers import CaseCountsSerializer
from cases.models import Cell, SmearCase
from cases.policies import Action, policy_of
from cases.services.changes import changes_since
from cases.services.corrections import correct_cells, undo_batch
from cases.services.counts import case_counts
from cases.services.errors import Missing
from cases.services.flags import flag_cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cases.models import CorrectionBatch

ID = OpenApiParameter("id", int, OpenApiParameter.PATH)
REFUSALS = problems(400, 401, 403, 404, 409, 422, status_409=StaleStepProblemSerializer)


def case_of(request: Any, key: str, action: Action = Action.VIEW) -> SmearCase:
    """The case, if the reader may see it and do ``action`` with it.

    Raises:
        Missing: ``not_found``.
        NotAllowed: ``not_allowed``.
    """
    policy = policy_of(request)
    case: SmearCase | None = policy.cases().by_key(int(key))
    if case is None:
        raise Missing("not_found", _("There is no such case."))
    policy.require(action, case.laboratory_id)
    return case


def state_after(case_id: int, cell_ids: Iterable[int]) -> dict[str, Any]:
    """The case's counts and these cells as they are now."""
    case = SmearCase.objects.get(pk=case_id)
    cells = Cell.objects.of_case(case_id).filter(pk__in=list(cell_ids)).select_related("label")
    return {"revision": case.revision, "counts": case_counts(case=case), "cells": cells}


def step_answer(batch: CorrectionBatch) -> Response:
    keys = batch.corrections.values_list("cell_id", flat=True)
    state = state_after(batch.case_id, keys)
    return Response(StepAnswerSerializer({"step": batch, **state}).data, status=201)


class CaseCorrectionsView(APIView):
    """Corrections of many cells in one step."""

    @extend_schema(
        operation_id="cases_corrections_create",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=StepInputSerializer,
        responses={201: StepAnswerSerializer, **REFUSALS},
    )
    def post(self, request: Any, id: str) -> Response:
        """Name cells, or confirm each in the class it has: all, or none when one changed."""
        case = case_of(request, id, Action.CORRECT)
        form = StepInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data

        def correct() -> Response:
            return step_answer(
                correct_cells(
                    case_id=case.pk,
                    user=request.user,
                    versions=wanted["cells"],
                    to_class=wanted["to"],
                    comment=wanted["comment"],
                )
            )

        return answer_once(request, correct, atomic=True)


class StepUndoView(APIView):
    """Taking a step back."""

    @extend_schema(
        operation_id="steps_undo_create",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=None,
        responses={201: StepAnswerSerializer, **REFUSALS},
    )
    def post(self, request: Any, id: str) -> Response:
        """Take back your own step by one more: labels and review states as they were."""
        policy = policy_of(request)
        batch = policy.correction_batches().select_related("case").by_key(int(id))
        if batch is None:
            raise Missing("not_found", _("There is no such step."))
        policy.require(Action.CORRECT, batch.case.laboratory_id)

        def undo() -> Response:
            return step_answer(undo_batch(batch_id=batch.pk, user=request.user))

        return answer_once(request, undo, atomic=True)


class CaseFlagsView(APIView):
    """Flags on cells of a case."""

    @extend_schema(
        operation_id="cases_flags_create",
        parameters=[ID, IDEMPOTENCY_KEY],
        request=FlagInputSerializer,
        responses={200: ReviewStateSerializer, **REFUSALS},
    )
    def post(self, request: Any, id: str) -> Response:
        """Raise or lower the flag of cells; a flagged cell needs review."""
        case = case_of(request, id, Action.CORRECT)
        form = FlagInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data

        def flag() -> Response:
            flag_cells(
                case_id=case.pk,
                user=request.user,
                versions=wanted["cells"],
                raised=wanted["raised"],
                note=wanted["note"],
            )
            return Response(ReviewStateSerializer(state_after(case.pk, wanted["cells"])).data)

        return answer_once(request, flag, atomic=True)


class CaseChangesView(APIView):
    """What others did meanwhile."""

    @extend_schema(
        operation_id="cases_changes_retrieve",
        parameters=[ID, ChangesQuerySerializer],
        responses={200: ChangesSerializer, **problems(400, 401, 404)},
    )
    def get(self, request: Any, id: str) -> Response:
        """The cells that changed since a revision of the case: cheap to ask every few seconds."""
        case = case_of(request, id)
        query = ChangesQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = changes_since(case=case, revision=query.validated_data["since"])
        context = {"corrected_by": found.corrected_by}
        answer = {
            "revision": found.revision,
            "status": found.status,
            "last_number": found.last_number,
            "more": found.more,
            "counts": CaseCountsSerializer(found.counts).data if found.counts else None,
            "cells": ChangedCellSerializer(found.cells, many=True, context=context).data,
        }
        return Response(answer)
