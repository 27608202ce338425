"""What is there to be looked at: lists and rows that nobody adds to, changes or deletes here."""

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

LONGEST_NUMBER = 18  # digits; every id of so many fits the database's 64 bits


def id_in(term: str) -> uuid.UUID | int | None:
    """The id that a search term is, if it is one."""
    term = term.strip()
    if term.isdecimal() and len(term) <= LONGEST_NUMBER:
        return int(term)
    try:
        return uuid.UUID(term)
    except ValueError:
        return None


class SearchById:
    """Lets a list be searched by ids too, where the term is one: by equality, so by index."""

    # Which columns hold ids of each kind.
    id_fields: ClassVar[Mapping[type, tuple[str, ...]]] = {}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, doubled = super().get_search_results(  # type: ignore[misc]  # because a ModelAdmin follows
            request, queryset, search_term
        )
        value = id_in(search_term)
        fields = self.id_fields.get(type(value), ())
        if not fields:
            return found, doubled
        same = Q.create([(field, value) for field in fields], connector=Q.OR)
        return found | queryset.filter(same), doubled


class _ReadOnly:
    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(_ReadOnly, SearchById, ModelAdmin):  # type: ignore[misc]  # because unfold has no types
    """A list, and its rows one by one, for who may view them."""

    actions: tuple[str, ...] | None = None
    list_per_page = 50
    show_full_result_count = False
    list_fullwidth = True

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = None, action_location: Any = None
    ) -> list[tuple[str, str]]:
        """As unfold has it, which lacks the last parameter: Django 6.1 warns without, 5.2 has none."""
        place = {} if action_location is None else {"action_location": action_location}
        choices: list[tuple[str, str]] = super(ModelAdmin, self).get_action_choices(
            request, [("", "Select action")], **place
        )
        return choices


class ReadOnlyInline(_ReadOnly, TabularInline):  # type: ignore[misc]  # because unfold has no types
    """The rows that belong to the row shown, in pages. Each names its `fields`."""

    extra = 0
    per_page = 20
    show_title = False
    if not hasattr(
        TabularInline, "show_title"
    ):  # as older unfold knows it; newer warns of the name
        hide_title = True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """All of them: the form that is made all the same takes no field that is not editable."""
        return self.fields
