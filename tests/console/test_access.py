"""Who may see what, and that nobody changes what is only to be looked at."""

import pytest

from chatrouting.testing.people import make_person
from tests.console.samples import (
    client_of,
    list_of,
    make_connection,
    make_message,
    make_process,
    make_run,
    make_thread,
    operator,
    page_of,
    send_form,
    superuser,
)

LOOKED_AT = {
    "connections.Connection": make_connection,
    "threads.Thread": make_thread,
    "threads.ThreadMessage": lambda person: make_message(make_thread(person)),
    "agents.Run": make_run,
    "connections.Process": lambda person: make_process(),
}
models = pytest.mark.parametrize("model", LOOKED_AT)


def test_a_person_who_is_not_staff_is_led_to_the_sign_in():
    """Row 82."""
    client = client_of(make_person())

    for path in ("/admin/", *map(list_of, LOOKED_AT)):
        assert client.get(path).headers["Location"].startswith("/admin/login/")


@models
def test_staff_without_the_permission_see_neither_list_nor_row(model):
    """Row 82."""
    row = LOOKED_AT[model](make_person())
    client = operator(*(LOOKED_AT.keys() - {model}))

    assert client.get(list_of(model)).status_code == 403
    assert client.get(page_of(row)).status_code == 403


@models
def test_staff_with_the_permission_see_list_and_row(model):
    row = LOOKED_AT[model](make_person())
    client = operator(model)

    assert client.get(list_of(model)).status_code == 200
    assert str(row.pk) in client.get(page_of(row)).content.decode()


@models
@pytest.mark.parametrize("act", ["add", "change", "delete"])
def test_not_even_a_superuser_writes(model, act):
    row = LOOKED_AT[model](make_person())
    path = f"{list_of(model)}add/" if act == "add" else page_of(row).replace("/change/", f"/{act}/")

    assert send_form(superuser(), path, post="yes").status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()


def test_the_side_bar_names_what_the_person_may_view():
    html = operator("agents.Run").get("/admin/").content.decode()

    assert list_of("agents.Run") in html
    assert list_of("threads.Thread") not in html


def test_messages_of_a_thread_are_not_shown_to_who_may_not_view_messages():
    """Row 82."""
    thread = make_thread(make_person())
    make_message(thread, content="a secret word")

    shown = operator("threads.Thread").get(page_of(thread)).content.decode()

    assert thread.title in shown
    assert "a secret word" not in shown


def test_a_person_can_be_made_and_be_found():
    client, name = superuser(), f"{make_person().name}-2"
    password = {"usable_password": "true", "password1": "Xk3-ou7-wq9", "password2": "Xk3-ou7-wq9"}

    response = send_form(client, "/admin/auth/user/add/", username=name, **password)

    assert response.status_code == 302
    assert name in client.get("/admin/auth/user/", {"q": name}).content.decode()
