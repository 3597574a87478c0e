"""The names a cell can be given."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class CellClass(models.Model):
    """A cell class; ``name`` and ``description`` are kept in every language of the site.

    ``counted`` classes are leukocytes and make up the differential's denominator. ``predicted``
    classes are known to the model; the others can only be given by a reviewer. Codes of predicted
    classes are those of the PBC dataset (Acevedo et al., 2020), so a bundle's class list needs no
    translation table.
    """

    class Group(models.TextChoices):
        """Where a class stands in the result."""

        LEUKOCYTE = "leukocyte", _("leukocyte")
        ERYTHROBLAST = "erythroblast", _("nucleated red cell")
        PLATELET = "platelet", _("platelet")
        REVIEW = "review", _("given by reviewers only")

    code = models.SlugField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    description = models.TextField(_("description"), blank=True)
    group = models.CharField(_("group"), max_length=20, choices=Group.choices)
    color = models.CharField(
        _("colour"), max_length=7, validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$")]
    )
    order = models.PositiveSmallIntegerField(_("order"), unique=True)
    counted = models.BooleanField(_("counted in the differential"))
    predicted = models.BooleanField(_("predicted by the model"))

    objects: ClassVar[models.Manager[CellClass]] = models.Manager()

    class Meta:
        verbose_name = _("cell class")
        verbose_name_plural = _("cell classes")
        ordering = ("order",)

    def __str__(self) -> str:
        return self.name
