"""Signing and amending, and the pages of the versions that were signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views import View

from cases.models import CellClass
from cases.policies import Action
from cases.result_forms import AmendForm, SignForm
from cases.services.cases import case_signed_off
from cases.services.counts import case_counts
from cases.services.errors import ServiceError
from cases.services.results import case_result
from cases.services.signing import amend_case, readiness, sign_case
from cases.services.snapshots import as_stored, case_snapshot, case_summary
from cases.services.versions import cells_of, difference
from cases.views.base import PageMixin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from cases.models import SignOff, SmearCase

CELLS_PER_PAGE = 100
# The other side of a comparison: the case as it stands.
PRESENT = "present"


class SignView(PageMixin, View):
    """What is left to do before a signature, or what is about to be signed."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.SIGN)
        if case.is_frozen:
            return redirect("case_result", pk)
        return self.shown(case, None)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.SIGN)
        form = SignForm(request.POST)
        if not form.is_valid():
            return self.shown(case, form, status=400)
        data = form.cleaned_data
        try:
            row = sign_case(
                case_id=pk,
                user=self.person,
                password=data["password"],
                comment=data["comment"],
                seen=data["seen"],
            )
        except ServiceError as error:
            case = self.get_case(pk, Action.SIGN)
            if case.is_frozen:
                raise case_signed_off() from error
            form.add_service_errors(error)
            return self.shown(case, form, status=error.status)
        messages.success(
            request,
            _("Version %(version)d of case %(number)s is signed.")
            % {"version": row.version, "number": case.accession_number},
        )
        return redirect("case_version", pk, row.version)

    def shown(self, case: SmearCase, form: SignForm | None, status: int = 200) -> HttpResponse:
        """The page; after a refusal with what was typed, and what is to be signed as it is now."""
        counts = case_counts(case=case)
        state = readiness(case=case, counts=counts)
        if form is None:
            form = SignForm(initial={"seen": state.seen})
        else:
            form.data = form.data.copy()  # type: ignore[attr-defined]
            form.data["seen"] = state.seen  # type: ignore[index]
        held = case_summary(case=case, result=case_result(case=case, counts=counts))
        context = {"case": case, "state": state, "form": form, "held": held}
        return render(self.request, "cases/case_sign.html", context, status=status)


class AmendView(PageMixin, View):
    """Open a signed case again, with a reason."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.SIGN)
        latest = self.policy.sign_offs().of_case(pk).without_snapshot().for_display().first()
        if not case.is_frozen or latest is None:
            return redirect("case_result", pk)
        form = AmendForm(initial={"version": latest.version})
        return self.shown(case, latest, form)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        case = self.get_case(pk, Action.SIGN)
        form = AmendForm(request.POST)
        latest = self.policy.sign_offs().of_case(pk).without_snapshot().for_display().first()
        if not form.is_valid():
            return self.shown(case, latest, form, status=400)
        data = form.cleaned_data
        try:
            amend_case(case_id=pk, user=self.person, reason=data["reason"], version=data["version"])
        except ServiceError as error:
            if error.status == 409:
                raise
            form.add_service_errors(error)
            return self.shown(case, latest, form, status=error.status)
        messages.success(
            request,
            _("Case %(number)s is open again. Version %(version)d stays readable.")
            % {"number": case.accession_number, "version": data["version"]},
        )
        return redirect("case_detail", pk)

    def shown(
        self, case: SmearCase, latest: SignOff | None, form: AmendForm, status: int = 200
    ) -> HttpResponse:
        context = {"case": case, "sign_off": latest, "form": form}
        return render(self.request, "cases/case_amend.html", context, status=status)


class VersionMixin(PageMixin):
    """A page about a signed version."""

    def sign_off(self, pk: int, version: int) -> SignOff:
        """The version, if the reader may see its case.

        Raises:
            Http404: otherwise.
        """
        row: SignOff = get_object_or_404(
            self.policy.sign_offs().of_case(pk).for_display(), version=version
        )
        return row

    def page_of(self, rows: list[Any]) -> Any:
        return Paginator(rows, CELLS_PER_PAGE).get_page(self.request.GET.get("page"))


class VersionView(VersionMixin, View):
    """A signed version as it was signed."""

    def get(self, request: HttpRequest, pk: int, version: int) -> HttpResponse:
        row = self.sign_off(pk, version)
        page = self.page_of(cells_of(row.snapshot))
        numbers = list(self.policy.sign_offs().of_case(pk).values_list("version", flat=True))
        context = {
            "case": row.case,
            "sign_off": row,
            "held": row.snapshot,
            "page_obj": page,
            "names": _names(),
            "latest": max(numbers),
            "may_amend": row.case.is_frozen
            and row.version == max(numbers)
            and self.policy.may(Action.SIGN, row.case.laboratory_id),
        }
        return render(request, "cases/case_version.html", context)


class VersionDiffView(VersionMixin, View):
    """What changed from one version to another, or to the case as it stands.

    ``against`` is the later side: a version's number or ``present``; by default the version that
    follows, or the present state where none does.
    """

    def get(self, request: HttpRequest, pk: int, version: int) -> HttpResponse:
        earlier = self.sign_off(pk, version)
        wanted = request.GET.get("against", "")
        later = self.later(pk, version, wanted)
        document = later.snapshot if later else as_stored(case_snapshot(case=self.get_case(pk)))
        changes = difference(before=earlier.snapshot, after=document)
        context = {
            "case": earlier.case,
            "earlier": earlier,
            "later": later,
            "amendment": getattr(earlier, "amendment", None),
            "changes": changes,
            "page_obj": self.page_of(changes.cells),
            "names": _names(),
        }
        return render(request, "cases/case_version_diff.html", context)

    def later(self, pk: int, version: int, wanted: str) -> SignOff | None:
        """The later side; ``None`` stands for the present.

        Raises:
            Http404: for a version there is not.
        """
        if wanted == PRESENT:
            return None
        if wanted:
            if not wanted.isdecimal() or len(wanted) > 9:
                raise Http404
            return self.sign_off(pk, int(wanted))
        following = self.policy.sign_offs().of_case(pk).filter(version=version + 1)
        row: SignOff | None = following.for_display().first()
        return row


def _names() -> dict[str, str]:
    """Every class's name in the reader's language, by its code."""
    return {each.code: each.name for each in CellClass.objects.all()}
