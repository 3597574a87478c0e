"""Database content that is kept in every language."""

from modeltranslation.translator import TranslationOptions, register

from cases.models import CellClass, Page


@register(CellClass)
class CellClassTranslation(TranslationOptions):
    fields = ("name", "description")
    required_languages = ("en", "es")


@register(Page)
class PageTranslation(TranslationOptions):
    fields = ("title", "body")
    required_languages = ("en", "es")
