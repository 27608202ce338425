"""Passwords in a browser: one that is wrong too often, and one that is changed."""

import pytest
from django.contrib.auth import get_user_model
from playwright.async_api import expect

from chatrouting.database import in_database
from chatrouting.testing.people import Person, make_person, sign_in
from tests.browser.tab import Tab

NEW = "a-new-Xk3-ou7-wq9"


@pytest.fixture
async def sessions():
    """Two sessions of somebody whose password is `right`."""

    def make() -> list[Person]:
        person = make_person()
        user = get_user_model().objects.get(pk=person.user_id)
        user.set_password("right")
        user.save()
        return [Person(person.user_id, person.name, sign_in(user)) for _ in range(2)]

    return await in_database(make)


async def test_a_changed_password_signs_out_every_other_browser_and_no_tab_of_this_one(
    site, sessions
):
    """Row 12: a tab that is open beside goes on with the new cookie; what was typed there stays."""
    tab, elsewhere = [await site.tab(session) for session in sessions]
    beside = await Tab(await tab.page.context.new_page(), site.web.origin).open("/")
    await beside.connected()
    await beside.page.fill("#message", "Hello")

    await tab.page.click("text=Password")
    await tab.page.fill("[name=old_password]", "right")
    await tab.page.fill("[name=new_password1]", NEW)
    await tab.page.fill("[name=new_password2]", NEW)
    async with beside.page.expect_websocket():
        await tab.page.click("button[type=submit]")
        await expect(tab.page.locator("h1")).to_have_text("Password changed")

    await elsewhere.state("signed_out")
    await beside.connected()
    await beside.page.press("#message", "Enter")
    await beside.finished()
    await tab.page.click("text=Back to the chat")
    await tab.connected()
    assert [*tab.problems, *beside.problems] == []


async def test_who_fails_too_often_is_told_when_to_try_again(stranger):
    tab = await stranger()
    for _ in range(6):
        await tab.open("/accounts/login/")
        await tab.page.fill("[name=username]", "nobody-of-this-name")
        await tab.page.fill("[name=password]", "wrong")
        await tab.page.click("button[type=submit]")
        await expect(tab.page.locator("[role=alert]")).to_be_visible()

    await expect(tab.page.locator("[role=alert]")).to_have_text(
        "Too many failed attempts. Try again in 5 minutes."
    )
    assert [each for each in tab.problems if "429" not in each] == []
