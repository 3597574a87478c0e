"""Pages of text that anybody may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import get_object_or_404, render
from django.views import View

from cases.markdown import render_markdown
from cases.models import Page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class AboutPageView(View):
    """One page in the reader's language; nobody needs to log in for it."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        pages = list(Page.objects.all()[:20])
        page = get_object_or_404(Page, slug=slug)
        context = {"shown": page, "body": render_markdown(page.body), "pages": pages}
        return render(request, "cases/about.html", context)
