"""Several people in one conversation, and what the operators tell, in a real Chromium."""

import asyncio

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import call_command
from playwright.async_api import expect

from chatrouting.database import in_database
from chatrouting.testing.people import make_person


def who_may_share():
    person = make_person("owner")
    permission = Permission.objects.get(
        codename="share", content_type__app_label="chatrouting_threads"
    )
    get_user_model().objects.get(pk=person.user_id).user_permissions.add(permission)
    return person


@pytest.fixture
async def owner():
    return await in_database(who_may_share)


async def let_in(tab, person):
    await tab.page.click("#people-button")
    await tab.page.fill("#member-name", person.name)
    await tab.page.press("#member-name", "Enter")
    await expect(tab.page.locator("#members .member")).to_have_count(2)
    await tab.page.keyboard.press("Escape")


@pytest.fixture
async def shared(site, owner, person):
    """The tabs of two people in one conversation."""
    mine, theirs = await site.tab(owner), await site.tab(person)
    await mine.say("Hello")
    await mine.finished()
    await let_in(mine, person)
    await theirs.page.click("#threads a")
    return mine, theirs


async def test_a_person_who_is_let_in_sees_the_conversation_and_what_is_said_next(shared):
    """Row 75."""
    mine, theirs = shared
    await expect(theirs.turn(1).locator(".bubble")).to_have_text("Hello")

    await theirs.say("Me too")

    await expect(mine.turn(2).locator(".bubble")).to_have_text("Me too")
    assert await mine.finished(2) == await theirs.finished(2)
    assert mine.problems == theirs.problems == []


async def test_the_others_see_who_is_typing(shared):
    """Row 78: never who types themselves."""
    mine, theirs = shared
    await expect(theirs.page.locator("#people-button")).to_contain_text("2 people")

    await theirs.page.locator("#message").press_sequentially("I am")

    await expect(mine.page.locator("#typing")).to_contain_text("is typing")
    await expect(theirs.page.locator("#typing")).to_be_hidden()


async def test_who_is_there_is_seen(shared):
    mine, _ = shared
    await expect(mine.page.locator("#people-button")).to_contain_text("1 online")
    await mine.page.click("#people-button")

    online = mine.page.locator(".presence[data-online=true]")
    await expect(online).to_have_count(2)
    await mine.page.reload()

    await expect(mine.page.locator("#people-button")).to_contain_text("1 online")


async def test_one_who_is_removed_sees_the_conversation_no_more(shared):
    """Row 75."""
    mine, theirs = shared
    await mine.page.click("#people-button")
    await mine.page.click("#members .member button")

    await expect(theirs.page.locator("#missing")).to_be_visible()
    await expect(theirs.page.locator("#threads a")).to_have_count(0)
    await expect(mine.page.locator("#members .member")).to_have_count(1)


async def test_the_people_are_shown_though_those_of_another_conversation_change(shared, person):
    mine, theirs = shared
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer_late(route):
        asked.set()
        await may_answer.wait()
        await route.continue_()

    await theirs.page.route("**/people", answer_late)
    await theirs.page.reload()
    await asyncio.wait_for(asked.wait(), 15)
    await mine.page.click("#new-chat")
    await mine.say("Hello again")
    await mine.finished()
    await let_in(mine, person)
    await expect(theirs.page.locator("#threads a")).to_have_count(2)

    may_answer.set()

    await expect(theirs.page.locator("#people-button")).to_contain_text("2 people")


async def test_somebody_who_is_not_there_cannot_be_let_in(site, owner):
    tab = await site.tab(owner)
    await tab.say("Hello")
    await tab.finished()
    await tab.page.click("#people-button")
    await tab.page.fill("#member-name", "nobody-at-all")
    await tab.page.press("#member-name", "Enter")

    await expect(tab.page.locator("#people-note")).to_contain_text("Nobody of this name")


async def test_a_conversation_is_renamed_on_every_tab(tabs):
    first, second = await tabs(2)
    await first.say("Hello")
    await first.finished()
    await first.page.click("#rename")
    await first.page.fill("#new-title", "Greetings")
    await first.page.press("#new-title", "Enter")

    for tab in (first, second):
        await expect(tab.page.locator(".thread-title")).to_have_text("Greetings")


async def test_what_the_operators_tell_is_shown_until_it_is_put_away(tab, person):
    """Row 72."""
    await in_database(
        call_command, "broadcast", "Maintenance at 5", level="warning", user=[person.name]
    )

    notice = tab.page.locator(".notice")
    await expect(notice).to_contain_text("Maintenance at 5")
    await notice.locator("button").click()
    await expect(notice).to_have_count(0)
