"""What becomes of a run whose model fails: a code and words of ours, tried again where that may help."""

import asyncio
import json
import logging

import pytest
from django.test import override_settings

from chatrouting.agents.providers import failures
from chatrouting.agents.providers.assistant import Assistant
from chatrouting.agents.supervisor import Stop, Supervisor
from chatrouting.database import in_database
from chatrouting.testing.model_server import END, Answer, chunk, cut, refuses, says
from tests.agents.accepted import a_claimed_run, events_of
from tests.agents.providers.asked import answered, ended, error_of, payloads
from tests.agents.providers.conftest import KEY
from tests.agents.waiting import until

HEARD = chunk({"content": "so far"})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refuses(401, "invalid_api_key", f"wrong key {KEY}"), "model_refused_key"),
        (refuses(403), "model_refused_key"),
        (refuses(429, "insufficient_quota"), "model_quota_used_up"),
        (refuses(429, "slow_down", retry_after="3600"), "model_busy"),
        (refuses(404, "model_not_found"), "model_unknown"),
        (refuses(400, "context_length_exceeded"), "model_context_full"),
        (refuses(400, "content_filter"), "model_filtered"),
        (refuses(422), "model_refused_request"),
        (says("half", finish="content_filter"), "model_filtered"),
        (says("half", finish="length"), "model_answer_too_long"),
    ],
)
async def test_what_trying_again_does_not_help_ends_the_run(assistant, server, answer, code):
    """Row 99: one error with a code, and the end."""
    server.will(answer)

    events = await answered(assistant)

    assert error_of(events)["code"] == code
    assert ended(events)[0] == "failed"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [
        refuses(429, "slow_down", retry_after_ms="20"),
        refuses(500),
        refuses(503),
        cut(),
        Answer((b"data: {bad\n\n", END)),
        Answer((END,)),
        Answer((b"no stream at all",)),
    ],
    ids=("429", "500", "503", "cut", "bad JSON", "empty", "no stream"),
)
async def test_what_fails_before_the_first_word_is_tried_again(assistant, server, failure):
    """Row 49: a failure that passes is not seen."""
    server.will(failure, says("at last"))

    events = await answered(assistant)

    assert ended(events) == ("success", "at last")
    assert len(server.requests) == 2


async def test_trying_again_has_an_end(assistant, server, configure):
    """Row 49: at most N times."""
    configure(model_tries=2)
    server.will(*[refuses(500)] * 5)

    events = await answered(assistant)

    error = error_of(events)
    assert (error["code"], error["retryable"]) == ("model_unavailable", True)
    assert len(server.requests) == 2


async def test_a_provider_that_asks_for_a_long_pause_is_not_asked_again(
    assistant, server, configure
):
    configure(model_pause_seconds=0.5)
    server.will(refuses(429, "slow_down", retry_after="1"), says("too late"))

    events = await answered(assistant)

    assert error_of(events)["code"] == "model_busy"


async def test_tries_and_pauses_have_one_bound_together(assistant, server, configure):
    configure(model_seconds=0.6, model_tries=50)
    server.will(*[refuses(429, "slow_down", retry_after_ms="250")] * 50)

    events = await answered(assistant)

    assert error_of(events)["code"] == "model_busy"
    assert len(server.requests) <= 3


async def test_no_pause_goes_beyond_the_deadline(assistant, server, configure):
    configure(run_seconds=1)
    server.will(refuses(429, "slow_down", retry_after="5"))
    run = await in_database(a_claimed_run, "hello", "assistant")

    events = await asyncio.wait_for(answered(assistant, run=run), 1)

    assert error_of(events)["code"] == "model_busy"


@pytest.mark.parametrize(
    "failure",
    [
        cut(HEARD),
        Answer((HEARD, b"data: {bad\n\n", END)),
        Answer((HEARD,)),
        Answer((HEARD, 5.0)),
        Answer(
            (HEARD, b'data: {"error": {"message": "secret inside", "code": "server_error"}}\n\n')
        ),
    ],
    ids=("cut", "bad JSON", "ends early", "silent", "error in the stream"),
)
async def test_an_answer_that_breaks_off_is_kept_and_said_to_be_broken(
    assistant, server, configure, failure
):
    configure(model_seconds=0.3)
    server.will(failure)

    events = await answered(assistant)

    assert error_of(events)["code"] == "model_answer_cut"
    assert ended(events) == ("failed", "so far")
    assert len(server.requests) == 1
    assert "secret inside" not in json.dumps(events)


