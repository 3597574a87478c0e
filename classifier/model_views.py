"""Pages of the model versions: their cards, runs over cells, comparison, activation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views import View

from cases.models import CellClass
from cases.policies import Action
from cases.services.errors import ServiceError
from cases.views.base import PageMixin
from cases.views.media import harmless
from classifier.figures import read_card
from classifier.forms import ComparisonForm, RunForm
from classifier.models import ModelRun
from classifier.pictures import picture_file, pictures_of
from classifier.policies import model_runs_of, model_versions_of
from classifier.services import comparison
from classifier.services.registry import activate_model, bundles_on_offer, register_offered
from classifier.services.runs import cancel_run, start_run
from classifier.services.status import queue_status, run_failure

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from classifier.models import ModelVersion

RUNS_PER_PAGE = 20
CELLS_PER_PAGE = 50
ACTIVATIONS_SHOWN = 10


class ModelPageMixin(PageMixin):
    """A page of the model versions; what only administrators do asks :meth:`demand_manager`."""

    @property
    def manages(self) -> bool:
        return self.policy.may_anywhere(Action.MANAGE)

    def demand_manager(self) -> None:
        """Stop here unless the reader is some laboratory's administrator.

        Raises:
            PermissionDenied: otherwise.
        """
        if not self.manages:
            raise PermissionDenied

    def get_version(self, pk: int) -> ModelVersion:
        version: ModelVersion = get_object_or_404(model_versions_of(self.policy), pk=pk)
        return version

    def get_run(self, pk: int) -> ModelRun:
        run: ModelRun = get_object_or_404(model_runs_of(self.policy).for_display(), pk=pk)
        return run

    def card_context(self, version: ModelVersion) -> dict[str, Any]:
        """What ``classifier/partials/model_card.html`` shows."""
        classes = {each.code: each for each in CellClass.objects.all()}
        return {
            "version": version,
            "classes": [
                classes[code].name if code in classes else code for code in version.classes
            ],
            "card": read_card(version.manifest, classes),
            "pictures": pictures_of(version, (get_language() or "en")[:2]),
        }


class ModelListView(ModelPageMixin, View):
    """The queue's state, the active version's card, and the versions beside it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        versions = list(model_versions_of(self.policy))
        active = next((each for each in versions if each.active), None)
        context = {
            "versions": versions,
            "queue": queue_status(),
            "manages": self.manages,
            "folders": bundles_on_offer() if self.manages else [],
        }
        if active:
            context |= self.card_context(active)
        return render(request, "classifier/model_list.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Register a bundle that lies below the bundles' directory."""
        self.demand_manager()
        version = register_offered(name=request.POST.get("folder", ""), user=self.person)
        messages.success(request, _("%(name)s is registered.") % {"name": version.name})
        return redirect("model_detail", version.pk)


class ModelDetailView(ModelPageMixin, View):
    """One version: its card, its runs, who activated it."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.page(request, self.get_version(pk), RunForm(policy=self.policy))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Start a run."""
        version = self.get_version(pk)
        self.demand_manager()
        form = RunForm(request.POST, policy=self.policy)
        if not form.is_valid():
            return self.page(request, version, form, status=400)
        try:
            start_run(
                user=self.person,
                version=version,
                laboratory=form.cleaned_data["laboratory"],
                case=form.cleaned_data["case"],
            )
        except ServiceError as error:
            form.add_service_errors(error)
            return self.page(request, version, form, status=error.status)
        messages.success(request, _("The run has begun; its progress stands below."))
        return redirect("model_detail", pk)

    def page(
        self, request: HttpRequest, version: ModelVersion, form: RunForm, *, status: int = 200
    ) -> HttpResponse:
        context = self.card_context(version) | {"manages": self.manages}
        if self.manages:
            runs = model_runs_of(self.policy).filter(model_version=version).for_display()
            page = Paginator(runs, RUNS_PER_PAGE).get_page(request.GET.get("page"))
            context |= {
                "form": form,
                "page_obj": page,
                "runs": [run_row(each) for each in page],
                "others": [
                    each for each in model_versions_of(self.policy) if each.pk != version.pk
                ],
                "activations": version.activations.select_related("made_by")[:ACTIVATIONS_SHOWN],
            }
        return render(request, "classifier/model_detail.html", context, status=status)


def run_row(run: Any) -> dict[str, Any]:
    """A run as its row shows it."""
    return {
        "run": run,
        "seen": run.done + run.failed,
        "running": run.state == ModelRun.State.RUNNING,
        "reason": run_failure(run.failure_code),
    }


class ModelPictureView(ModelPageMixin, View):
    """A picture of a bundle's card, for members only."""

    def get(self, request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
        path = picture_file(self.get_version(pk), name)
        if path is None:
            raise Http404
        answer = FileResponse(path.open("rb"), content_type="image/png")
        harmless(answer)
        return answer


class ModelActivateView(ModelPageMixin, View):
    """Let a version name new cells from now on."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        version = self.get_version(pk)
        self.demand_manager()
        activate_model(version=version, user=self.person)
        text = _("%(name)s names new cells from now on. Cells named before keep their names.")
        messages.success(request, text % {"name": version.name})
        return redirect("model_detail", pk)


class ModelRunView(ModelPageMixin, View):
    """A run's row, which asks again while it runs; POST cancels it."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return render(
            request, "classifier/partials/run_row.html", {"row": run_row(self.get_run(pk))}
        )

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self.get_run(pk)
        cancel_run(user=self.person, run=run)
        messages.success(request, _("The run is cancelled. Predictions made so far are kept."))
        return redirect("model_detail", run.model_version_id)


class ModelComparisonView(ModelPageMixin, View):
    """Two versions on the cells reviewers have named."""

    def get(self, request: HttpRequest) -> HttpResponse:
        self.demand_manager()
        asked = ComparisonForm(request.GET or None, policy=self.policy)
        context: dict[str, Any] = {"form": asked}
        status = 200
        if asked.is_bound and asked.is_valid():
            chosen = asked.cleaned_data
            policy_cells = self.policy.cells(Action.MANAGE)
            if chosen["laboratory"]:
                policy_cells = policy_cells.of_laboratories([chosen["laboratory"].pk])
            cells = comparison.reviewed_cells(
                policy_cells=policy_cells,
                first=chosen["first"],
                second=chosen["second"],
                corrected_only=chosen["cells"] == "corrected",
            )
            figures = comparison.compare(cells)
            context |= self.differing(request, cells, figures) | {
                "figures": figures,
                "first": chosen["first"],
                "second": chosen["second"],
            }
        elif asked.is_bound:
            status = 400
        return render(request, "classifier/comparison.html", context, status=status)

    def differing(
        self, request: HttpRequest, cells: Any, figures: comparison.Comparison
    ) -> dict[str, Any]:
        """One page of the cells the two call differently, the newest first."""
        rows = comparison.differing_cells(cells).select_related("label", "case").order_by("-pk")
        paginator = Paginator(rows, CELLS_PER_PAGE)
        paginator.count = figures.differing
        page = paginator.get_page(request.GET.get("page"))
        classes = CellClass.objects.in_bulk()
        return {
            "page_obj": page,
            "differing": [
                {
                    "cell": each,
                    "first": classes[each.first_class],
                    "second": classes[each.second_class],
                }
                for each in page
            ],
        }
