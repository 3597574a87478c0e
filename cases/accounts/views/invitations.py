"""The page behind an invitation's link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth import login
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from cases.accounts.forms import NewAccountForm
from cases.accounts.services.invitations import accept, accept_with_new_account, find
from cases.services.errors import ServiceError
from cases.views.base import refusal

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse, HttpResponseBase

BACKEND = "django.contrib.auth.backends.ModelBackend"


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class InvitationAcceptView(FormView):
    """Make an account, or add the laboratory to the one that is logged in."""

    http_method_names = ["get", "head", "options", "post"]
    template_name = "accounts/invitation.html"
    form_class = NewAccountForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if str(request.method).lower() not in self.http_method_names:
            return self.http_method_not_allowed(request)
        try:
            self.invitation = find(secret=kwargs["secret"])
            return super().dispatch(request, *args, **kwargs)
        except ServiceError as error:
            return refusal(request, error)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(invitation=self.invitation, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return super().post(request, *args, **kwargs)
        accept(secret=kwargs["secret"], user=request.user)
        return self._welcome()

    def form_valid(self, form: NewAccountForm) -> HttpResponse:
        if not ratelimit.consume(self.request, action="signup"):
            return ratelimit.respond_429(self.request)
        data = form.cleaned_data
        try:
            user = accept_with_new_account(
                secret=self.kwargs["secret"],
                username=data["username"],
                password=data["password1"],
                first_name=data["first_name"],
                last_name=data["last_name"],
            )
        except ServiceError as error:
            if not error.extra.get("errors"):
                raise
            form.add_service_errors(error)
            return self.form_invalid(form)
        # The account was just made and has no second factor to ask for.
        login(self.request, user, backend=BACKEND)
        return self._welcome()

    def _welcome(self) -> HttpResponse:
        messages.success(
            self.request,
            _("Welcome to %(laboratory)s.") % {"laboratory": self.invitation.laboratory.name},
        )
        return redirect("case_list")
