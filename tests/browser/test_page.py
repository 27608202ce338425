"""The page itself: what it shows, how it is used, and the logic of its modules."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import TimeoutError, expect

FOLDER = "/static/chat/"
RELOAD_MODEL = (Path(__file__).parent / "reload_model.js").read_text()


async def test_what_is_written_is_text_and_never_markup(tab):
    content = '<img src=x onerror="document.title=1"> **a** 😀 שלום'
    await tab.say(content)
    await tab.finished()

    assert await tab.page.locator(".bubble").inner_text() == content
    await expect(tab.page.locator(".bubble *")).to_have_count(0)
    await tab.page.reload()
    assert await tab.page.locator(".bubble").inner_text() == content
    await expect(tab.page.locator("#threads a *:not(span)")).to_have_count(0)
    assert tab.problems == []


async def test_what_is_written_before_the_page_has_its_script_is_kept(tab):
    """A slow network: the field is there long before what sends it."""
    written = asyncio.Event()

    async def late(route):
        await written.wait()
        await route.continue_()

    await tab.page.route("**/main*.js", late)
    await tab.page.goto(tab.page.url, wait_until="commit")
    await tab.page.fill("#message", "hello")
    written.set()
    await tab.connected()

    await expect(tab.page.locator("#message")).to_have_value("hello")
    await expect(tab.page.locator("#send")).to_be_enabled()


async def test_enter_sends_and_shift_enter_begins_a_line(tab):
    await tab.page.fill("#message", "a")
    await tab.page.press("#message", "Shift+Enter")
    await tab.page.type("#message", "b")
    await tab.page.press("#message", "Enter")

    await expect(tab.page.locator(".bubble")).to_have_text("a\nb", use_inner_text=True)
    await expect(tab.page.locator("#message")).to_have_value("")


async def test_a_message_may_have_8000_characters_and_no_more(tab):
    await tab.page.fill("#message", "😀" * 8_000)
    await expect(tab.page.locator("#counter")).to_have_text("8,000 / 8,000")
    await expect(tab.page.locator("#send")).to_be_enabled()

    await tab.page.fill("#message", "😀" * 8_001)
    await expect(tab.page.locator("#send")).to_be_disabled()
    await tab.page.press("#message", "Enter")
    assert len(await tab.page.input_value("#message")) == 8_001


async def test_a_blank_message_cannot_be_sent(tab):
    await tab.page.fill("#message", " \n ")

    await expect(tab.page.locator("#send")).to_be_disabled()


async def test_each_thread_keeps_its_draft_over_a_reload(tab):
    await tab.say("Hello")
    await tab.finished()
    await tab.page.fill("#message", "for this thread")
    await tab.page.click("#new-chat")
    await tab.page.fill("#message", "for a new one")

    await tab.page.click("#threads a")
    await expect(tab.page.locator("#message")).to_have_value("for this thread")
    await tab.page.reload()
    await expect(tab.page.locator("#message")).to_have_value("for this thread")
    await tab.page.click("#new-chat")
    await expect(tab.page.locator("#message")).to_have_value("for a new one")


async def test_threads_are_switched_on_a_live_socket(tab):
    """Row 71."""
    await tab.say("/stream 3 10")
    await tab.finished()
    await tab.page.click("#new-chat")
    await tab.say("/stream 4 10")
    await expect(tab.answer()).to_have_text("1 2 3 4")

    await tab.page.click("#threads li:nth-child(2) a")
    await expect(tab.answer()).to_have_text("1 2 3")
    await tab.page.go_back()
    await expect(tab.answer()).to_have_text("1 2 3 4")


async def test_what_is_written_at_once_in_a_new_chat_is_not_said_in_the_thread_before(tab):
    await tab.say("/stream 3 10")
    await tab.finished()

    await tab.at_once(("new_chat",), ("say", "/stream 4 10"))

    await expect(tab.answer()).to_have_text("1 2 3 4")
    await expect(tab.page.locator(".turn")).to_have_count(1)
    await expect(tab.page.locator("#threads li")).to_have_count(2)


async def test_what_is_typed_before_a_new_thread_has_its_id_stays_in_the_field(tab):
    await tab.at_once(("say", "/stream 3 10"), ("type", "and then"))

    await tab.finished()

    await expect(tab.page.locator("#message")).to_have_value("and then")
    await tab.page.click("#new-chat")
    await expect(tab.page.locator("#message")).to_have_value("")


async def test_what_follows_at_once_in_a_new_chat_is_said_in_the_same_conversation(tab):
    await tab.at_once(("say", "/stream 3 10"), ("say", "/stream 4 10"))

    await expect(tab.answer(2)).to_have_text("1 2 3 4")
    await expect(tab.answer(1)).to_have_text("1 2 3")
    await expect(tab.page.locator("#threads li")).to_have_count(1)


async def test_who_begins_another_chat_is_not_taken_back_by_the_answer_to_the_first(tab):
    await tab.at_once(("say", "/stream 3 10"), ("new_chat",), ("type", "for a new one"))

    await expect(tab.page.locator("#threads li")).to_have_count(1)
    await expect(tab.page.locator("#greeting")).to_be_visible()
    await expect(tab.page.locator("#message")).to_have_value("for a new one")


async def test_earlier_messages_are_read_when_asked_for(tab, long_thread):
    await tab.open(f"/#{long_thread}")
    await tab.page.reload()
    await expect(tab.page.locator(".bubble").last).to_have_text("question 60")
    first = await tab.page.locator(".bubble").first.inner_text()

    await tab.page.click("#earlier")

    await expect(tab.page.locator(".bubble").first).not_to_have_text(first)
    more = tab.page.locator("#earlier:not([hidden])")
    while await more.count():
        with suppress(TimeoutError):  # the last page came between the look and the click
            await more.click(timeout=1_000)
    shown = await tab.page.locator(".bubble").all_inner_texts()
    assert shown == [f"question {number}" for number in range(1, 61)]


@pytest.mark.parametrize("width", [360, 1180])
async def test_nothing_is_wider_than_the_window(tab, width):
    await tab.page.set_viewport_size({"width": width, "height": 700})
    await tab.say("/tool clock " + "x" * 300)
    await tab.finished()

    assert await tab.page.evaluate("document.documentElement.scrollWidth") == width


async def test_a_narrow_window_hides_the_threads_behind_a_button(tab):
    await tab.page.set_viewport_size({"width": 360, "height": 640})
    await expect(tab.page.locator("#sidebar")).to_be_hidden()

    await tab.page.click("#menu")
    await expect(tab.page.locator("#new-chat")).to_be_visible()
    await tab.page.keyboard.press("Escape")

    await expect(tab.page.locator("#sidebar")).to_be_hidden()


async def test_the_state_of_the_connection_covers_no_button_of_a_narrow_window(tab):
    await tab.page.set_viewport_size({"width": 360, "height": 640})
    await tab.say("Hello")
    await tab.finished()

    await tab.page.evaluate("document.getElementById('connection').dataset.state = 'reconnecting'")

    state = await tab.page.locator("#connection").bounding_box()
    button = await tab.page.locator("#delete").bounding_box()
    assert (
        button["x"] + button["width"] <= state["x"] or button["y"] + button["height"] <= state["y"]
    )


async def test_a_violation_of_the_policy_would_be_seen(tab):
    """Else the tests that find none would prove nothing."""
    await tab.page.evaluate(
        "document.head.append(Object.assign(document.createElement('script'), {text: 'x = 1'}))"
    )
    await tab.page.evaluate("fetch('http://other.example/').catch(() => null)")

    told = [text for text in tab.problems if "Content Security Policy" in text]
    assert [text for text in told if "inline script" in text]
    assert [text for text in told if "http://other.example/" in text]


async def test_however_a_page_is_opened_in_mid_answer_its_text_is_the_runs(tab):
    """Some 80 000 orders in which events, history and `run_status` can come."""
    result = await tab.page.evaluate(RELOAD_MODEL, FOLDER)

    assert result["wrong"] == []
    assert result["count"] > 50_000


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (1006, "backoff"), (1000, "backoff"), (1012, "backoff"), (4000, "stop"), (4006, "stop"),
        (4099, "stop"), (4100, "backoff"), (4199, "backoff"), (4200, "resume"), (4299, "resume"),
        (4401, "login"), (4499, "login"), (4300, "backoff"), (4500, "backoff"),
    ],
)  # fmt: skip
async def test_the_range_of_a_close_code_says_what_to_do(tab, code, action):
    found = await tab.page.evaluate(
        "async ([folder, code]) => (await import(`${folder}closing.js`)).actionAfter(code)",
        [FOLDER, code],
    )

    assert found == action


async def test_the_backoff_is_full_jitter_up_to_20_seconds(tab):
    waits = await tab.page.evaluate(
        """async (folder) => {
          const { backoffMs } = await import(`${folder}closing.js`);
          return [0, 1, 3, 6, 50].flatMap((tries) => [backoffMs(tries, () => 0), backoffMs(tries, () => 1)]);
        }""",
        FOLDER,
    )

    assert waits == [0, 500, 0, 1_000, 0, 4_000, 0, 20_000, 0, 20_000]
