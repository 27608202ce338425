"""Row 118: what a process says of itself is true."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from django.conf import settings
from django.test import AsyncClient, Client, override_settings

from chatrouting.conf import chat_settings
from chatrouting.connections.live import live_connections
from chatrouting.database import in_database
from chatrouting.testing.people import make_person
from chatrouting.testing.system import HOST, Web, free_port, wait_until


def probe(**headers):
    """A client that comes from inside, by address."""
    return AsyncClient(headers={"host": "10.1.2.3:8000", **headers})


async def test_a_process_that_is_up_says_so():
    """Row 118."""
    response = await probe().get("/healthz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "connections": len(live_connections())}


async def test_a_process_is_ready_when_valkey_and_the_database_answer():
    """Row 118."""
    response = await probe().get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_process_is_not_ready_when_valkey_is_down():
    """Row 118."""
    with override_settings(REDIS_URL=f"redis://{HOST}:{free_port()}"):
        response = await probe().get("/readyz")

    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "reasons": ["valkey"]}


async def say_nothing(reader, writer):
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_a_valkey_that_takes_calls_and_says_nothing_is_found_out_in_time():
    """Row 118."""
    silent = await asyncio.start_server(say_nothing, HOST, 0)
    port = silent.sockets[0].getsockname()[1]
    begin = time.monotonic()
    with override_settings(REDIS_URL=f"redis://{HOST}:{port}"):
        response = await probe().get("/readyz")

    assert response.json()["reasons"] == ["valkey"]
    assert time.monotonic() - begin < 2
    silent.close()
    await silent.wait_closed()


async def test_a_process_is_not_ready_when_the_database_does_not_answer_in_time():
    """Row 118: every thread that talks to the database is held up."""
    free = threading.Event()
    held = [
        asyncio.ensure_future(in_database(free.wait, 10))
        for _ in range(chat_settings().database_threads)
    ]
    await asyncio.sleep(0)

    response = await probe().get("/readyz")

    free.set()
    await asyncio.gather(*held)
    assert response.status_code == 503
    assert response.json()["reasons"] == ["database"]


async def test_a_process_that_drains_is_up_but_not_ready(monkeypatch):
    """Row 118."""
    monkeypatch.setattr(live_connections(), "draining", True)

    assert (await probe().get("/readyz")).json()["reasons"] == ["draining"]
    assert (await probe().get("/healthz")).status_code == 200


@pytest.fixture
def unmigrated(tmp_path):
    """A web process whose database has no tables."""
    port, log = free_port(), tmp_path / "web.log"
    arguments = ["manage.py", "run_web", "--host", HOST, "--port", str(port)]
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR,
            env={**environment, "REDIS_URL": settings.REDIS_URL},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    web = Web(process, log, port)
    wait_until(lambda: answers(web), f"/healthz of {log}", 30)
    yield web
    web.stop()


def answers(web):
    assert web.process.poll() is None, web.output
    try:
        return web.get("/healthz")[0] == 200
    except OSError:
        return False


def test_a_process_without_its_tables_is_up_but_not_ready(services, unmigrated):
    """Row 118: on a real process."""
    status, body = unmigrated.get("/readyz")

    assert (status, json.loads(body)["reasons"]) == (503, ["database"])


async def test_the_number_of_connections_is_right_at_once(web):
    """Row 58: after welcome and after close, in health and metrics alike."""

    async def counted():
        health = json.loads((await asyncio.to_thread(web.get, "/healthz"))[1])["connections"]
        metric = await asyncio.to_thread(web.counted, "chatrouting_connections_active")
        assert health == metric
        return health

    before = await counted()
    client = await web.connect(await in_database(make_person))
    assert await counted() == before + 1

    await client.close()

    assert await counted() == before


def test_metrics_need_no_token_with_debug():
    response = Client(headers={"host": "10.1.2.3"}).get("/metrics")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert "chatrouting_connections_active " in response.content.decode()


@pytest.mark.parametrize(
    "given", ["", "Bearer ", "Bearer wrong", "right", "bearer right", "Bearer é"]
)
def test_metrics_are_refused_without_the_right_token(given):
    with override_settings(DEBUG=False, METRICS_TOKEN="right"):
        response = Client().get("/metrics", headers={"authorization": given})

    assert response.status_code == 403
    assert b"chatrouting" not in response.content


def test_metrics_are_given_for_the_right_token():
    with override_settings(DEBUG=False, METRICS_TOKEN="right"):
        response = Client().get("/metrics", headers={"authorization": "Bearer right"})

    assert response.status_code == 200


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer None"])
def test_metrics_are_closed_where_no_token_is_set(given):
    with override_settings(DEBUG=False, METRICS_TOKEN=""):
        assert Client().get("/metrics", headers={"authorization": given}).status_code == 403


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_a_probe_is_not_sent_to_https_and_given_no_cookie(path):
    with override_settings(SECURE_SSL_REDIRECT=True):
        response = Client(headers={"host": "10.1.2.3:8000"}).get(path)

    assert response.status_code == 200
    assert not response.cookies


def test_a_foreign_host_is_refused_everywhere_else():
    assert Client(headers={"host": "10.1.2.3:8000"}).get("/").status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_a_probe_only_reads(path):
    assert Client().post(path).status_code == 405
