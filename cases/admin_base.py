"""Bases of Django's admin pages that show a laboratory's own rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from cases.policies import Action, policy_of

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.db.models.options import Options
    from django.http import HttpRequest

BY_LABORATORY = ("laboratory", admin.RelatedOnlyFieldListFilter)


class ScopedMixin:
    """Shows and takes only what belongs to laboratories the user manages.

    Attributes:
        laboratory_path: lookup from the model to the laboratory's id; ``None`` for rows all
            laboratories share, which administrators may look at and only superusers change.
        fixed_fields: fields that are given once, when the row is added.
    """

    laboratory_path: str | None = "laboratory_id"
    fixed_fields: tuple[str, ...] = ("laboratory",)
    opts: Options[Any]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        policy = policy_of(request)
        case_path = self.case_path()
        if case_path is not None:
            queryset = policy.in_sight(queryset, case_path)
        if request.user.is_superuser or self.laboratory_path is None:
            return queryset
        managed = policy.laboratory_ids(Action.MANAGE)
        return queryset.filter(**{f"{self.laboratory_path}__in": managed}).distinct()

    def case_path(self) -> str | None:
        """Lookup to the id of the case a row belongs to; ``None`` for rows outside any case."""
        path = self.laboratory_path or ""
        return path.removesuffix("__laboratory_id") + "_id" if "case__" in path else None

    def _manages(self, request: HttpRequest, row: Any = None) -> bool:
        """Whether the policy lets the user manage this row, or any such row."""
        user = request.user
        if user.is_superuser:
            return bool(user.is_active)
        staff = user.is_active and user.is_staff
        if not (staff and policy_of(request).may_anywhere(Action.MANAGE)):
            return False
        return row is None or self.get_queryset(request).filter(pk=row.pk).exists()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._manages(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request) and self._changes_shared(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request, obj) and self._changes_shared(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._manages(request, obj) and self._changes_shared(request)

    def _changes_shared(self, request: HttpRequest) -> bool:
        return self.laboratory_path is not None or bool(request.user.is_superuser)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)  # type: ignore[misc]
        if obj is None or isinstance(self, admin.TabularInline):
            return fields
        names = {each.name for each in self.opts.get_fields()}
        return (*fields, *(each for each in self.fixed_fields if each in names))

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Offer, and accept, only rows the related admin would show this user."""
        related = admin.site._registry.get(db_field.related_model)
        if isinstance(related, ScopedMixin):
            kwargs["queryset"] = related.get_queryset(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]


class ScopedAdmin(ScopedMixin, admin.ModelAdmin[Any]):
    """Base of every admin page of rows that belong to a laboratory."""

    show_full_result_count = False
    list_per_page = 50


class ReadOnlyScopedAdmin(ScopedAdmin):
    """For rows that are kept as made, or that only services change."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
