"""Somebody else signs in with the browser while a tab of the first is open."""

from playwright.async_api import expect

from chatrouting.database import in_database
from chatrouting.testing.people import make_person

# A page that reloads is there for some time yet, and can be used.
SAY_WHILE_GOING = """() => window.addEventListener("beforeunload", () => {
  const field = document.getElementById("message");
  document.getElementById("new-chat").click();
  field.value = "of the first, too";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  document.getElementById("composer").requestSubmit();
})"""


async def test_what_one_person_had_unanswered_is_never_sent_as_another(own_site):
    tab = await own_site.tab()
    await own_site.stop()
    await tab.state("reconnecting")
    await tab.say("of the first")
    await tab.page.evaluate(SAY_WHILE_GOING)
    other = await in_database(make_person)
    await own_site.give_session(tab, other)
    sent = []
    tab.page.on(
        "websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame))
    )

    await own_site.start()

    await expect(tab.page.locator(".person-name")).to_have_text(other.name, timeout=20_000)
    await expect(tab.page.locator("#no-threads")).to_be_visible()
    assert [frame for frame in sent if "of the first" in frame] == []
