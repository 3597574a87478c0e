"""Pages whose text is content: about the project, about the people behind it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class Page(models.Model):
    """A page of text that anybody may read, written in the admin in every language."""

    slug = models.SlugField(_("name in the address"), unique=True)
    title = models.CharField(_("title"), max_length=120)
    body = models.TextField(
        _("text"),
        help_text=_(
            "Markdown: a blank line between paragraphs, ## before a heading, - before an item of a "
            "list, **bold**, [words](https://address). HTML is shown as it is typed."
        ),
    )
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects: ClassVar[models.Manager[Page]] = models.Manager()

    class Meta:
        verbose_name = _("page of text")
        verbose_name_plural = _("pages of text")
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("about_page", args=[self.slug])
