"""The checker of runs finds what breaks a rule, whichever rule it is."""

import pytest

from chatrouting.testing.order import check_run

STARTED = ("agent_started", {"attempt": 1})
CALL = ("tool_executing", {"call_id": "c", "tool": "t"})
ASKED = ("approval_required", {"call_id": "c", "tool": "t"})
DENIED = ("approval_resolved", {"call_id": "c", "decision": "deny"})
DONE = ("tool_completed", {"call_id": "c", "tool": "t", "status": "ok", "result": 1})
INTERRUPTED = (
    "tool_completed",
    {"call_id": "c", "tool": "t", "status": "interrupted", "error": {}},
)
PIECE = ("agent_delta", {"text": "ab", "position": 0})
ERROR = ("agent_error", {})
END = ("agent_completed", {"attempt": 1, "outcome": "success", "content": "ab"})
FAILED = ("agent_completed", {"attempt": 1, "outcome": "failed", "content": "ab"})


def events(*told):
    return [
        {"seq": seq, "type": kind, "run_id": "r", "thread_id": "t", "payload": payload}
        for seq, (kind, payload) in enumerate(told, 1)
    ]


def changed(event, **fields):
    kind, payload = event
    return kind, {**payload, **fields}


SECOND = changed(STARTED, attempt=2)
SECOND_END = changed(END, attempt=2)

SOUND = {
    "a whole run": (STARTED, CALL, DONE, PIECE, END),
    "one that waited": (("run_queued", {"position": 1}), STARTED, PIECE, END),
    "a denied call": (STARTED, CALL, ASKED, DENIED, INTERRUPTED, PIECE, END),
    "a second attempt": (STARTED, PIECE, SECOND, PIECE, SECOND_END),
    "a long answer": (STARTED, PIECE, changed(END, content=None)),
    "a failure": (STARTED, PIECE, ERROR, FAILED),
}

BROKEN = {
    "agent_completed is missing": (STARTED, PIECE),
    "agent_delta after agent_completed": (STARTED, PIECE, END, PIECE),
    "agent_delta before the start": (PIECE, STARTED, END),
    "run_queued after agent_started": (STARTED, ("run_queued", {"position": 1}), PIECE, END),
    "position 0 in the queue": (("run_queued", {"position": 0}), STARTED, PIECE, END),
    "attempt 2 is not the next": (SECOND, PIECE, SECOND_END),
    "attempt 1 is not the next": (STARTED, STARTED, PIECE, END),
    "attempt 2 in the end": (STARTED, PIECE, SECOND_END),
    "call c twice": (STARTED, CALL, DONE, CALL),
    "c ends a call that is not open": (STARTED, DONE),
    "c ends without a decision": (STARTED, CALL, ASKED, DONE),
    "c was denied: ok": (STARTED, CALL, ASKED, DENIED, DONE),
    "status ok, error: ": (STARTED, CALL, changed(DONE, error={})),
    "status interrupted, result: ": (STARTED, CALL, changed(INTERRUPTED, result=1)),
    "c is asked about and not open": (STARTED, ASKED),
    "c is asked about twice": (STARTED, CALL, ASKED, ASKED),
    "c is resolved and was not asked about": (STARTED, CALL, DENIED),
    "c is resolved twice": (STARTED, CALL, ASKED, DENIED, DENIED),
    "an empty delta": (STARTED, changed(PIECE, text="")),
    "delta at 0, not at 2": (STARTED, PIECE, PIECE),
    "calls without an end: ": (STARTED, CALL, PIECE, END),
    "content is not what the deltas say": (STARTED, PIECE, changed(END, content="abc")),
    "failed with 0 agent_error": (STARTED, PIECE, FAILED),
}


@pytest.mark.parametrize("told", SOUND.values(), ids=SOUND)
def test_a_run_that_keeps_the_rules_is_sound(told):
    check_run(events(*told))


@pytest.mark.parametrize(("why", "told"), BROKEN.items(), ids=BROKEN)
def test_a_broken_rule_is_named(why, told):
    with pytest.raises(AssertionError, match=f"^{why}"):
        check_run(events(*told))


def test_events_of_two_runs_are_no_run():
    one, other = events(STARTED, END)

    with pytest.raises(AssertionError, match="more than one run"):
        check_run([one, {**other, "run_id": "another"}])


def test_where_workers_were_killed_an_attempt_may_be_missing():
    check_run(events(SECOND, PIECE, SECOND_END), killed=True)
    check_run(events(STARTED, PIECE, SECOND_END), killed=True)


@pytest.mark.parametrize("told", [(SECOND, STARTED), (STARTED, STARTED), (SECOND, PIECE, END)])
def test_and_none_may_come_back(told):
    with pytest.raises(AssertionError, match="attempt 1 "):
        check_run(events(*told), killed=True)
