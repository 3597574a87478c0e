"""Cursor pagination for every list of the API."""

from __future__ import annotations

import re
from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.settings import api_settings
from rest_framework.utils.urls import replace_query_param

SALT = "cases.api.cursor"
PAGE_SIZE = re.compile("[0-9]{1,9}")
Position = list[Any]


class StableCursorPagination(CursorPagination):
    """Pages that stay put while rows are added, taken away or change places.

    A cursor holds the values of the last row seen, its key among them, so equal values, however
    many, neither repeat nor lose a row (REST framework's own cursor counts offsets among equals).
    A view offers orders by ``orderings``, a name for each tuple of fields: the last is ``id``, no
    field is ever null and all run in one direction. The first is the default. Cursors are signed,
    so their values need no further checks.
    """

    page_size_query_param = "page_size"
    max_page_size = 200
    orderings: dict[str, tuple[str, ...]] = {"-id": ("-id",)}

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any]:
        self.request = request
        self.base_url = request.build_absolute_uri()
        size = self.get_page_size(request)
        self.name, self.fields = self._chosen_ordering(request, view)
        position, backwards = self._read_cursor(request)

        fields = tuple(_turned(each) for each in self.fields) if backwards else self.fields
        rows = list(_after(queryset.order_by(*fields), fields, position)[: size + 1])
        more = len(rows) > size
        page = rows[:size]
        if backwards:
            page.reverse()
        self.has_next = backwards or more
        self.has_previous = more if backwards else position is not None
        self.page: list[Any] = page
        return page

    def get_page_size(self, request: Any) -> int:
        """The rows asked for, at most ``max_page_size``.

        Raises:
            ValidationError: for anything but a number above 0.
        """
        asked = request.query_params.get(self.page_size_query_param, "")
        if asked and (not PAGE_SIZE.fullmatch(asked) or int(asked) == 0):
            message = _("Choose a number from 1 to {limit}.").format(limit=self.max_page_size)
            raise serializers.ValidationError({self.page_size_query_param: [message]})
        size = int(asked) if asked else api_settings.PAGE_SIZE or self.max_page_size
        return min(size, self.max_page_size)

    def get_next_link(self) -> str | None:
        return self._link(self.page[-1], False) if self.has_next and self.page else None

    def get_previous_link(self) -> str | None:
        return self._link(self.page[0], True) if self.has_previous and self.page else None

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters = super().get_schema_operation_parameters(view)
        names = list(_orderings_of(view))
        if len(names) > 1:
            parameters.append(
                {
                    "name": "ordering",
                    "in": "query",
                    "required": False,
                    "description": "Order of the rows; a minus sign turns it round.",
                    "schema": {"type": "string", "enum": names, "default": names[0]},
                }
            )
        return parameters

    def _chosen_ordering(self, request: Any, view: Any) -> tuple[str, tuple[str, ...]]:
        orderings = _orderings_of(view)
        name = request.query_params.get("ordering") or next(iter(orderings))
        if name not in orderings:
            message = _("Choose one of: {names}.").format(names=", ".join(orderings))
            raise serializers.ValidationError({"ordering": [message]})
        return name, orderings[name]

    def _read_cursor(self, request: Any) -> tuple[Position | None, bool]:
        encoded = request.query_params.get(self.cursor_query_param)
        if not encoded:
            return None, False
        try:
            name, position, backwards = signing.loads(encoded, salt=SALT)
        except signing.BadSignature as error:
            raise NotFound(_("Invalid cursor; start again without one.")) from error
        if name != self.name:
            raise NotFound(_("Invalid cursor; start again without one."))
        return position, backwards

    def _link(self, row: Any, backwards: bool) -> str:
        position = [getattr(row, each.lstrip("-")) for each in self.fields]
        cursor = signing.dumps([self.name, position, backwards], salt=SALT)
        return replace_query_param(str(self.base_url), self.cursor_query_param, cursor)


def _orderings_of(view: Any) -> dict[str, tuple[str, ...]]:
    return getattr(view, "orderings", StableCursorPagination.orderings)


def _turned(field: str) -> str:
    return field[1:] if field.startswith("-") else f"-{field}"


def _after(
    queryset: QuerySet[Any], fields: tuple[str, ...], position: Position | None
) -> QuerySet[Any]:
    """Rows behind a position: greater in the first field, or equal there and greater next."""
    if position is None:
        return queryset
    condition = Q()
    equal = Q()
    for field, value in zip(fields, position, strict=True):
        name = field.lstrip("-")
        comparison = "lt" if field.startswith("-") else "gt"
        condition |= equal & Q(**{f"{name}__{comparison}": value})
        equal &= Q(**{name: value})
    return queryset.filter(condition)
