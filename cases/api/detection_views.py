"""The cells of fields: looked at, added, fixed, removed, marked as seen before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from cases.api.case_views import KEY
from cases.api.detection_serializers import (
    ChangedDetectionProblemSerializer,
    DetectionChangeSerializer,
    DetectionCorrectionSerializer,
    DetectionInputSerializer,
    DetectionSerializer,
    DuplicateSerializer,
    VersionSerializer,
)
from cases.api.filters import DetectionFilterSet
from cases.api.idempotency import answer_once
from cases.api.schema import IDEMPOTENCY_KEY, problems
from cases.models import Detection
from cases.policies import Action, policy_of
from cases.services.errors import Missing, ServiceError
from cases.services.fields import (
    add_detection,
    change_box,
    change_kind_of_cell,
    mark_duplicate,
    remove_detection,
    restore_detection,
    unmark_duplicate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSALS = problems(400, 401, 403, 404, 409, 422, status_409=ChangedDetectionProblemSerializer)
CHANGED: dict[Any, Any] = {200: DetectionSerializer, **REFUSALS}


class DetectionViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """Cells on the fields of my laboratories, red cells among them."""

    serializer_class = DetectionSerializer
    filterset_class = DetectionFilterSet
    lookup_value_regex = KEY
    orderings = {"id": ("id",), "-id": ("-id",)}

    def get_queryset(self) -> Any:
        return policy_of(self.request).detections().for_display()

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY],
        request=DetectionInputSerializer,
        responses={201: DetectionSerializer, **REFUSALS},
    )
    def create(self, request: Any) -> Response:
        """Add a cell the model missed. A white cell or platelet becomes a cell of the case."""
        policy = policy_of(request)
        policy.require_anywhere(Action.VIEW)
        form = DetectionInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        image = policy.images().select_related("case").by_key(wanted["image"])
        if image is None:
            raise Missing("not_found", _("There is no such image."))
        policy.require(Action.CORRECT, image.case.laboratory_id)

        def add() -> Response:
            added = add_detection(
                user=request.user,
                image=image,
                kind=wanted["kind"],
                box=form.box(),
                comment=wanted["comment"],
            )
            return self._shown(added, status=201)

        return answer_once(request, add, atomic=True)

    @extend_schema(request=DetectionChangeSerializer, responses=CHANGED)
    def partial_update(self, request: Any, pk: str) -> Response:
        """Fix a cell's box or kind; the model sees a white cell or platelet again."""
        detection = self._to_change()
        form = DetectionChangeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        box, kind = form.box(detection), wanted.get("kind", detection.kind)
        if box is None and kind == detection.kind:
            raise ServiceError("nothing_to_change", _("Name a side of the box or the kind."))
        version, comment = wanted["version"], wanted["comment"]

        def change() -> Response:
            changed, known = detection, version
            with transaction.atomic():
                if kind != detection.kind:
                    changed = change_kind_of_cell(
                        user=request.user,
                        detection=changed,
                        version=known,
                        kind=kind,
                        comment=comment,
                    )
                    known = changed.version
                if box is not None:
                    changed = change_box(
                        user=request.user,
                        detection=changed,
                        version=known,
                        box=box,
                        comment=comment,
                    )
            return self._shown(changed)

        return answer_once(request, change, atomic=True)

    @extend_schema(
        parameters=[
            OpenApiParameter("version", int, description="The version you looked at."),
            OpenApiParameter("comment", str),
        ],
        request=None,
        responses=CHANGED,
    )
    def destroy(self, request: Any, pk: str) -> Response:
        """Say that there is no such cell. It stays to be seen, and can be restored."""
        return self._change(
            request, remove_detection, {**request.query_params.dict(), **_body(request)}
        )

    @extend_schema(request=VersionSerializer, responses=CHANGED)
    @action(detail=True, methods=["post"], filterset_class=None)
    def restore(self, request: Any, pk: str) -> Response:
        """Take a removal back."""
        return self._change(request, restore_detection, request.data)

    @extend_schema(request=DuplicateSerializer, responses=CHANGED)
    @action(detail=True, methods=["post"], filterset_class=None)
    def duplicate(self, request: Any, pk: str) -> Response:
        """Say that another field of the case shows this cell already; it counts once."""
        detection = self._to_change()
        form = DuplicateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        original = self.get_queryset().by_key(wanted["of"])
        if original is None:
            message = _("There is no such cell.")
            raise ServiceError("invalid", message, extra={"errors": {"of": [message]}})
        changed = mark_duplicate(
            user=request.user,
            detection=detection,
            version=wanted["version"],
            of=original,
            comment=wanted["comment"],
        )
        return self._shown(changed)

    @extend_schema(request=VersionSerializer, responses=CHANGED)
    @action(detail=True, methods=["post"], filterset_class=None)
    def unmark_duplicate(self, request: Any, pk: str) -> Response:
        """Let a cell that was called a duplicate count again."""
        return self._change(request, unmark_duplicate, request.data)

    @extend_schema(
        responses={200: DetectionCorrectionSerializer(many=True), **problems(401, 404)},
        filters=False,
    )
    @action(detail=True, filterset_class=None)
    def corrections(self, request: Any, pk: str) -> Response:
        """What reviewers did to the cell, the latest first."""
        detection = self.get_object()
        self.orderings = {"-id": ("-id",)}
        rows = policy_of(request).detection_corrections().of_detection(detection.pk).for_display()
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(DetectionCorrectionSerializer(page, many=True).data)

    def _to_change(self) -> Detection:
        detection: Detection = self.get_object()
        laboratory_id = detection.image.case.laboratory_id
        policy_of(self.request).require(Action.CORRECT, laboratory_id)
        return detection

    def _change(self, request: Any, service: Callable[..., Detection], data: Any) -> Response:
        detection = self._to_change()
        form = VersionSerializer(data=data)
        form.is_valid(raise_exception=True)
        return self._shown(service(user=request.user, detection=detection, **form.validated_data))

    def _shown(self, detection: Detection, status: int = 200) -> Response:
        fresh = self.get_queryset().get(pk=detection.pk)
        return Response(self.get_serializer(fresh).data, status=status)


def _body(request: Any) -> dict[str, Any]:
    """The body of a DELETE, which need not have one."""
    return dict(request.data.items()) if hasattr(request.data, "items") else {}
