"""Addresses of the page."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from chatrouting.chat import views

app_name = "chat"

urlpatterns = [
    path("", views.page, name="page"),
    path("messages/<uuid:message_id>/html", views.message_html, name="message_html"),
    path("threads/<uuid:thread_id>/people", views.people, name="people"),
    path("accounts/login/", views.SignIn.as_view(), name="sign_in"),
    path("accounts/logout/", LogoutView.as_view(), name="sign_out"),
    path("accounts/password_change/", views.ChangePassword.as_view(), name="change_password"),
    path(
        "accounts/password_change/done/", views.PasswordChanged.as_view(), name="password_changed"
    ),
]
