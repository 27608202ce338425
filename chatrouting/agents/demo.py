"""The demo agent: offline, deterministic, and honest about being a demo.

A plain question shows all five events. With `DEBUG` or `CHATROUTING_DEMO_COMMANDS` it understands a few
commands that show every state of the system; `/help` lists them.
"""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from chatrouting.agents.contract import (
    AgentError,
    AgentEvent,
    CrashPolicy,
    Delta,
    Final,
    RunContext,
    Thinking,
    ToolResult,
    ToolStatus,
)
from chatrouting.conf import demo_commands

WORD_SECONDS = 0.015
CALCULATION = re.compile(r"[\d\s.+\-*/%()]+")
SEARCH = re.compile(
    r"\s*(?:(?:search|find)(?: for)?|what did (?:i|we) (?:say|write|ask) about)\s+(?P<words>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
LARGEST_NUMBER_DIGITS = 9
LARGEST_ANSWER_KB = 4_096

Command: TypeAlias = Callable[[RunContext, list[str]], AsyncIterator[AgentEvent]]


@dataclass(frozen=True, slots=True)
class _Shown:
    usage: str
    command: Command


class BadCommand(Exception):
    """A command was given words it does not take."""


class DemoAgent:
    """Answers from fixed rules with real tools. Nothing leaves the machine."""

    name: ClassVar[str] = "demo"
    on_crash: ClassVar[CrashPolicy] = CrashPolicy.CONTINUE

    async def run(self, ctx: RunContext) -> AsyncIterator[AgentEvent]:
        """See `contract.Agent`."""
        words = ctx.question.split()
        known = COMMANDS.get(words[0]) if demo_commands() else None
        try:
            async for event in known.command(ctx, words[1:]) if known else _plain(ctx):
                yield event
        except BadCommand:
            if known is not None:
                yield Delta(f"Write it as `{known.usage}`.")
        yield Final()


async def _plain(ctx: RunContext) -> AsyncIterator[AgentEvent]:
    found = sum_in(ctx.question)
    if asked := SEARCH.match(ctx.question):
        yield Thinking("I am asked to look for something. I search the threads of whoever asks.")
        answer = await _searched(ctx, asked["words"])
    elif found:
        yield Thinking("There is a sum in the question. The calculator will do it exactly.")
        result = await ctx.tools.call("calculator", {"expression": found})
        answer = f"`{found}` is **{_shown(result)}**."
    else:
        yield Thinking(
            "There is no sum in the question. I look at the clock, so that a tool is seen at work."
        )
        result = await ctx.tools.call("clock", {})
        answer = f"I read: *{_quoted(ctx.question)}* — at {_shown(result)}."
    async for delta in _spoken(f"{answer}\n\n{ABOUT}"):
        yield delta


async def _searched(ctx: RunContext, query: str) -> str:
    result = await ctx.tools.call("search_threads", {"query": query[:1_000]})
    if result.status is not ToolStatus.OK:
        return result.text
    if not result.result:
        return "In your threads I find nothing with all of these words."
    lines = (
        f"- {each['when'][:16].replace('T', ' ')}, {_quoted(each['who'])}"
        f" in *{_quoted(each['title'])}*: {_quoted(each['excerpt'], 210)}"
        for each in result.result
    )
    return "In your threads I find, the newest first:\n\n" + "\n".join(lines)


ABOUT = (
    "I am the demo agent: I run on this server, follow fixed rules and ask no model. "
    "What you see around me is real, though:\n\n"
    "- every event reaches all your devices, in order and once;\n"
    "- nobody else sees it;\n"
    "- the run goes on when you close the page.\n\n"
    "Try a sum like `(12 + 30) * 2`, ask me to `find` words in your threads, or write `/help`."
)


def sum_in(question: str) -> str | None:
    """The first part of the question that looks like a sum; the time it takes grows with its length alone."""
    for found in CALCULATION.finditer(question):
        text = found[0].lstrip("*/%.) \t\r\n").rstrip("+-*/%.( \t\r\n")
        inner = text.strip("-+() ")
        if inner[:1].isdigit() and inner[-1:].isdigit() and any(sign in inner for sign in "+-*/%"):
            return " ".join(text.split())
    return None


def _quoted(text: str, most: int = 200) -> str:
    line = " ".join(text.split()).replace("*", "").replace("_", "")
    return line if len(line) <= most else line[: most - 1] + "…"


def _shown(result: ToolResult) -> str:
    return str(result.result) if result.status is ToolStatus.OK else result.text


async def _spoken(text: str) -> AsyncIterator[Delta]:
    for piece in re.findall(r"\S+\s*|\s+", text):
        yield Delta(piece)
        await asyncio.sleep(WORD_SECONDS)


async def _think(_ctx: RunContext, words: list[str]) -> AsyncIterator[AgentEvent]:
    count = _number(words, 0, largest=1_000)
    for step in range(1, count + 1):
        yield Thinking(f"Thought {step} of {count}.")
    yield Delta(f"I had {count} thoughts.")


async def _stream(_ctx: RunContext, words: list[str]) -> AsyncIterator[AgentEvent]:
    count, pause = _number(words, 0, largest=100_000), _number(words, 1, largest=60_000)
    for index in range(1, count + 1):
        yield Delta(f"{index} ")
        await asyncio.sleep(pause / 1000)


async def _tool(ctx: RunContext, words: list[str]) -> AsyncIterator[AgentEvent]:
    if not words:
        raise BadCommand
    result = await ctx.tools.call(words[0], _arguments(" ".join(words[1:]) or "{}"))
    yield Delta(f"{words[0]}: {result.status.value} — {_shown(result)}")


async def _search(ctx: RunContext, words: list[str]) -> AsyncIterator[AgentEvent]:
    if not words:
        raise BadCommand
    yield Delta(await _searched(ctx, " ".join(words)))


async def _fail_tool(ctx: RunContext, _words: list[str]) -> AsyncIterator[AgentEvent]:
    result = await ctx.tools.call("failing", {})
    yield Delta(f"The tool ended with {result.status.value}; the run goes on.")


async def _bad_arguments(ctx: RunContext, _words: list[str]) -> AsyncIterator[AgentEvent]:
    result = await ctx.tools.call("calculator", {"formula": 1})
    yield Delta(f"The tool said: {result.text}")


async def _slow_tool(ctx: RunContext, words: list[str]) -> AsyncIterator[AgentEvent]:
    result = await ctx.tools.call("slow", {"seconds": _number(words, 0, largest=600)})
    yield Delta(_shown(result))


async def _approve(ctx: RunContext, words: list[str]) -> AsyncIterator[AgentEvent]:
    yield Delta("I would like to note something down. ")
    result = await ctx.tools.call("note", {"text": " ".join(words) or "water the plants"})
    yield Delta(f"The call ended with {result.status.value}: {_shown(result)}")


async def _fail(_ctx: RunContext, _words: list[str]) -> AsyncIterator[AgentEvent]:
    yield Delta("This will go wrong. ")
    raise RuntimeError("the demo agent was told to fail")


async def _flaky(ctx: RunContext, words: list[str]) -> AsyncIterator[AgentEvent]:
    times = _number(words, 0, largest=1_000)
    if ctx.attempt <= times:
        yield Delta("This may go better soon. ")
        raise AgentError("demo_flaky", "The demo agent was told to fail.", retryable=True)
    yield Delta(f"Attempt {ctx.attempt} came off.")


async def _hang(_ctx: RunContext, _words: list[str]) -> AsyncIterator[AgentEvent]:
    yield Delta("I do nothing until I am stopped. ")
    await asyncio.Event().wait()


async def _big(_ctx: RunContext, words: list[str]) -> AsyncIterator[AgentEvent]:
    kilobytes = _number(words, 0, largest=LARGEST_ANSWER_KB)
    for index in range(kilobytes):
        line = f"{index + 1} of {kilobytes} KiB "
        yield Delta(line.ljust(1023, ".") + "\n")
        await asyncio.sleep(0)


async def _crash(_ctx: RunContext, _words: list[str]) -> AsyncIterator[AgentEvent]:
    yield Delta("The worker process dies now. ")
    await asyncio.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)


