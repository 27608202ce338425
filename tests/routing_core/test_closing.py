"""The announcement of a close: code, reason, and what the client does next."""

import json

import pytest

from routing_core.closing import REASONS, Bye, CloseCode, Reconnect, bye
from routing_core.envelope import encode_signal

# As the protocol's table of close codes says.
NEXT = {
    **dict.fromkeys([4000, 4003, 4004, 4005, 4006, 4010], (Reconnect.STOP, (0, 0))),
    **dict.fromkeys([4100, 4101, 4103], (Reconnect.BACKOFF, (500, 20_000))),
    **dict.fromkeys([4200, 4201, 4202, 4203, 4204], (Reconnect.RESUME, (0, 1_000))),
    4401: (Reconnect.LOGIN, (0, 0)),
}


def test_the_codes_are_those_of_the_protocol():
    assert sorted(CloseCode) == sorted(NEXT)


def test_every_code_has_a_reason_that_fits_a_close_frame():
    assert set(REASONS) == set(CloseCode)
    assert all(0 < len(reason.encode()) <= 123 for reason in REASONS.values())


@pytest.mark.parametrize("code", CloseCode)
def test_the_range_of_a_code_says_what_to_do(code):
    reconnect, after_ms = NEXT[code]

    assert bye(code) == Bye(code=code, reason=REASONS[code], reconnect=reconnect, after_ms=after_ms)


def test_a_bye_on_the_wire():
    assert json.loads(encode_signal(bye(CloseCode.DRAINING))) == {
        "type": "bye",
        "payload": {
            "code": 4200,
            "reason": "the server restarts",
            "reconnect": "resume",
            "after_ms": [0, 1_000],
        },
    }
