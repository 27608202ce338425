"""Operators, and rows for them to look at."""

import uuid
from datetime import timedelta

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from chatrouting.agents.models import Run, ToolCall
from chatrouting.connections.models import Connection, Process
from chatrouting.testing.people import make_person
from chatrouting.threads.models import Thread, ThreadMember, ThreadMessage

MADE_UP = "made-up-"  # hosts of processes that are rows alone
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def client_of(person):
    client = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    client.cookies["sessionid"] = person.session_key
    return client


def operator(*models):
    """A browser of a member of staff who may view these models, such as `agents.Run`, and no other."""
    person = make_person("operator", is_staff=True)
    user = get_user_model().objects.get(pk=person.user_id)
    for model in models:
        meta = model_named(model)._meta
        user.user_permissions.add(
            Permission.objects.get(
                content_type__app_label=meta.app_label, codename=f"view_{meta.model_name}"
            )
        )
    return client_of(person)


def superuser():
    return client_of(make_person("root", is_staff=True, is_superuser=True))


def send_form(client, path, **form):
    """Post a form as a page of the console would: with the token of a form that was read before."""
    client.get("/admin/password_change/")
    return client.post(path, {**form, "csrfmiddlewaretoken": client.cookies["csrftoken"].value})


def model_named(name):
    room, model = name.split(".")
    return apps.get_model(room if room == "auth" else f"chatrouting_{room}", model)


def list_of(name):
    """The address of a model's list."""
    meta = model_named(name)._meta
    return f"/admin/{meta.app_label}/{meta.model_name}/"


def page_of(row):
    """The address of one row."""
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"


def make_process(seen_seconds_ago=0):
    seen = timezone.now() - timedelta(seconds=seen_seconds_ago)
    host = f"{MADE_UP}{uuid.uuid4().hex}"
    return Process.objects.create(host=host, pid=7, started_at=seen, seen_at=seen)


def make_connection(person, process=None):
    now = timezone.now()
    return Connection.objects.create(
        user_id=person.user_id,
        process=process or make_process(),
        address="192.0.2.7",
        user_agent=FIREFOX,
        opened_at=now,
        seen_at=now,
        position=4711,
    )


def make_thread(person, messages=0):
    now = timezone.now()
    thread = Thread.objects.create(
        owner_id=person.user_id, title=f"title {uuid.uuid4().hex}", updated_at=now
    )
    ThreadMember.objects.create(thread=thread, user_id=person.user_id, role="owner")
    for position in range(1, messages + 1):
        make_message(thread, position)
    return thread


def make_message(thread, position=1, content=""):
    return ThreadMessage.objects.create(
        thread=thread,
        position=position,
        role="user",
        author_id=thread.owner_id,
        author_name="a",
        content=content or f"message number {position}.",
        created_at=timezone.now(),
    )


def make_run(person, tool_calls=0, **fields):
    thread = make_thread(person)
    run = Run.objects.create(
        **{"status": "completed", "outcome": "success", "attempt": 1, "agent": "demo", **fields},
        thread=thread,
        user_id=person.user_id,
        question=make_message(thread),
        started_at=timezone.now() - timedelta(seconds=90),
        finished_at=timezone.now(),
    )
    for number in range(tool_calls):
        ToolCall.objects.create(
            run=run,
            call_id=f"call-{number}",
            attempt=1,
            tool="calculator",
            arguments={"expression": f"{number} + 1"},
            status="ok",
            result={"value": number + 1},
            started_at=timezone.now(),
            duration_ms=12,
        )
    return run
