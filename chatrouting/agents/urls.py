"""Addresses of what runs leave."""

from django.urls import path

from chatrouting.agents import views

app_name = "agents"

urlpatterns = [
    path("runs/<uuid:run_id>/calls/<int:number>/result", views.tool_result, name="tool_result"),
]
