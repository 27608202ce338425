"""Workers as the operator sees them, and what they count."""

import urllib.request

from chatrouting.agents.models import Worker
from chatrouting.agents.workers import alive
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_person
from chatrouting.testing.system import free_port, wait_until


def row_of(process):
    return alive().filter(pid=process.process.pid).first()


def test_a_worker_is_seen_while_it_lives_and_no_longer(system):
    worker = system.worker("--queues", "background", "--concurrency", "7")
    wait_until(lambda: row_of(worker), "the worker's row")
    row = row_of(worker)
    assert (row.queues, row.concurrency, row.runs) == (["background"], 7, 0)

    assert worker.stop() == 0

    assert not Worker.objects.filter(pk=row.pk).exists()


async def test_the_runs_of_a_worker_are_counted(web, worker):
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice, seconds=20) as a:
        run_id = (await a.ask("user_message", content="/stream 5000 20"))["payload"]["run_id"]
        await a.expect_event("agent_delta")
        await in_database(
            wait_until, lambda: row_of(worker).runs >= 1, "the run in the worker's row"
        )
        await a.ask("stop_agent", run_id=run_id)
        check_run(await a.whole_run(run_id))


def test_a_worker_shows_what_it_counts_where_it_is_told_to(system):
    port = free_port()
    system.worker("--queues", "background", "--metrics-port", str(port))

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert b"chatrouting_runs_started_total" in answer.read()
