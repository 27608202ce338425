"""A tab of a person's browser, and what went wrong in it."""

import re
from urllib.parse import urlsplit

from playwright.async_api import ConsoleMessage, Page, Request, expect

# What Chromium says when a server is away; the page is to live with that.
AWAY = re.compile(r"WebSocket connection to .* failed|ERR_CONNECTION_REFUSED")

# Acts within one task of the page: nothing is drawn and nothing arrives between them.
AT_ONCE = """acts => {
  const field = document.getElementById("message");
  const type = (text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const act = {
    new_chat: () => document.getElementById("new-chat").click(),
    type,
    say: (text) => { type(text); document.getElementById("composer").requestSubmit(); },
  };
  for (const [name, text] of acts) act[name](text);
}"""


class Tab:
    """One tab. `problems` has every error in the console and every request to another host."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.problems: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not AWAY.search(message.text):
            self.problems.append(message.text)

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.address).netloc:
            self.problems.append(f"asked {request.url}")

    async def open(self, path: str = "/") -> "Tab":
        await self.page.goto(self.address + path)
        return self

    async def connected(self) -> "Tab":
        await self.state("connected")
        return self

    async def state(self, name: str) -> None:
        await expect(self.page.locator("#connection")).to_have_attribute(
            "data-state", name, timeout=20_000
        )

    async def say(self, content: str) -> None:
        await self.page.fill("#message", content)
        await self.page.press("#message", "Enter")

    async def at_once(self, *acts: tuple[str, ...]) -> None:
        """Do `("new_chat",)`, `("type", text)`, `("say", text)` faster than the page draws."""
        await self.page.evaluate(AT_ONCE, acts)

    def turn(self, number: int):
        """A question with its answer, the first is 1."""
        return self.page.locator(".turn").nth(number - 1)

    def answer(self, number: int = 1):
        return self.turn(number).locator(".text")

    async def shows(self, text: str, number: int = 1) -> None:
        """Wait until the answer has the text in it."""
        await expect(self.answer(number)).to_contain_text(text, timeout=15_000)

    async def finished(self, number: int = 1) -> str:
        """Wait for the rendered answer. Returns its text."""
        await expect(self.turn(number).locator(".text.rendered")).to_be_visible(timeout=20_000)
        return await self.answer(number).inner_text()


def counted(last: int) -> str:
    """What `/stream` answers."""
    return " ".join(str(number) for number in range(1, last + 1))