async def _help(_ctx: RunContext, _words: list[str]) -> AsyncIterator[AgentEvent]:
    yield Delta("\n".join(f"- `{shown.usage}`" for shown in COMMANDS.values()))


def _number(words: list[str], index: int, *, largest: int) -> int:
    word = words[index] if len(words) > index else ""
    if not word.isdecimal() or len(word) > LARGEST_NUMBER_DIGITS or int(word) > largest:
        raise BadCommand
    return int(word)


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise BadCommand from None
    if not isinstance(parsed, dict):
        raise BadCommand
    return parsed


COMMANDS: Mapping[str, _Shown] = {
    "/help": _Shown("/help", _help),
    "/think": _Shown("/think COUNT", _think),
    "/stream": _Shown("/stream COUNT MILLISECONDS", _stream),
    "/tool": _Shown('/tool NAME {"argument": "value"}', _tool),
    "/search": _Shown("/search WORDS", _search),
    "/failtool": _Shown("/failtool", _fail_tool),
    "/badargs": _Shown("/badargs", _bad_arguments),
    "/slowtool": _Shown("/slowtool SECONDS", _slow_tool),
    "/approve": _Shown("/approve TEXT", _approve),
    "/fail": _Shown("/fail", _fail),
    "/flaky": _Shown("/flaky TIMES", _flaky),
    "/hang": _Shown("/hang", _hang),
    "/big": _Shown("/big KIB", _big),
    "/crash": _Shown("/crash", _crash),
}
