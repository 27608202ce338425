"""A real Chromium on the running system: tabs of people who are signed in."""

import asyncio
import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from django.contrib.auth import get_user_model
from playwright.async_api import Browser, BrowserContext, async_playwright

from chatrouting.database import in_database
from chatrouting.testing.people import Person, make_person
from chatrouting.testing.system import System, Web
from chatrouting.threads.models import Thread, ThreadMember, ThreadMessage
from tests.browser.tab import Tab

CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome",
            "google-chrome-stable")  # fmt: skip
SWITCHES = [
    "--no-sandbox",  # tests may run as root, where the sandbox cannot
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
]


def chromium_path():
    """`$CHROMIUM`, else an installed one, else `None`: Playwright's own."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, CHROMIUM)), None)


@pytest.fixture(scope="session")
async def chromium():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=SWITCHES)
        yield browser
        await browser.close()


@dataclass
class Site:
    """One web process, and browsers on it. It can be stopped and started again at its address."""

    system: System
    chromium: Browser
    web: Web
    contexts: list[BrowserContext] = field(default_factory=list)

    async def stop(self) -> None:
        await asyncio.to_thread(self.web.stop)

    async def start(self) -> None:
        self.web = await asyncio.to_thread(self.system.web, self.web.port)

    async def stranger(self) -> Tab:
        """A tab of a browser that nobody is signed in with."""
        context = await self.chromium.new_context()
        context.set_default_timeout(15_000)
        self.contexts.append(context)
        return Tab(await context.new_page(), self.web.origin)

    async def tab(self, person: Person | None = None) -> Tab:
        """A tab of this person, or of a new one, in a browser of its own."""
        return await self.sign_in(await self.stranger(), person)

    async def sign_in(self, tab: Tab, person: Person | None = None) -> Tab:
        person = person or await in_database(make_person)
        await self.give_session(tab, person)
        await tab.open("/")
        return await tab.connected()

    async def give_session(self, tab: Tab, person: Person) -> None:
        """The browser of the tab is this person's from now on."""
        cookie = {"name": "sessionid", "value": person.session_key, "url": self.web.origin}
        await tab.page.context.add_cookies([cookie])

    async def close(self) -> None:
        for context in self.contexts:
            await context.close()


@pytest.fixture
async def site(system, web, chromium):
    """The web process that most tests share."""
    site = Site(system, chromium, web)
    yield site
    await site.close()


@pytest.fixture
async def own_site(request, system, worker, chromium):
    """A web process of this test's own, for stopping it; its parameter is its environment."""
    environment = getattr(request, "param", {})
    site = Site(system, chromium, await asyncio.to_thread(lambda: system.web(**environment)))
    yield site
    await site.close()
    await site.stop()


@pytest.fixture
async def stranger(site):
    return site.stranger


@pytest.fixture
async def person():
    return await in_database(make_person)


@pytest.fixture
async def tab(site, person):
    return await site.tab(person)


@pytest.fixture
async def other_tab(site):
    """Another person's."""
    return await site.tab()


@pytest.fixture
async def tabs(site, person):
    """Several tabs of one browser of `person`."""

    async def opened(count: int) -> list[Tab]:
        first = await site.tab(person)
        context = first.page.context
        others = [Tab(await context.new_page(), site.web.origin) for _ in range(count - 1)]
        return [first, *[await (await tab.open("/")).connected() for tab in others]]

    return opened


@pytest.fixture
async def account():
    """The name of somebody whose password is `right`."""

    def make() -> str:
        user = get_user_model().objects.get(pk=make_person().user_id)
        user.set_password("right")
        user.save()
        return user.get_username()

    return await in_database(make)


@pytest.fixture
async def long_thread(person):
    """A thread with 60 questions and answers."""

    def make() -> str:
        start = datetime.now(timezone.utc) - timedelta(days=1)
        thread = Thread.objects.create(
            owner_id=person.user_id, title="long", updated_at=start, last_position=120
        )
        ThreadMember.objects.create(thread=thread, user_id=person.user_id, role="owner")
        ThreadMessage.objects.bulk_create(
            ThreadMessage(
                thread=thread,
                position=position,
                role="user" if position % 2 else "agent",
                author_id=person.user_id if position % 2 else None,
                author_name="a",
                content=f"{'question' if position % 2 else 'answer'} {(position + 1) // 2}",
                created_at=start + timedelta(seconds=position),
            )
            for position in range(1, 121)
        )
        return str(thread.pk)

    return await in_database(make)
