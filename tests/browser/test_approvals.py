"""A call that waits for a person is decided in the page, on any device."""

from playwright.async_api import expect


async def test_a_person_lets_a_call_be_made(tab):
    await tab.say("/approve")
    tool = tab.turn(1).locator(".tool")
    await expect(tool).to_have_attribute("data-status", "waiting")

    await tool.get_by_role("button", name="Approve").click()

    await expect(tool).to_have_attribute("data-status", "ok", timeout=15_000)
    await tab.finished()
    assert tab.problems == []


async def test_a_call_that_is_denied_is_not_made_and_the_run_goes_on(tab):
    await tab.say("/approve")
    tool = tab.turn(1).locator(".tool")

    await tool.get_by_role("button", name="Deny").click()

    await expect(tool).to_have_attribute("data-status", "denied", timeout=15_000)
    await tab.finished()


async def test_a_decision_on_one_device_is_seen_on_the_other(tabs):
    first, second = await tabs(2)
    await first.say("/approve")
    await second.page.click("#threads a")
    there = second.turn(1).locator(".tool")
    await expect(there.get_by_role("button", name="Approve")).to_be_visible()

    await first.turn(1).locator(".tool").get_by_role("button", name="Approve").click()

    await expect(there.get_by_role("button", name="Approve")).to_be_hidden(timeout=15_000)
    await expect(there).to_have_attribute("data-status", "ok", timeout=15_000)


async def test_a_reload_still_asks_for_the_decision(tab):
    """Row 65: what waits is shown again."""
    await tab.say("/approve")
    await expect(tab.turn(1).locator(".tool")).to_have_attribute("data-status", "waiting")

    await tab.page.reload()

    await tab.turn(1).locator(".tool").get_by_role("button", name="Approve").click()
    await tab.finished()


async def test_arguments_that_are_no_json_are_told_and_decide_nothing(tab):
    await tab.say("/approve")
    tool = tab.turn(1).locator(".tool")
    await tool.get_by_role("button", name="Change arguments").click()
    await tool.locator("textarea").fill("{")

    await tool.get_by_role("button", name="Approve").click()

    await expect(tool.locator(".approval-note")).to_contain_text("not valid JSON")
    await expect(tool).to_have_attribute("data-status", "waiting")
