"""The operator's console in Chromium: it is live, and its policy stops nothing that it needs."""

import pytest
from playwright.async_api import expect

from chatrouting.database import in_database
from chatrouting.testing.people import make_person
from tests.console.samples import make_run

PAGES = (
    "/admin/chatrouting_connections/connection/",
    "/admin/chatrouting_connections/process/",
    "/admin/chatrouting_threads/thread/",
    "/admin/chatrouting_threads/threadmessage/",
    "/admin/chatrouting_agents/run/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/group/add/",
)


@pytest.fixture
async def console(site):
    """A tab of an operator who may do everything, on the first page of the console."""
    tab = await site.stranger()
    person = await in_database(make_person, "root", is_staff=True, is_superuser=True)
    cookie = {"name": "sessionid", "value": person.session_key, "url": tab.address}
    await tab.page.context.add_cookies([cookie])
    return await tab.open("/admin/")


async def test_an_operator_sees_who_is_connected(console, site, person):
    await site.tab(person)

    await console.open(f"/admin/chatrouting_connections/connection/?q={person.name}")

    row = console.page.locator("tr", has_text=person.name)
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("127.0.0.1")
    await expect(row).to_contain_text("Chrome")
    assert console.problems == []


async def test_the_first_page_shows_what_is_new_without_a_reload(console, person):
    await console.page.evaluate("window.notReloaded = true")

    await in_database(make_run, person)

    await expect(console.page.locator("#figures")).to_contain_text(person.name, timeout=10_000)
    assert await console.page.evaluate("window.notReloaded")
    assert console.problems == []


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_of_the_console_keeps_to_its_policy(console, path, person):
    await in_database(make_run, person, tool_calls=1)
    await console.open(path)
    await expect(console.page.locator("#main")).to_be_visible()

    row = console.page.locator("tbody a[href*='/change/']").first
    if path.count("/") == 4 and await row.count():
        await row.click()
        await expect(console.page.locator("#main form")).to_be_visible()

    assert console.problems == []
