"""The story of the page: sign in, ask, watch the agent work, on real processes in a real Chromium."""

import uuid

from playwright.async_api import expect

from tests.browser.tab import Tab, counted


async def test_a_person_signs_in_asks_and_watches_the_agent_work(stranger, account):
    """Row 88: thinking, tool call and text are seen as they come; then the rendered answer."""
    tab = await stranger()
    await tab.open("/")
    await tab.page.fill("[name=username]", account)
    await tab.page.fill("[name=password]", "right")
    await tab.page.click("button[type=submit]")
    await tab.connected()

    await tab.say("What is (12 + 30) * 2?")

    await expect(tab.turn(1).locator(".thought")).to_have_count(1)
    await expect(tab.turn(1).locator(".tool")).to_have_attribute("data-status", "ok")
    await expect(tab.turn(1).locator(".tool-head")).to_contain_text("calculator")
    await expect(tab.turn(1).locator(".tool-body")).to_contain_text("(12 + 30) * 2")
    await tab.shows("84")
    assert "84" in await tab.finished()
    await expect(tab.turn(1).locator(".text strong, .text code").first).to_be_visible()
    await expect(tab.page.locator("#threads a")).to_contain_text("What is (12 + 30) * 2?")
    assert tab.problems == []


async def test_text_arrives_piece_by_piece(tab):
    await tab.say("/stream 40 50")

    await tab.shows("1 2 3")
    assert counted(40) not in await tab.answer().inner_text()
    assert await tab.finished() == counted(40)


async def test_a_second_tab_of_the_same_person_shows_the_same_live(tabs):
    """Row 40."""
    first, second = await tabs(2)
    await first.say("/stream 40 50")
    await second.page.click("#threads a")

    await second.shows("10 11 12")
    assert counted(40) not in await second.answer().inner_text()
    assert await first.finished() == await second.finished() == counted(40)
    assert first.problems == second.problems == []


async def test_another_person_sees_none_of_it(tab, other_tab):
    """Row 82."""
    frames = []
    other_tab.page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(frame))
    )
    await other_tab.page.reload()
    await other_tab.connected()
    secret = uuid.uuid4().hex
    await tab.say(f"/tool clock {secret}")
    await tab.finished()
    await tab.say("Twice")
    await tab.finished(2)

    await other_tab.say("Hello")
    await other_tab.finished()

    assert frames and not [frame for frame in frames if secret in frame]
    await expect(other_tab.page.locator("#threads a")).to_have_count(1)
    assert secret not in await other_tab.page.content()


async def test_another_persons_thread_looks_like_none(tab, other_tab):
    """Row 80."""
    await tab.say("Hello")
    await tab.finished()
    thread = tab.page.url.partition("#")[2]

    await other_tab.open(f"/#{thread}")
    await other_tab.page.reload()

    await expect(other_tab.page.locator("#missing")).to_be_visible()
    await expect(other_tab.page.locator(".turn")).to_have_count(0)


async def test_a_reload_in_mid_answer_loses_and_doubles_nothing(tab):
    """Row 65."""
    await tab.say("/stream 40 50")
    for seen in ("5 6", "20 21", "30 31"):
        await tab.shows(seen)
        await tab.page.reload()

    await tab.shows("1 2 3")
    assert await tab.finished() == counted(40)
    await expect(tab.page.locator(".turn")).to_have_count(1)
    assert tab.problems == []


async def test_a_reload_shows_the_steps_of_the_run_at_work_again(tab):
    await tab.say("/slowtool 8")
    await expect(tab.turn(1).locator(".tool")).to_have_attribute("data-status", "running")
    await tab.page.reload()

    await expect(tab.turn(1).locator(".tool")).to_have_attribute("data-status", "running")
    await tab.finished()
    await expect(tab.turn(1).locator(".tool")).to_have_attribute("data-status", "ok")


async def test_a_tab_opened_in_mid_answer_has_the_whole_text(tab):
    await tab.say("/stream 40 50")
    await tab.shows("10 11 12")

    late = Tab(await tab.page.context.new_page(), tab.address)
    await late.open("/")
    await late.page.click("#threads a")

    await late.shows("1 2 3")
    assert await late.finished() == counted(40)


async def test_two_questions_at_once_wait_for_each_other_and_one_can_be_cancelled(tab):
    await tab.say("/stream 100 50")
    await tab.shows("1 2 3")
    await tab.say("second")
    await expect(tab.turn(2).locator(".queued")).to_contain_text("Waiting")

    await tab.turn(2).locator(".queued button").click()
    await expect(tab.turn(2).locator(".end")).to_have_text("Stopped.")
    await tab.page.click("#stop")

    await expect(tab.turn(1).locator(".end")).to_have_text("Stopped.")
    await tab.shows("1 2 3")


async def test_a_failure_is_told_and_the_next_question_works(tab):
    """Row 104."""
    await tab.say("/fail")
    await expect(tab.turn(1).locator(".end")).to_be_visible(timeout=10_000)

    await tab.say("Hello")

    await tab.finished(2)


async def test_a_failed_tool_is_shown_with_its_error(tab):
    await tab.say("/failtool")

    await expect(tab.turn(1).locator(".tool")).to_have_attribute("data-status", "error")
    await tab.finished()


async def test_a_malformed_sign_in_is_told_and_lets_nobody_in(stranger):
    tab = await stranger()
    await tab.open("/")
    await tab.page.fill("[name=username]", "' OR 1=1 --")
    await tab.page.fill("[name=password]", "\U0001f600" * 50)
    await tab.page.click("button[type=submit]")

    await expect(tab.page.locator("[role=alert]")).to_be_visible()
    await tab.open("/")
    assert "/accounts/login/" in tab.page.url
    assert tab.problems == []


async def test_signing_out_leaves_nothing_behind(tab):
    await tab.say("Hello")
    await tab.finished()
    await tab.page.fill("#message", "a draft")

    await tab.page.click("#sign-out button")

    await expect(tab.page).to_have_url(f"{tab.address}/accounts/login/")
    assert await tab.page.evaluate("sessionStorage.length") == 0
    await tab.open("/")
    assert "/accounts/login/" in tab.page.url
    assert tab.problems == []
