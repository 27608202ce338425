"""The operator's console: Django's admin on unfold, with a live first page and a policy of its own."""

from collections.abc import Callable
from typing import Any

from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from chatrouting.chat.sign_in import LimitedSignIn, with_status
from chatrouting.console.dashboard import dashboard

View = Callable[..., Any]

# Alpine, which unfold's pages are made with, compiles their attributes and writes style attributes.
# Nothing else is allowed that the site's own policy does not allow: no inline script, no style
# element, no other host.
within_policy: Callable[[View], View] = csp_update(
    {"script-src": [UNSAFE_EVAL], "style-src-attr": [UNSAFE_INLINE]}
)


class ConsoleSignIn(LimitedSignIn, AuthenticationForm):  # type: ignore[misc]  # because unfold has no types
    """Of the members of staff."""


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # because unfold has no types
    """Every page of it keeps to the policy; the first shows what happens now."""

    login_form = ConsoleSignIn
    index_template = "console/index.html"
    index_title = "Now"

    def get_urls(self) -> list[Any]:
        """The figures of the first page can be asked for on their own."""
        return [path("figures/", self.figures, name="figures"), *super().get_urls()]

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Any page but the sign-in."""
        return within_policy(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The sign-in, as often as is allowed."""
        return with_status(within_policy(super().login)(request, extra_context))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Colours come from a style sheet: unfold would write them into the page, inline."""
        return {**super().each_context(request), "colors": None}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The first page."""
        return super().index(request, {**dashboard(self, request), **(extra_context or {})})

    @method_decorator(never_cache)
    def figures(self, request: HttpRequest) -> HttpResponse:
        """The live part of the first page; who may not see it any more is told to load it anew."""
        if not self.has_permission(request):
            return HttpResponse(status=403, headers={"HX-Refresh": "true"})
        return render(request, "console/figures.html", dashboard(self, request))
