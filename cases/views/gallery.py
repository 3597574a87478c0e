"""The cells of a case as pictures, the least certain first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode, urlsplit

from django.core.paginator import Paginator
from django.http import QueryDict

from cases.models import Cell

if TYPE_CHECKING:
    from django.http import HttpRequest

    from cases.models import SmearCase
    from cases.querysets import CellQuerySet
    from cases.services.counts import CaseCounts

CELLS_PER_PAGE = 60
UNNAMED = "unnamed"
UNFAMILIAR = "unfamiliar"


@dataclass(frozen=True)
class GalleryFilter:
    """Which cells are shown: a class's code, ``unnamed``, ``unfamiliar`` or all; all or only those
    to review."""

    label: str = ""
    review: bool = False

    @classmethod
    def read(cls, query: QueryDict) -> GalleryFilter:
        return cls(query.get("class", "").strip()[:40], query.get("review") == "1")

    @classmethod
    def of_page(cls, request: HttpRequest) -> GalleryFilter:
        """The filter of the page on which htmx made this request."""
        page = request.htmx.current_url or ""  # type: ignore[attr-defined]
        return cls.read(QueryDict(urlsplit(page).query))

    def apply(self, cells: CellQuerySet) -> CellQuerySet:
        if self.label == UNFAMILIAR:
            cells = cells.unfamiliar()
        elif self.label:
            cells = cells.labelled("" if self.label == UNNAMED else self.label)
        return cells.needing_review() if self.review else cells

    @property
    def query(self) -> str:
        """The filter as it stands in an address, for links that keep it."""
        chosen = {"class": self.label} if self.label else {}
        return urlencode(chosen | ({"review": "1"} if self.review else {}))


class CountedPaginator(Paginator):
    """A paginator told how many rows there are: the case's counts already say it."""

    def __init__(self, *args: Any, known_count: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known_count = known_count

    @cached_property
    def count(self) -> int:
        """Rows in all; asked of the database only where nobody has counted them."""
        if self.known_count is not None:
            return self.known_count
        return cast("CellQuerySet", self.object_list).count()


def known_count(chosen: GalleryFilter, counts: CaseCounts) -> int | None:
    """The size of the filtered gallery where the case's counts tell it."""
    named = {each.code: each.count for each in counts.classes}
    if chosen.label and chosen.review:
        return None
    if chosen.review:
        return counts.needs_review
    if chosen.label == UNFAMILIAR:
        return counts.unfamiliar
    if chosen.label == UNNAMED:
        return counts.total - sum(named.values())
    return named.get(chosen.label, 0) if chosen.label else counts.total


def gallery_context(*, case: SmearCase, counts: CaseCounts, query: QueryDict) -> dict[str, Any]:
    """One page of the gallery: a single query for the cells."""
    chosen = GalleryFilter.read(query)
    cells = chosen.apply(Cell.objects.of_case(case.pk).counted()).select_related("label")
    paginator = CountedPaginator(
        cells.least_confident_first(), CELLS_PER_PAGE, known_count=known_count(chosen, counts)
    )
    return {"gallery_filter": chosen, "page_obj": paginator.get_page(query.get("page"))}
