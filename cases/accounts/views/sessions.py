"""The sessions of the person who looks: where they are logged in, and a way to end each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.usersessions.internal.flows.sessions import end_sessions
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.generic import ListView

from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

PER_PAGE = 20


class SessionListView(PageMixin, ListView):
    """List sessions; POST ``session`` ends one, ``others`` all but this one."""

    template_name = "usersessions/usersession_list.html"
    context_object_name = "sessions"
    paginate_by = PER_PAGE

    def get_queryset(self) -> Any:
        return UserSession.objects.filter(user=self.person).order_by("-last_seen_at", "-pk")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        UserSession.objects.purge_and_list(self.person)  # drops those that expired
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        own = self.get_queryset()
        if "others" in request.POST:
            chosen = [each for each in own if not each.is_current()]
        else:
            key = request.POST.get("session", "")
            chosen = [get_object_or_404(own, pk=int(key) if key.isdecimal() else 0)]
        end_sessions(request, chosen)
        messages.success(request, _("The session was ended."))
        return redirect("usersessions_list")
