"""Everything a client may say, and who answers it: the whole table."""

from routing_core.router import Router

router: Router[object] = Router([])
