"""The dialogs of a conversation act on the one they were opened for."""

import pytest
from playwright.async_api import expect

from tests.browser.tab import Tab

# The answer to the dialog is heard in a task of its own, after this one; here another conversation is
# drawn before it.
CONFIRM_AND_LEAVE = """() => {
  window.requestAnimationFrame = (draw) => draw();
  document.querySelector("#deleting button[value=ok]").click();
  document.getElementById("new-chat").click();
}"""


@pytest.fixture
async def two(tab):
    """A tab that shows the second of two conversations; Back leads to the first."""
    await tab.say("/stream 3 10")
    await tab.finished()
    first = tab.page.url
    await tab.page.click("#new-chat")
    await tab.say("/stream 4 10")
    await tab.finished()
    await tab.page.click("#threads li:nth-child(2) a")
    await expect(tab.page).to_have_url(first)
    await tab.page.click("#threads li:nth-child(1) a")
    await expect(tab.answer()).to_have_text("1 2 3 4")
    return tab


def titles(tab: Tab):
    return tab.page.locator(".thread-title")


@pytest.mark.parametrize(("button", "dialog"), [("#delete", "#deleting"), ("#rename", "#renaming")])
async def test_a_dialog_is_closed_when_another_conversation_is_shown(two, button, dialog):
    await two.page.click(button)
    await expect(two.page.locator(dialog)).to_be_visible()

    await two.page.go_back()

    await expect(two.answer()).to_have_text("1 2 3")
    await expect(two.page.locator(dialog)).to_be_hidden()


async def test_what_was_confirmed_is_done_to_its_conversation_though_another_is_shown(two):
    await two.page.click("#delete")

    await two.page.evaluate(CONFIRM_AND_LEAVE)

    await expect(titles(two)).to_have_text(["/stream 3 10"])


async def test_the_dialog_names_the_conversation_that_would_be_deleted(two):
    await two.page.click("#delete")

    await expect(two.page.locator("#deleting-title")).to_have_text("Delete “/stream 4 10”?")
