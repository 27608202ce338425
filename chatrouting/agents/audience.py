"""Who sees a run."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from chatrouting.conf import chat_settings
from chatrouting.database import patiently
from chatrouting.threads.rules import member_ids


class Audience:
    """The members of a run's thread: read anew once a second, not for each delta."""

    def __init__(self, thread_id: UUID, members: Sequence[str] = ()) -> None:
        """`members`: who they are, where that has just been read."""
        self._thread_id = thread_id
        self._members = members
        self._read_at = asyncio.get_running_loop().time()

    async def members(self) -> Sequence[str]:
        """Their user ids."""
        now = asyncio.get_running_loop().time()
        if not self._members or now - self._read_at > chat_settings().audience_seconds:
            self._members = await patiently(member_ids, self._thread_id)
            self._read_at = now
        return self._members
