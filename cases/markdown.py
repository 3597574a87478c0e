"""A small Markdown for text that administrators write. No HTML of theirs reaches the page."""

from __future__ import annotations

from functools import lru_cache

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

# Rules by name, so that a new version of the library adds nothing by itself. HTML and images are
# left out: tags are shown as typed, and no page loads a picture from elsewhere.
RULES = ("heading", "list", "emphasis", "link", "autolink", "newline", "escape", "hr", "backticks")


@lru_cache(maxsize=1)
def _renderer() -> MarkdownIt:
    return MarkdownIt("zero", {"html": False, "linkify": False}).enable(list(RULES))


def render_markdown(text: str) -> SafeString:
    """Return safe HTML.

    The library escapes everything it does not understand and refuses addresses such as
    ``javascript:``; see ``tests/cases_tests/test_pages.py`` for what was tried.
    """
    return mark_safe(_renderer().render(text))  # noqa: S308 - escaped by the renderer  # nosec
