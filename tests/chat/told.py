"""What a user's stream holds."""

import json
from typing import Any

from chatrouting.stream.publishing import event_log


async def told(user_id: str) -> list[dict[str, Any]]:
    """All events of a user, decoded."""
    log = event_log()
    epoch = (await log.read(user_id, "", 0)).epoch
    return [json.loads(record.body) for record in (await log.read(user_id, epoch, 0)).records]
