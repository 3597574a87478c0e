"""Parsers whose every failure is an answer the client can read."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import parsers
from rest_framework.exceptions import ParseError

# JSON may nest as deep as its sender likes; no request of this API needs more than two levels.
NESTING_MAX = 50
NESTS = (dict, list)


class _CarefulMixin:
    """Refuses a body that cannot be read, whatever the reason, in the reader's language.

    A body nested too deep ends in a RecursionError, and the name of a character set can be one
    that decodes no text, or not as the library asks it to.
    """

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(  # type: ignore[misc]
                stream, media_type=media_type, parser_context=parser_context
            )
        except (ParseError, RecursionError, UnicodeError, LookupError) as error:
            raise self.refusal(error) from error

    def refusal(self, error: Exception) -> ParseError:
        return ParseError(_("The request cannot be read; check how it is put together."))


class JSONParser(_CarefulMixin, parsers.JSONParser):
    """JSON of a few levels."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        data = super().parse(stream, media_type=media_type, parser_context=parser_context)
        level = [data]
        for _depth in range(NESTING_MAX):
            level = [inner for each in level for inner in _inside(each)]
        if level:
            raise ParseError(_("The request cannot be read; check how it is put together."))
        return data

    def refusal(self, error: Exception) -> ParseError:
        found = error.__context__
        if not isinstance(found, json.JSONDecodeError):
            return super().refusal(error)
        text = _("The body is not valid JSON: look at line {line}, column {column}.")
        return ParseError(text.format(line=found.lineno, column=found.colno))


class FormParser(_CarefulMixin, parsers.FormParser):
    """Fields as a browser's plain form sends them."""


class MultiPartParser(_CarefulMixin, parsers.MultiPartParser):
    """Fields and files."""


def _inside(value: Any) -> list[Any]:
    """The lists and objects directly inside a value."""
    if not isinstance(value, NESTS):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [each for each in inner if isinstance(each, NESTS)]
