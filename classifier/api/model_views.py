"""The API of the model versions: registering, activating, running over cells, comparing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import FileResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from cases.api.case_views import KEY
from cases.api.schema import problems
from cases.models import CellClass
from cases.policies import Action, policy_of
from cases.services.errors import Missing
from cases.views.media import harmless
from classifier.api.filters import ModelRunFilterSet, ModelVersionFilterSet
from classifier.api.model_serializers import (
    ComparisonQuerySerializer,
    ComparisonSerializer,
    DifferingCellSerializer,
    ModelRunInputSerializer,
    ModelRunSerializer,
    RegisterSerializer,
)
from classifier.api.serializers import ModelVersionSerializer
from classifier.pictures import picture_file
from classifier.policies import model_runs_of, model_versions_of
from classifier.services import comparison
from classifier.services.registry import activate_model, register_offered
from classifier.services.runs import cancel_run, start_run

if TYPE_CHECKING:
    from classifier.models import ModelRun, ModelVersion

NAME = OpenApiParameter("name", str, OpenApiParameter.PATH)


class ModelVersionViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """The models that were registered, the latest first; at most one is active."""

    serializer_class = ModelVersionSerializer
    filterset_class = ModelVersionFilterSet
    lookup_value_regex = KEY

    def get_queryset(self) -> Any:
        return model_versions_of(policy_of(self.request))

    @extend_schema(
        request=RegisterSerializer,
        responses={201: ModelVersionSerializer, **problems(400, 401, 403, 409)},
    )
    def create(self, request: Any) -> Response:
        """Register a bundle below the bundles' directory; administrators only. It is not activated.

        Registering the same weights again changes nothing.
        """
        policy_of(request).require_anywhere(Action.MANAGE)
        form = RegisterSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        version = register_offered(name=form.validated_data["folder"], user=request.user)
        return Response(self.get_serializer(version).data, status=201)

    @extend_schema(request=None, responses={200: ModelVersionSerializer, **problems(401, 403, 404)})
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def activate(self, request: Any, pk: str) -> Response:
        """Let this version name new cells; administrators only. No cell changes."""
        version: ModelVersion = self.get_object()
        activate_model(version=version, user=request.user)
        return Response(self.get_serializer(version).data)

    @extend_schema(
        parameters=[NAME],
        responses={(200, "image/png"): OpenApiTypes.BINARY, **problems(401, 404)},
    )
    @action(
        detail=True,
        filterset_class=None,
        pagination_class=None,
        url_path=r"pictures/(?P<name>[a-z.-]{1,40})",
    )
    def pictures(self, request: Any, pk: str, name: str) -> FileResponse:
        """A picture of the version's card: `confusion`, `reliability`, `risk-coverage`, `curves`
        with `.png` or `.es.png`, or `misclassified.png`."""
        path = picture_file(self.get_object(), name)
        if path is None:
            raise Missing("not_found", _("This model has no such picture."))
        answer = FileResponse(path.open("rb"), content_type="image/png")
        harmless(answer)
        return answer


class ModelRunViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]
):
    """Runs of a version over cells of laboratories you administer, the latest first."""

    serializer_class = ModelRunSerializer
    filterset_class = ModelRunFilterSet
    lookup_value_regex = KEY

    def get_queryset(self) -> Any:
        return model_runs_of(policy_of(self.request)).for_display()

    @extend_schema(
        request=ModelRunInputSerializer,
        responses={201: ModelRunSerializer, **problems(400, 401, 403, 409)},
    )
    def create(self, request: Any) -> Response:
        """Let a version see the cells of a laboratory, or of one case, that it has not seen.

        A run adds predictions and changes no label. 409 while the same run is at work.
        """
        policy = policy_of(request)
        policy.require_anywhere(Action.MANAGE)
        form = ModelRunInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        version = model_versions_of(policy).filter(pk=asked["model_version"]).first()
        if version is None:
            raise ValidationError({"model_version": [_("There is no such model version.")]})
        laboratory = policy.laboratories(Action.MANAGE).filter(slug=asked["laboratory"]).first()
        if laboratory is None:
            raise ValidationError({"laboratory": [_("You have no such laboratory.")]})
        case = None
        if asked.get("case") is not None:
            case = policy.cases(Action.MANAGE).filter(laboratory=laboratory).by_key(asked["case"])
            if case is None:
                raise ValidationError({"case": [_("There is no such case.")]})
        run = start_run(user=request.user, version=version, laboratory=laboratory, case=case)
        return Response(self._shown(run), status=201)

    @extend_schema(
        request=None, responses={200: ModelRunSerializer, **problems(401, 403, 404, 409)}
    )
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def cancel(self, request: Any, pk: str) -> Response:
        """End a run; predictions made so far are kept."""
        run: ModelRun = self.get_object()
        cancel_run(user=request.user, run=run)
        return Response(self._shown(run))

    def _shown(self, run: ModelRun) -> Any:
        return self.get_serializer(self.get_queryset().get(pk=run.pk)).data


def _asked_cells(request: Any) -> Any:
    """The reviewed cells a comparison is asked for.

    Raises:
        NotAllowed, ValidationError: when it cannot be answered.
    """
    policy = policy_of(request)
    policy.require_anywhere(Action.MANAGE)
    form = ComparisonQuerySerializer(data=request.query_params)
    form.is_valid(raise_exception=True)
    asked = form.validated_data
    versions = model_versions_of(policy).in_bulk([asked["first"], asked["second"]])
    for name in ("first", "second"):
        if asked[name] not in versions:
            raise ValidationError({name: [_("There is no such model version.")]})
    cells = policy.cells(Action.MANAGE)
    if "laboratory" in asked:
        laboratories = policy.laboratories(Action.MANAGE).filter(slug=asked["laboratory"])
        cells = cells.of_laboratories(laboratories.values("pk"))
    return comparison.reviewed_cells(
        policy_cells=cells,
        first=versions[asked["first"]],
        second=versions[asked["second"]],
        corrected_only=asked["corrected_only"],
    )


class ModelComparisonView(APIView):
    """Two versions on the cells reviewers have named."""

    @extend_schema(
        operation_id="model_comparison_retrieve",
        parameters=[ComparisonQuerySerializer],
        responses={200: ComparisonSerializer, **problems(400, 401, 403)},
    )
    def get(self, request: Any) -> Response:
        """Agreement of two versions, each one's recall and precision against the reviewers with
        exact 95 % intervals, and McNemar's exact test of their difference."""
        figures = comparison.compare(_asked_cells(request))
        return Response(ComparisonSerializer(figures).data)


class DifferingCellsView(generics.ListAPIView[Any]):
    """The cells on which two versions differ."""

    serializer_class = DifferingCellSerializer
    filter_backends = ()

    @extend_schema(
        operation_id="model_comparison_cells_list",
        parameters=[ComparisonQuerySerializer],
        responses={200: DifferingCellSerializer(many=True), **problems(400, 401, 403)},
    )
    def get(self, request: Any) -> Response:
        """Cells a reviewer has named and the two versions call differently, the latest first."""
        return self.list(request)

    def get_queryset(self) -> Any:
        cells = comparison.differing_cells(_asked_cells(self.request))
        return cells.select_related("label")

    def get_serializer_context(self) -> dict[str, Any]:
        codes = dict(CellClass.objects.values_list("pk", "code"))
        return {**super().get_serializer_context(), "codes": codes}
