"""The page, signing in, changing the password, and one finished message as HTML."""

import uuid
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import (
    LoginView,
    PasswordChangeDoneView,
    PasswordChangeView,
)
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chatrouting.agents.catalogue import agent_names
from chatrouting.chat.rendering import VERSION, markdown_html
from chatrouting.chat.sign_in import LimitedSignIn, with_status
from chatrouting.conf import chat_settings
from chatrouting.threads.membership import SHARE, members_of
from chatrouting.threads.models import ThreadMessage
from chatrouting.threads.rules import seen_by, thread_of
from routing_core.errors import NotFound


@require_safe
@never_cache
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """The whole chat; the rest comes through the socket."""
    known = {"agents": sorted(agent_names()), "default_agent": chat_settings().default_agent}
    return render(request, "chat/page.html", known)


class SignIn(LoginView):
    """Sign in by name and password. With `DEBUG` the demo accounts are named."""

    template_name = "chat/sign_in.html"
    authentication_form = LimitedSignIn
    redirect_authenticated_user = True

    def form_invalid(self, form: Any) -> HttpResponse:
        return with_status(super().form_invalid(form))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(demo=settings.DEBUG, **kwargs)


@method_decorator(never_cache, name="dispatch")
class ChangePassword(PasswordChangeView):
    """A new password for who knows the old one; this session goes on, all others of the person end."""

    template_name = "chat/change_password.html"
    success_url = reverse_lazy("chat:password_changed")


class PasswordChanged(PasswordChangeDoneView):
    """It is done."""

    template_name = "chat/password_changed.html"


@require_safe
def message_html(request: HttpRequest, message_id: uuid.UUID) -> HttpResponse:
    """The message's Markdown as a fragment.

    Raises `PermissionDenied` without a session: a redirect would put the sign-in page into the
    conversation. Raises `Http404` for a message the person may not read and for one that is not.
    """
    if not request.user.is_authenticated:
        raise PermissionDenied
    seen = seen_by(str(request.user.pk), "thread__")
    message = ThreadMessage.objects.filter(seen, id=message_id).first()
    if message is None:
        raise Http404
    return _fragment(request, message)


@require_safe
@never_cache
def people(request: HttpRequest, thread_id: uuid.UUID) -> JsonResponse:
    """Who is in a thread, and whether the person may let others in.

    Raises `PermissionDenied` without a session, `Http404` where the person is no member.
    """
    if not request.user.is_authenticated:
        raise PermissionDenied
    user_id = str(request.user.pk)
    try:
        thread = thread_of(user_id, thread_id)
    except NotFound:
        raise Http404 from None
    members = msgspec.to_builtins(members_of(thread_id))
    may_share = str(thread.owner_id) == user_id and request.user.has_perm(SHARE)
    return JsonResponse({"members": members, "may_share": may_share})


def _fragment(request: HttpRequest, message: ThreadMessage) -> HttpResponse:
    """A finished message never changes, so a browser asks only whether it may still be read."""
    tag = f'"{message.id}-{VERSION}"'
    if request.headers.get("If-None-Match") == tag:
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(markdown_html(message.content))
    response["ETag"] = tag
    patch_cache_control(response, private=True, no_cache=True)
    return response