async def test_a_model_that_says_nothing_is_not_waited_for_longer_than_the_setting(
    assistant, server, configure
):
    configure(model_seconds=0.2)
    server.will(Answer((30.0,)))

    events = await answered(assistant)

    assert error_of(events)["code"] == "model_timeout"
    await asyncio.wait_for(server.left.wait(), 5)


async def test_stopping_the_run_closes_the_connection_to_the_model(assistant, server):
    """Row 97: within 1 s, and the provider writes no further."""
    server.will(Answer((HEARD, 30.0)))
    run = await in_database(a_claimed_run, "hello", "assistant")
    supervisor = Supervisor(run, assistant)
    running = asyncio.create_task(supervisor.supervise())

    async def heard():
        return payloads(await events_of(run), "agent_delta")

    await until(heard)
    supervisor.stop(Stop.CANCELLED)

    await asyncio.wait_for(running, 5)
    await asyncio.wait_for(server.left.wait(), 5)
    assert ended(await events_of(run)) == ("cancelled", "so far")


async def test_what_failed_stands_in_the_log_under_the_trace_id(assistant, server, caplog):
    """Rows 99, 105: the user has a trace id, the operator what to ask the provider about."""
    server.will(refuses(401, "invalid_api_key", "no such key", x_request_id="req_4711"))

    events = await answered(assistant)

    assert error_of(events)["trace_id"] in caplog.text
    for fact in ("ModelAuthenticationError", "status=401", "code=invalid_api_key",
                 "type=x", "request=req_4711"):  # fmt: skip
        assert fact in caplog.text


QUESTION = "what nobody else may read"


@pytest.mark.parametrize(
    "failure",
    [
        refuses(400, "invalid_prompt", f"cannot answer: {QUESTION}", x_request_id=QUESTION),
        refuses(400, QUESTION),
        Answer((HEARD, b'data: {"error": {"message": "%s"}}\n\n' % QUESTION.encode())),
        Answer((b"data: {%s\n\n" % QUESTION.encode(), END)),
        Answer((QUESTION.encode(),)),
    ],
    ids=("refused", "as a code", "in the stream", "bad JSON", "no stream"),
)
async def test_what_was_asked_is_not_in_the_log(assistant, server, configure, caplog, failure):
    """Row 105: however a provider quotes it."""
    configure(model_tries=1)
    server.will(failure)

    events = await answered(assistant, QUESTION)

    assert error_of(events)["code"] in caplog.text
    assert QUESTION not in caplog.text


async def test_the_words_of_the_provider_are_shown_for_debugging_without_the_key(
    assistant, server, caplog
):
    """Row 105: their beginning, and nobody sees the key."""
    words = f"wrong key {KEY}, see sk-abcdefgh12345, {'more ' * 200}the end"
    server.will(refuses(401, "invalid_api_key", words))

    with caplog.at_level(logging.DEBUG, failures.__name__):
        events = await answered(assistant)

    assert "wrong" not in json.dumps(events)
    assert "wrong key" in caplog.text
    assert "the end" not in caplog.text
    assert KEY not in caplog.text and "abcdefgh12345" not in caplog.text


async def test_a_service_that_is_not_there_is_said_to_be_away(assistant, server, configure):
    configure(model_tries=1)
    server.close()

    events = await answered(assistant)

    assert error_of(events)["code"] == "model_unavailable"


@pytest.mark.parametrize("name", ["", "no-provider", "nobody:model", "openai:gpt-5"])
async def test_a_model_that_is_not_set_up_has_a_code(configure, name, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    configure(model=name)
    with override_settings(OPENAI_BASE_URL="", OPENAI_API_KEY=""):
        events = await answered(Assistant())

    assert error_of(events)["code"] == "model_not_configured"


async def test_after_an_error_the_next_question_is_answered(assistant, server):
    """Row 104."""
    server.will(refuses(401), says("fine"))
    await answered(assistant)

    assert ended(await answered(assistant)) == ("success", "fine")
