"""What every page shares: the log-in, the policy and how a service's refusal is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from cases.policies import AccessPolicy, Action, policy_of
from cases.services.errors import NotAllowed, ServiceError

if TYPE_CHECKING:
    from django.http import HttpRequest

    from cases.models import SmearCase, User


class PageMixin(LoginRequiredMixin):
    """A page for members of a laboratory.

    Nobody logged in is sent to the log-in page, also from a partial. A service's refusal becomes a
    translated answer with its status.
    """

    request: HttpRequest

    @property
    def policy(self) -> AccessPolicy:
        return policy_of(self.request)

    @property
    def person(self) -> User:
        """Who is logged in; the page was refused to anybody else before it asks."""
        return cast("User", self.request.user)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except ServiceError as error:
            return refusal(request, error)

    def handle_no_permission(self) -> Any:
        if getattr(self.request, "htmx", False) and not self.request.user.is_authenticated:
            page = self.request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]
            return HttpResponseClientRedirect(redirect_to_login(page).url)
        return super().handle_no_permission()

    def get_case(self, pk: int, action: Action = Action.VIEW) -> SmearCase:
        """The case, if the reader may see it and do ``action`` with it.

        Raises:
            NotAllowed: ``blinded`` while they read it blind.
            Http404: when it does not exist or belongs to another laboratory.
            PermissionDenied: when the reader may only look.
        """
        if pk in self.policy.blinded_case_ids:
            raise NotAllowed(
                "blinded",
                _("You read this case blind: it opens to you once both readings are done."),
            )
        case: SmearCase = get_object_or_404(self.policy.cases().for_display(), pk=pk)
        self.demand(action, case.laboratory_id)
        return case

    def demand(self, action: Action, laboratory_id: int) -> None:
        """Stop here unless the reader may do ``action`` in the laboratory.

        Raises:
            PermissionDenied: otherwise.
        """
        if not self.policy.may(action, laboratory_id):
            raise PermissionDenied


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks, rather than a browser for a page."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def refusal(request: HttpRequest, error: ServiceError) -> HttpResponse:
    """Tell a service's refusal as the asker understands it: JSON, a toast or a page."""
    if wants_json(request):
        return JsonResponse(
            {"code": error.code, "message": str(error.message)}, status=error.status
        )
    if getattr(request, "htmx", False):
        toast = {"level": "danger", "message": error.message}
        answer = render(request, "partials/toast.html", {"toast": toast}, status=error.status)
        return reswap(retarget(answer, "#toasts"), "beforeend")
    return render(request, "refused.html", {"error": error}, status=error.status)
