"""What the page does when the network or the server does not hold."""

import asyncio
import json

import pytest
from playwright.async_api import expect

from tests.browser.tab import counted

# A page that is going draws no more: its address no longer follows what it shows.
DRAWS_NO_MORE = "void (window.requestAnimationFrame = () => 0)"

ALL_ANSWERED = "() => !Object.keys(sessionStorage).some((name) => name.endsWith(':outbox'))"


async def socket_through(tab, to_page, to_server=lambda frame: [frame]):
    """Put something between the page and the server: each frame becomes those it gives."""

    async def between(socket):
        server = socket.connect_to_server()

        def pass_on(give, send):
            def passed(text):
                for each in give(json.loads(text)):
                    send(json.dumps(each))

            return passed

        socket.on_message(pass_on(to_server, server.send))
        server.on_message(pass_on(to_page, socket.send))

    await tab.page.route_web_socket("**/ws/chat/**", between)
    await tab.page.reload()
    await tab.connected()


async def test_a_restart_of_the_web_process_in_mid_answer_loses_and_doubles_nothing(own_site):
    """Row 66: and what is typed stays."""
    tab = await own_site.tab()
    await tab.say("/stream 60 80")
    await tab.shows("5 6")
    await tab.page.fill("#message", "a draft")

    await own_site.stop()
    await tab.state("reconnecting")
    await own_site.start()
    await tab.connected()

    assert await tab.finished() == counted(60)
    assert await tab.page.input_value("#message") == "a draft"
    await expect(tab.page.locator(".turn")).to_have_count(1)
    assert tab.problems == []


async def test_what_is_said_while_the_server_is_away_is_sent_once_when_it_is_back(own_site):
    tab = await own_site.tab()
    await own_site.stop()
    await tab.state("reconnecting")
    await tab.say("Hello")
    await expect(tab.page.locator(".said.sending")).to_have_count(1)

    await own_site.start()

    await tab.finished()
    await expect(tab.page.locator(".said.sending")).to_have_count(0)
    await expect(tab.page.locator(".turn")).to_have_count(1)


async def test_a_new_chat_written_while_the_server_is_away_is_one_over_a_reload(own_site):
    tab = await own_site.tab()
    await own_site.stop()
    await tab.state("reconnecting")
    for content in ("/stream 3 10", "/stream 4 10", "/stream 5 10"):
        await tab.say(content)
    await own_site.start()
    await tab.page.reload()

    for number, last in ((1, 3), (2, 4), (3, 5)):
        await tab.finished(number)
        assert await tab.answer(number).inner_text() == counted(last)
    await expect(tab.page.locator("#threads li")).to_have_count(1)


async def test_a_page_whose_session_is_gone_says_so_and_keeps_what_is_typed(own_site):
    tab = await own_site.tab()
    await tab.page.fill("#message", "a draft")
    await tab.page.context.clear_cookies()
    await own_site.stop()
    await own_site.start()

    await tab.state("signed_out")
    await expect(tab.page.locator("#banner-sign-in")).to_be_visible()
    assert await tab.page.input_value("#message") == "a draft"
    await expect(tab.page.locator("#send")).to_be_disabled()


async def test_a_lost_event_is_noticed_and_read_again(tab):
    lost = []

    def lose_one(frame):
        if frame["type"] == "agent_thinking" and not lost:
            lost.append(frame)
            return []
        return [frame]

    await socket_through(tab, lose_one)
    await tab.say("What is 1 + 1?")
    await tab.finished()

    await expect(tab.turn(1).locator(".thought")).to_have_count(1)
    assert lost


async def test_a_lost_end_is_found_by_a_ping(tab):
    lost = asyncio.Event()

    def lose_end(frame):
        if frame["type"] == "agent_completed" and not lost.is_set():
            lost.set()
            return []
        return [frame]

    await socket_through(tab, lose_end)
    await tab.say("/stream 5 10")
    await asyncio.wait_for(lost.wait(), 15)
    await expect(tab.page.locator("#stop")).to_be_visible()

    await tab.page.evaluate("window.dispatchEvent(new Event('online'))")

    assert await tab.finished() == counted(5)


async def test_a_doubled_frame_changes_nothing(tab):
    await socket_through(tab, lambda frame: [frame] if frame["type"] == "welcome" else [frame] * 2)

    await tab.say("/stream 40 20")

    assert await tab.finished() == counted(40)
    await expect(tab.page.locator(".turn")).to_have_count(1)


async def test_a_message_that_did_not_reach_the_server_is_sent_after_a_reload(tab):
    lost = []

    def lose_one(frame):
        if frame["type"] == "user_message" and not lost:
            lost.append(frame)
            return []
        return [frame]

    await socket_through(tab, lambda frame: [frame], lose_one)
    await tab.say("Hello")
    await expect(tab.page.locator(".said.sending")).to_have_count(1)
    await tab.page.reload()

    await tab.finished()
    await expect(tab.page.locator(".turn")).to_have_count(1)
    assert lost


async def test_a_new_chat_that_is_answered_while_its_page_goes_is_shown_by_the_next(tab):
    await tab.page.evaluate(DRAWS_NO_MORE)
    await tab.say("/stream 5 10")
    await tab.page.wait_for_function(ALL_ANSWERED, polling=20)
    await tab.page.reload()

    assert await tab.finished() == counted(5)


async def test_a_message_whose_reply_was_lost_is_sent_again_and_done_once(tab):
    """Row 23."""
    sent, lost = [], []

    def note(frame):
        if frame["type"] == "user_message":
            sent.append(frame["id"])
        return [frame]

    def lose_one(frame):
        if frame["type"] == "message_accepted" and not lost:
            lost.append(frame)
            return []
        return [frame]

    await socket_through(tab, lose_one, note)
    await tab.say("/stream 5 10")
    await tab.finished()
    await tab.page.reload()

    await tab.connected()
    assert await tab.finished() == counted(5)
    await expect(tab.page.locator(".turn")).to_have_count(1)
    await expect(tab.page.locator("#threads a")).to_have_count(1)
    assert len(sent) == 2
    assert len(set(sent)) == 1


async def test_a_refused_message_can_be_taken_back_for_editing(tab):
    await tab.page.evaluate("document.getElementById('message').value = 'a \\ud800 b'")
    await tab.page.press("#message", "Enter")
    await expect(tab.page.locator(".note")).to_contain_text("did not accept")

    await tab.page.click(".note button:text('Edit')")

    await expect(tab.page.locator(".said")).to_have_count(0)
    assert (await tab.page.input_value("#message")).startswith("a ")


@pytest.mark.parametrize("own_site", [{"CHATROUTING_HEARTBEAT_SECONDS": "1"}], indirect=True)
async def test_a_page_that_is_only_looked_at_keeps_its_socket(own_site):
    """Row 6: the server ends a socket that is silent for two heartbeats."""
    tab = await own_site.stranger()
    opened, beats, enough = [], [], asyncio.Event()

    def note(frame):
        if '"heartbeat"' in frame:
            beats.append(frame)
        if len(beats) == 4:
            enough.set()

    def watch(socket):
        opened.append(socket)
        socket.on("framesent", note)

    tab.page.on("websocket", watch)
    await own_site.sign_in(tab)
    await asyncio.wait_for(enough.wait(), 15)

    await tab.connected()
    assert len(opened) == 1
