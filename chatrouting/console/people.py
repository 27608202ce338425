"""Accounts and groups: Django's own pages for them, in unfold's forms."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from redis.exceptions import RedisError
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from chatrouting.console.readonly import ReadOnlyAdmin, SearchById
from chatrouting.console.streams import standings

if admin.site.is_registered(User):  # another user model is its project's to show
    admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(SearchById, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # because unfold has no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    actions = None
    list_per_page = 50
    show_full_result_count = False
    readonly_fields = ("stream",)
    fieldsets = (*(DjangoUserAdmin.fieldsets or ()), ("Stream", {"fields": ("stream",)}))
    list_display = ("username", "email", "is_active", "is_staff", "last_login", "date_joined")
    search_help_text = "Search by name, e-mail address or id"
    id_fields: ClassVar = {int: ("id",)}

    @admin.display(description="events")
    def stream(self, user: User) -> str:
        """How it stands."""
        try:
            (found,) = standings([str(user.pk)])
        except RedisError:
            return "Valkey does not answer."
        if found.damaged:
            return "Damaged: nothing can be told to this user."
        kept = f"{found.events} kept, up to {found.seq}"
        if found.behind is None:
            return f"{kept}; nobody connected"
        return f"{kept}; {found.sockets} connected, the slowest {found.behind} behind"

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, ...]:
        """With a person goes all that is theirs; that it cannot be deleted on its own does not matter here.

        The page shows how much it is, not each message.
        """
        _, counts, needed, protected = super().get_deleted_objects(objs, request)
        theirs = {
            model._meta.verbose_name
            for model, shown in self.admin_site._registry.items()
            if isinstance(shown, ReadOnlyAdmin)
        }
        return [str(each) for each in objs], counts, needed - theirs, protected


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # because unfold has no types
    actions = None
    list_per_page = 50
