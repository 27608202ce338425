"""Functions around a handler."""

from routing_core.middleware import compose
from tests.routing_core.samples import Beat, Note, Noted


def layer(name, seen):
    async def middleware(ctx, message, call_next):
        seen.append(f"{name} before")
        reply = await call_next(ctx, message)
        seen.append(f"{name} after")
        return reply

    return middleware


async def test_the_first_layer_is_outermost():
    seen = []

    async def handler(ctx, message):
        seen.append("handler")

    await compose([layer("a", seen), layer("b", seen)], handler)("ctx", Beat())

    assert seen == ["a before", "b before", "handler", "b after", "a after"]


async def test_without_layers_the_handler_is_called_itself():
    async def handler(ctx, message):
        return Noted(content=ctx)

    assert compose([], handler) is handler


async def test_a_layer_may_answer_itself():
    async def refusing(ctx, message, call_next):
        return Noted(content="refused")

    async def handler(ctx, message):
        raise AssertionError("called")

    assert await compose([refusing], handler)("ctx", Beat()) == Noted(content="refused")


async def test_a_layer_may_hand_on_another_message():
    async def louder(ctx, message, call_next):
        return await call_next(ctx, Note(content=message.content.upper()))

    async def handler(ctx, message):
        return Noted(content=message.content)

    reply = await compose([louder], handler)("ctx", Note(content="hello"))

    assert reply == Noted(content="HELLO")
