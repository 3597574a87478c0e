"""API tokens: a list with last use, a form, and the one time a new token is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.generic import ListView

from cases.accounts.forms import TokenForm
from cases.accounts.services.tokens import create_token, revoke_token
from cases.models import ApiToken
from cases.services.errors import ServiceError
from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

PER_PAGE = 20


class TokenListView(PageMixin, ListView):
    """The person's own tokens; POST makes one, after the password was given not long ago."""

    template_name = "accounts/tokens.html"
    context_object_name = "tokens"
    paginate_by = PER_PAGE

    def get_queryset(self) -> Any:
        return ApiToken.objects.valid_of(self.person)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{"form": TokenForm(), **kwargs})

    @method_decorator(reauthentication_required)
    def post(self, request: HttpRequest) -> HttpResponseBase:
        form = TokenForm(request.POST)
        token = ""
        if form.is_valid():
            try:
                _kept, token = create_token(user=self.person, **form.cleaned_data)
                form = TokenForm()
            except ServiceError as error:
                form.add_service_errors(error)
        self.object_list = self.get_queryset()
        status = 200 if token else 422
        context = self.get_context_data(form=form, token=token)
        return self.render_to_response(context, status=status)


class TokenRevokeView(PageMixin, View):
    """End one of the person's own tokens."""

    def post(self, request: HttpRequest, token_key: str) -> HttpResponseBase:
        revoke_token(user=self.person, token_key=token_key)
        messages.success(request, _("The token was revoked."))
        return redirect("token_list")
