"""The work list: cases that wait for a reader, the most urgent first, and who takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views import View
from django.views.generic import RedirectView

from cases.forms import AssignmentForm, PriorityForm
from cases.models import Cell, DoubleReading
from cases.policies import Action, policy_of
from cases.services.errors import ServiceError
from cases.services.work import assign_case, readers_of, set_priority
from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.models import CaseAssignment, Membership, SmearCase
    from cases.policies import AccessPolicy
    from cases.querysets import SmearCaseQuerySet

MINE, UNASSIGNED = "mine", "unassigned"
CASES_PER_PAGE = 25
ASSIGNMENTS_PER_PAGE = 25
# More than anybody is asked to read at a time.
READINGS_SHOWN = 25


def whose_cases(policy: AccessPolicy, whose: str) -> SmearCaseQuerySet:
    """The waiting cases the reader may see: their own, those of nobody, or all."""
    cases = policy.cases().waiting()
    if whose == MINE:
        return cases.assigned_to(policy.user.pk or 0)
    return cases.unassigned() if whose == UNASSIGNED else cases


class HomeView(RedirectView):
    """Where somebody begins: a reader at the work list, everybody else at the cases."""

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        reads = policy_of(self.request).may_anywhere(Action.CORRECT)
        return reverse("work_list" if reads else "case_list")


class WorkListView(PageMixin, View):
    """What waits for a reader; ``?part=rows`` answers with the table alone, as it is now."""

    def get(self, request: HttpRequest) -> HttpResponse:
        whose = request.GET.get("whose", "")
        whose = whose if whose in (MINE, UNASSIGNED) else ""
        numbers = (
            self.policy.cases()
            .waiting()
            .aggregate(
                all=Count("pk"),
                mine=Count("pk", filter=Q(assignee_id=self.person.pk)),
                unassigned=Count("pk", filter=Q(assignee=None)),
            )
        )
        cases = whose_cases(self.policy, whose).most_urgent_first().for_display()
        paginator = Paginator(cases, CASES_PER_PAGE)
        # Counted above already; nothing is asked twice.
        paginator.__dict__["count"] = numbers[whose or "all"]
        page = paginator.get_page(request.GET.get("page"))
        keys = [case.pk for case in page]
        progress = Cell.objects.progress_by_case(keys)
        under_way = {
            each.case_id: each
            for each in DoubleReading.objects.under_way().filter(case_id__in=keys)
        }
        context = {
            "whose": whose,
            "tabs": [
                ("", _("All"), numbers["all"]),
                (MINE, _("Mine"), numbers["mine"]),
                (UNASSIGNED, _("Unassigned"), numbers["unassigned"]),
            ],
            "page_obj": page,
            "rows": [
                self.row(case, progress.get(case.pk)) | {"double_reading": under_way.get(case.pk)}
                for case in page
            ],
            "to_read": self.policy.readings()
            .to_be_read()
            .for_display()
            .with_progress()[:READINGS_SHOWN],
            "readers": self.readers(),
            "several_laboratories": len(self.policy.laboratory_ids()) > 1,
        }
        part = request.GET.get("part") == "rows"
        template = "cases/partials/work_rows.html" if part else "cases/work_list.html"
        return render(request, template, context)

    def row(self, case: SmearCase, progress: dict[str, int] | None) -> dict[str, Any]:
        laboratory = case.laboratory_id
        return {
            "case": case,
            "progress": progress,
            "may_take": self.policy.may(Action.CORRECT, laboratory),
            "may_assign": self.policy.may(Action.MANAGE, laboratory),
            "readers": self.readers().get(laboratory, []),
        }

    def readers(self) -> dict[int, list[Membership]]:
        """The readers of every laboratory in which the person assigns, asked for once."""
        if not hasattr(self, "_readers"):
            found = readers_of(*self.policy.laboratory_ids(Action.MANAGE))
            self._readers: dict[int, list[Membership]] = {}
            for each in found:
                self._readers.setdefault(each.laboratory_id, []).append(each)
        return self._readers


class CaseAssignmentView(PageMixin, View):
    """Who reads a case and how soon it is wanted (GET), and a change of its reader (POST)."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk)
        history = self.policy.assignments().of_case(pk).for_display()
        page = Paginator(history, ASSIGNMENTS_PER_PAGE).get_page(request.GET.get("page"))
        laboratory = case.laboratory_id
        context = {
            "case": case,
            "page_obj": page,
            "may_take": self.policy.may(Action.CORRECT, laboratory) and not case.is_frozen,
            "may_assign": self.policy.may(Action.MANAGE, laboratory) and not case.is_frozen,
            "may_set_priority": self.policy.may(Action.UPLOAD, laboratory) and not case.is_frozen,
            "readers": readers_of(laboratory),
        }
        return render(request, "cases/case_assignment.html", context)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.get_case(pk, Action.CORRECT)
        form = AssignmentForm(request.POST)
        if not form.is_valid():
            raise ServiceError("invalid", next(iter(form.errors.values()))[0])
        assigned = assign_case(
            case_id=pk,
            user=self.person,
            assignee_id=form.cleaned_data["assignee"],
            expected_assignee_id=form.cleaned_data["expected"],
        )
        messages.success(request, assigned_message(assigned, self.person.pk))
        return redirect(_way_back(request))


class CasePriorityView(PageMixin, View):
    """How soon a case is wanted."""

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.get_case(pk, Action.UPLOAD)
        form = PriorityForm(request.POST)
        if not form.is_valid():
            raise ServiceError("invalid", next(iter(form.errors.values()))[0])
        case = set_priority(case_id=pk, user=self.person, priority=form.cleaned_data["priority"])
        messages.success(
            request,
            _("Case %(number)s is %(priority)s now.")
            % {"number": case.accession_number, "priority": case.get_priority_display()},
        )
        return redirect(_way_back(request))


def assigned_message(assigned: CaseAssignment, user_id: int) -> str:
    """What is said after a case found its reader."""
    number = assigned.case.accession_number
    if assigned.assignee is None:
        return _("Case %(number)s waits for a reader again.") % {"number": number}
    if assigned.assignee_id == user_id:
        return _("Case %(number)s is yours.") % {"number": number}
    name = assigned.assignee.get_full_name() or assigned.assignee.get_username()
    return _("Case %(number)s is assigned to %(name)s.") % {"number": number, "name": name}


def _way_back(request: HttpRequest) -> str:
    """The page the form stood on, if it was one of ours; else the work list."""
    page = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(page, {request.get_host()}, request.is_secure())
    return page if ours else "work_list"
