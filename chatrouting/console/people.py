"""Accounts and groups: Django's own pages for them, in unfold's forms."""

import logging
from functools import partial
from typing import Any, ClassVar

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpRequest
from redis.exceptions import RedisError
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from chatrouting.agents import runs
from chatrouting.agents.ending import publish_end
from chatrouting.agents.models import Outcome, Run, RunStatus
from chatrouting.console.readonly import ReadOnlyAdmin, SearchById
from chatrouting.stream.valkey import close_valkey

logger = logging.getLogger(__name__)

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
    list_display = ("username", "email", "is_active", "is_staff", "last_login", "date_joined")
    search_help_text = "Search by name, e-mail address or id"
    id_fields: ClassVar = {int: ("id",)}

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

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Their runs in threads of others end first: whoever waits behind them goes on."""
        unfinished = Run.objects.filter(user=obj).exclude(status=RunStatus.COMPLETED)
        elsewhere = unfinished.exclude(thread__owner=obj).select_related("question")
        ended = [runs.end(run, runs.Ending(Outcome.CANCELLED)) for run in elsewhere]
        super().delete_model(request, obj)
        for each in filter(None, ended):
            transaction.on_commit(partial(_tell, each.run))


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # because unfold has no types
    actions = None
    list_per_page = 50


def _tell(run: Run) -> None:
    """Tell the members of its thread that the run ended. Its row is gone: no sweep would do it later."""
    try:
        async_to_sync(_publish)(run)
    except RedisError:
        logger.warning("nobody was told of the end of run %s", run.pk, exc_info=True)


async def _publish(run: Run) -> None:
    try:
        await publish_end(run)
    finally:
        await close_valkey()  # the client of this call's own event loop
