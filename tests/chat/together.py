"""What is said while another write is at work: where one writes at a time it shares a transaction."""

import asyncio
import threading

from chatrouting.chat import conversation
from chatrouting.chat.context import Context
from chatrouting.chat.conversation import user_message
from chatrouting.chat.messages import MessageAccepted, UserMessage


async def said_together(
    *said: tuple[Context, UserMessage],
) -> list[MessageAccepted | BaseException]:
    """What came of each, in order, errors too."""
    goes_on = threading.Event()
    first = asyncio.create_task(conversation._writes.here.do(lambda rows: goes_on.wait(5)))
    await asyncio.sleep(0)
    answering = [asyncio.create_task(user_message(*each)) for each in said]
    await asyncio.sleep(0)
    goes_on.set()
    assert await first
    return await asyncio.gather(*answering, return_exceptions=True)
