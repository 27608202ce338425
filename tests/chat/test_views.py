"""The page, signing in and out, and one message as HTML."""

import uuid
from datetime import datetime, timezone

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, override_settings
from django.urls import reverse

from chatrouting.testing.people import make_person
from chatrouting.threads.models import Thread, ThreadMember, ThreadMessage
from chatrouting.threads.rules import delete


def browser(person=None):
    client = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    if person is not None:
        client.cookies["sessionid"] = person.session_key
    return client


def said(person, content):
    """A message in a thread of this person's."""
    now = datetime.now(timezone.utc)
    thread = Thread.objects.create(owner_id=person.user_id, title="a", updated_at=now)
    ThreadMember.objects.create(thread=thread, user_id=person.user_id, role="owner")
    return ThreadMessage.objects.create(
        thread=thread, position=2, role="agent", author_name="demo", content=content, created_at=now
    )


def fragment(client, message_id, **headers):
    return client.get(reverse("chat:message_html", args=[message_id]), headers=headers)


def sign_in(client, name, password):
    token = client.get("/accounts/login/").cookies["csrftoken"].value
    form = {"username": name, "password": password, "csrfmiddlewaretoken": token}
    return client.post("/accounts/login/", form)


def test_without_a_session_the_page_leads_to_the_sign_in():
    assert browser().get("/").headers["Location"] == "/accounts/login/?next=/"


def test_the_page_names_its_user_and_is_kept_by_no_cache():
    person = make_person()

    response = browser(person).get("/")

    assert f'data-user-id="{person.user_id}"' in response.content.decode()
    assert {"no-store", "private"} <= set(response.headers["Cache-Control"].split(", "))


def test_the_page_has_no_inline_script_or_style():
    html = browser(make_person()).get("/").content.decode()

    assert "<style" not in html
    assert " style=" not in html
    assert html.count("<script") == html.count('<script type="module" src=') == 1


def test_the_page_allows_nothing_from_other_places():
    policy = browser(make_person()).get("/").headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_right_password_signs_in():
    name = f"person-{uuid.uuid4().hex}"
    get_user_model().objects.create_user(name, password="right")
    client = browser()

    assert sign_in(client, name, "right").headers["Location"] == "/"
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("name", "password"),
    [("nobody", "wrong"), ("", ""), ("a\x00b", "c"), ("x" * 10_000, "y"), ("'; --", "z")],
)
def test_a_malformed_sign_in_is_told_and_makes_no_session(name, password):
    client = browser()

    response = sign_in(client, name, password)

    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()
    assert "sessionid" not in client.cookies


def test_a_sign_in_from_another_site_is_refused():
    assert browser().post("/accounts/login/", {"username": "a", "password": "b"}).status_code == 403


def test_the_demo_accounts_are_named_with_debug_alone():
    with override_settings(DEBUG=True):
        assert "password <strong>demo" in browser().get("/accounts/login/").content.decode()
    with override_settings(DEBUG=False):
        assert "demo" not in browser().get("/accounts/login/").content.decode()


def test_signing_out_ends_the_session():
    client = browser(make_person())
    client.get("/")
    token = client.cookies["csrftoken"].value

    response = client.post("/accounts/logout/", {"csrfmiddlewaretoken": token})

    assert response.headers["Location"] == "/accounts/login/"
    assert client.get("/").status_code == 302


def test_a_link_cannot_sign_out():
    client = browser(make_person())

    assert client.get("/accounts/logout/").status_code == 405
    assert client.get("/").status_code == 200


def test_a_message_is_rendered_for_a_member():
    person = make_person()
    message = said(person, "*a* <b>")

    response = fragment(browser(person), message.id)

    assert response.content.decode() == "<p><em>a</em> &lt;b&gt;</p>\n"
    assert response.headers["Cache-Control"] == "private, no-cache"


def test_a_message_of_another_looks_like_one_that_is_not():
    """Row 82."""
    message = said(make_person(), "secret")
    client = browser(make_person())

    with override_settings(DEBUG=False):
        theirs, missing = fragment(client, message.id), fragment(client, uuid.uuid4())

    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content


def test_a_message_of_a_deleted_thread_is_gone():
    person = make_person()
    message = said(person, "secret")
    delete(message.thread)

    assert fragment(browser(person), message.id).status_code == 404


def test_a_message_is_not_told_without_a_session():
    assert fragment(browser(), said(make_person(), "secret").id).status_code == 403


def test_a_message_that_the_browser_has_is_not_sent_again():
    person = make_person()
    message, client = said(person, "a"), browser(person)
    tag = fragment(client, message.id).headers["ETag"]

    again = fragment(client, message.id, if_none_match=tag)

    assert (again.status_code, again.content) == (304, b"")


def test_a_browser_that_has_a_message_must_still_be_a_member():
    person = make_person()
    message, client = said(person, "a"), browser(person)
    tag = fragment(client, message.id).headers["ETag"]
    ThreadMember.objects.filter(thread=message.thread).delete()

    assert fragment(client, message.id, if_none_match=tag).status_code == 404


def people(client, thread_id):
    return client.get(reverse("chat:people", args=[thread_id]))


def test_a_member_reads_who_is_in_a_thread():
    owner, member = make_person("owner"), make_person("member")
    thread = said(owner, "x").thread
    ThreadMember.objects.create(thread=thread, user_id=member.user_id)

    found = people(browser(member), thread.pk).json()

    assert [(each["name"], each["role"]) for each in found["members"]] == [
        (owner.name, "owner"),
        (member.name, "member"),
    ]
    assert found["may_share"] is False


def test_the_people_of_anothers_thread_are_not_found_like_those_of_none():
    """Row 80."""
    thread = said(make_person(), "x").thread
    client = browser(make_person())

    with override_settings(DEBUG=False):
        another, missing = people(client, thread.pk), people(client, uuid.uuid4())

    assert (another.status_code, another.content) == (missing.status_code, missing.content)
    assert another.status_code == 404


def test_without_a_session_nobodys_people_are_read():
    assert people(browser(), said(make_person(), "x").thread.pk).status_code == 403
