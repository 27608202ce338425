"""What probes and monitors ask a web process: is it up, may it be sent work, what has it counted."""

import asyncio
import hmac
import logging
from collections.abc import Awaitable

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chatrouting.connections.live import live_connections
from chatrouting.connections.models import Process
from chatrouting.database import in_database
from routing_core.errors import Overloaded

logger = logging.getLogger(__name__)

READY_SECONDS = 1.0  # within which the database and Valkey each have to answer
AWAY = (DatabaseError, RedisError, OSError, TimeoutError, Overloaded)


@require_safe
@never_cache
async def healthz(request: HttpRequest) -> JsonResponse:
    """The process is up: 200, with the number of its open connections."""
    return JsonResponse({"status": "ok", "connections": len(live_connections())})


@require_safe
@never_cache
async def readyz(request: HttpRequest) -> JsonResponse:
    """200 where the process may be sent people; else 503 with the reasons it may not."""
    reasons = await asyncio.gather(
        _reason("valkey", _valkey_answers()), _reason("database", in_database(_tables_answer))
    )
    found = [reason for reason in reasons if reason]
    if live_connections().draining:
        found.append("draining")
    if found:
        return JsonResponse({"status": "unavailable", "reasons": found}, status=503)
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
async def metrics(request: HttpRequest) -> HttpResponse:
    """What this process counted, for Prometheus; 403 without the token, where one is asked for."""
    if not settings.DEBUG and not _has_token(request):
        return HttpResponse("forbidden\n", status=403, content_type="text/plain")
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


async def _reason(name: str, answer: Awaitable[object]) -> str:
    """The name, where the answer does not come in time."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            await answer
    except AWAY as error:
        logger.warning("not ready: %s: %r", name, error)
        return name
    return ""


async def _valkey_answers() -> None:
    """On a connection of its own: a pool that is in use says nothing about the server."""
    async with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=READY_SECONDS) as valkey:
        await valkey.ping()


def _tables_answer() -> None:
    Process.objects.exists()


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").encode()
    wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given, wanted)
