"""An administrator's page: members, invitations and whether a second factor is required."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View
from django.views.generic import ListView

from cases.accounts.forms import InvitationForm
from cases.accounts.models import Invitation
from cases.accounts.services import invitations, members
from cases.models import Laboratory, Membership, Role
from cases.policies import Action
from cases.services.errors import ServiceError
from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse, HttpResponseBase

PER_PAGE = 25
MAX_INVITATIONS = 50


class ManagerMixin(PageMixin):
    """For whoever manages a laboratory; ``?laboratory=`` chooses among several."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        known = hasattr(self, str(request.method).lower())
        if known and request.user.is_authenticated and not self.policy.may_anywhere(Action.MANAGE):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    @property
    def laboratories(self) -> Any:
        return self.policy.laboratories(Action.MANAGE).order_by("name")

    def chosen_laboratory(self) -> Laboratory:
        key = self.request.GET.get("laboratory") or self.request.POST.get("laboratory") or ""
        if not key:
            found = self.laboratories.first()
            assert found is not None  # noqa: S101 - dispatch lets nobody else in
            return found
        laboratory: Laboratory = get_object_or_404(
            self.laboratories, pk=int(key) if key.isdecimal() and len(key) < 19 else 0
        )
        return laboratory

    def get_membership(self, pk: int) -> Membership:
        managed = self.policy.laboratory_ids(Action.MANAGE)
        own = Membership.objects.filter(laboratory_id__in=managed).select_related("user")
        membership: Membership = get_object_or_404(own, pk=pk)
        return membership

    def back(self, laboratory_id: int) -> HttpResponse:
        return redirect(f"{reverse('member_list')}?laboratory={laboratory_id}")


class MemberListView(ManagerMixin, ListView):
    """Members of a laboratory, and who is invited; POST invites."""

    template_name = "accounts/members.html"
    context_object_name = "members"
    paginate_by = PER_PAGE

    def get_queryset(self) -> Any:
        factor = Authenticator.objects.filter(
            user_id=OuterRef("user_id"),
            type__in=(Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN),
        )
        rows = Membership.objects.filter(laboratory=self.chosen_laboratory())
        return (
            rows.select_related("user")
            .annotate(second_factor=Exists(factor))
            .order_by("-user__is_active", "user__username")
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        laboratory = self.chosen_laboratory()
        open_ones = Invitation.objects.of_laboratories([laboratory.pk]).open().for_display()
        given = {
            "laboratory": laboratory,
            "laboratories": list(self.laboratories),
            "invitations": open_ones[:MAX_INVITATIONS],
            "roles": Role.choices,
            "form": InvitationForm(
                laboratories=self.laboratories, initial={"laboratory": laboratory.pk}
            ),
        }
        return super().get_context_data(**{**given, **kwargs})

    def post(self, request: HttpRequest) -> HttpResponseBase:
        form = InvitationForm(request.POST, laboratories=self.laboratories)
        if form.is_valid():
            try:
                invitation = invitations.invite(
                    user=self.person, link=self._link, **form.cleaned_data
                )
            except ServiceError as error:
                form.add_service_errors(error)
            else:
                messages.success(
                    request,
                    _("An invitation was sent to %(email)s.") % {"email": invitation.email},
                )
                return self.back(invitation.laboratory_id)
        self.object_list = self.get_queryset()
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def _link(self, secret: str) -> str:
        return self.request.build_absolute_uri(reverse("invitation_accept", args=[secret]))


class MemberChangeView(ManagerMixin, View):
    """POST ``action``: what to do with one member."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        membership = self.get_membership(pk)
        given: dict[str, Any] = {"user": self.person, "membership": membership}
        action = request.POST.get("action", "")
        try:
            if action == "role":
                members.change_role(**given, role=request.POST.get("role", ""))
            elif action in ACTIONS:
                ACTIONS[action](**given)
            else:
                raise ServiceError("unknown_action", _("There is nothing like that to do."))
        except ServiceError as error:
            messages.error(request, error.message)
        else:
            messages.success(
                request, _("%(name)s was changed.") % {"name": membership.user.username}
            )
        return self.back(membership.laboratory_id)


ACTIONS: dict[str, Any] = {
    "remove": members.remove,
    "deactivate": members.deactivate,
    "reactivate": members.reactivate,
    "reset_second_factor": members.reset_second_factor,
}


class InvitationWithdrawView(ManagerMixin, View):
    """Make an invitation useless."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        managed = self.policy.laboratory_ids(Action.MANAGE)
        invitation = get_object_or_404(Invitation.objects.of_laboratories(managed), pk=pk)
        try:
            invitations.withdraw(user=self.person, invitation=invitation)
        except ServiceError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, _("The invitation was withdrawn."))
        return self.back(invitation.laboratory_id)


class SecondFactorRequirementView(ManagerMixin, View):
    """Require a second factor of every member, or stop doing so."""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        laboratory = self.chosen_laboratory()
        required = request.POST.get("required") == "on"
        try:
            members.require_second_factor(
                user=self.person, laboratory=laboratory, required=required
            )
        except ServiceError as error:
            messages.error(request, error.message)
        else:
            said = (
                _("Members now need a second factor.")
                if required
                else _("Members no longer need a second factor.")
            )
            messages.success(request, said)
        return self.back(laboratory.pk)
