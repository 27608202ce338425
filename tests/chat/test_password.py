"""A new password for who knows the old one: this session goes on, all others of the person end."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, override_settings

from chatrouting.testing.people import Person, make_person, sign_in

CHANGE, DONE = "/accounts/password_change/", "/accounts/password_change/done/"
NEW = "a-new-Xk3-ou7-wq9"


@pytest.fixture(autouse=True)
def quick_passwords():
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


def user_of(person):
    return get_user_model().objects.get(pk=person.user_id)


@pytest.fixture
def person():
    """Somebody whose password is `right`."""
    person = make_person()
    user = user_of(person)
    user.set_password("right")
    user.save()
    return Person(person.user_id, person.name, sign_in(user))


def browser(session_key=""):
    client = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    client.cookies["sessionid"] = session_key
    return client


def change(client, old="right", new=NEW, again=NEW):
    token = client.get(CHANGE).cookies["csrftoken"].value
    form = {"old_password": old, "new_password1": new, "new_password2": again}
    return client.post(CHANGE, {**form, "csrfmiddlewaretoken": token})


def test_the_page_leads_to_it(person):
    assert f'href="{CHANGE}"' in browser(person.session_key).get("/").content.decode()


@pytest.mark.parametrize("page", [CHANGE, DONE])
def test_without_a_session_it_leads_to_the_sign_in(page):
    assert browser().get(page).headers["Location"] == f"/accounts/login/?next={page}"


@pytest.mark.parametrize("page", [CHANGE, DONE])
def test_it_has_the_look_of_the_project_and_nothing_inline(person, page):
    response = browser(person.session_key).get(page)

    html = response.content.decode()
    assert "/static/chat/account.css" in html
    assert not [part for part in ("<style", " style=", "<script") if part in html]
    assert "unsafe" not in response.headers["Content-Security-Policy"]


def test_the_form_is_kept_by_no_cache(person):
    header = browser(person.session_key).get(CHANGE).headers["Cache-Control"]

    assert {"no-store", "private"} <= set(header.split(", "))


def test_the_right_old_password_sets_the_new_one(person):
    assert change(browser(person.session_key)).headers["Location"] == DONE

    assert user_of(person).check_password(NEW)


def test_the_present_session_goes_on_under_a_new_key(person):
    client = browser(person.session_key)
    change(client)

    assert client.get("/").status_code == 200
    assert client.cookies["sessionid"].value != person.session_key


def test_every_other_session_and_the_old_key_end(person):
    """Row 12."""
    elsewhere = sign_in(user_of(person))
    change(browser(person.session_key))

    for key in (elsewhere, person.session_key):
        assert browser(key).get("/").status_code == 302


@pytest.mark.parametrize(
    "given",
    [
        {"old": "wrong"},
        {"again": "another-Xk3-ou7-wq9"},
        {"new": "123", "again": "123"},
        {"new": "", "again": ""},
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(person, given):
    client = browser(person.session_key)

    response = change(client, **given)

    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()
    assert user_of(person).check_password("right")
    assert client.get("/").status_code == 200


def test_another_site_cannot_change_it(person):
    form = {"old_password": "right", "new_password1": NEW, "new_password2": NEW}

    assert browser(person.session_key).post(CHANGE, form).status_code == 403
    assert user_of(person).check_password("right")
