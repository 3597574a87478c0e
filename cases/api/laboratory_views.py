"""A laboratory's rules and reference ranges."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.response import Response

from cases.api.result_serializers import LaboratorySettingsSerializer, ReferenceRangeSerializer
from cases.api.schema import problems
from cases.models import Laboratory, LaboratorySettings
from cases.policies import Action, policy_of
from cases.services.errors import Missing
from cases.services.laboratory_settings import (
    delete_range,
    save_range,
    save_settings,
    settings_of,
)


class OfLaboratoryViewSet(viewsets.GenericViewSet[Any]):
    """Something about one laboratory, which stands in the address. Members read it."""

    filter_backends = ()

    def laboratory(self) -> Laboratory:
        """The laboratory, if I belong to it.

        Raises:
            Missing: ``not_found``.
        """
        mine = policy_of(self.request).laboratories()
        row: Laboratory | None = mine.filter(pk=int(self.kwargs["laboratory"])).first()
        if row is None:
            raise Missing("not_found", _("You have no such laboratory."))
        return row

    def managed(self) -> Laboratory:
        """The laboratory, if I manage it.

        Raises:
            Missing: ``not_found``.
            NotAllowed: ``not_allowed``.
        """
        row = self.laboratory()
        policy_of(self.request).require(Action.MANAGE, row.pk)
        return row


class LaboratorySettingsViewSet(OfLaboratoryViewSet):
    """A laboratory's rules of signing and of the white cell count."""

    queryset = LaboratorySettings.objects.none()
    serializer_class = LaboratorySettingsSerializer

    @extend_schema(
        operation_id="laboratories_settings",
        responses={200: LaboratorySettingsSerializer, **problems(401, 404)},
    )
    def retrieve(self, request: Any, laboratory: str) -> Response:
        """The rules; the defaults where nobody has set any."""
        rules = settings_of(laboratory_id=self.laboratory().pk)
        return Response(self.get_serializer(rules).data)

    @extend_schema(
        operation_id="laboratories_settings_set",
        request=LaboratorySettingsSerializer,
        responses={200: LaboratorySettingsSerializer, **problems(400, 401, 403, 404)},
    )
    def update(self, request: Any, laboratory: str) -> Response:
        """Set all rules; for administrators."""
        row = self.managed()
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        rules = save_settings(user=request.user, laboratory=row, **form.validated_data)
        return Response(self.get_serializer(rules).data)


class ReferenceRangesViewSet(OfLaboratoryViewSet):
    """A laboratory's reference ranges."""

    serializer_class = ReferenceRangeSerializer
    orderings = {"id": ("id",), "-id": ("-id",)}

    def get_queryset(self) -> Any:
        return policy_of(self.request).reference_ranges().select_related("cell_class")

    @extend_schema(responses={200: ReferenceRangeSerializer(many=True), **problems(401, 404)})
    def list(self, request: Any, laboratory: str) -> Response:
        """The ranges in the order they were added."""
        ranges = self.get_queryset().of_laboratories([self.laboratory().pk])
        page = self.paginate_queryset(ranges)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        request=ReferenceRangeSerializer,
        responses={201: ReferenceRangeSerializer, **problems(400, 401, 403, 404)},
    )
    def create(self, request: Any, laboratory: str) -> Response:
        """Add a range; for administrators."""
        row = save_range(user=request.user, laboratory=self.managed(), **self._sent(request))
        return Response(self.get_serializer(row).data, status=201)

    @extend_schema(
        request=ReferenceRangeSerializer,
        responses={200: ReferenceRangeSerializer, **problems(400, 401, 403, 404)},
    )
    def update(self, request: Any, laboratory: str, range: str) -> Response:
        """Change a range as a whole; for administrators."""
        row = save_range(
            user=request.user,
            laboratory=self.managed(),
            range_id=int(range),
            **self._sent(request),
        )
        return Response(self.get_serializer(row).data)

    @extend_schema(request=None, responses={204: None, **problems(401, 403, 404)})
    def destroy(self, request: Any, laboratory: str, range: str) -> Response:
        """Take a range away; for administrators."""
        delete_range(user=request.user, laboratory=self.managed(), range_id=int(range))
        return Response(status=204)

    def _sent(self, request: Any) -> dict[str, Any]:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        return dict(form.validated_data)
