"""What a client may be told: codes, whether to try again, texts."""

import pytest

from routing_core.errors import Busy, CircuitOpen, ErrorCode, NotFound, ProtocolError, RoutingError


def _below(kind):
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


EVERY_ERROR = [
    error
    for error in _below(RoutingError)
    if error is not ProtocolError and error.__module__ == RoutingError.__module__
]

# As the protocol's table of errors says.
RETRYABLE = {
    "busy", "rate_limited", "overloaded", "circuit_open", "handler_timeout", "internal",
}  # fmt: skip
OF_THE_PROTOCOL = {
    "invalid_json", "invalid_frame", "frame_too_large", "unknown_type", "type_not_allowed",
}  # fmt: skip


def test_every_code_has_exactly_one_error():
    assert sorted(error.code for error in EVERY_ERROR) == sorted(ErrorCode)


def test_errors_are_retryable_as_the_protocol_says():
    assert {error.code for error in EVERY_ERROR if error.retryable} == RETRYABLE


def test_errors_of_the_frame_itself_are_told_apart():
    assert {
        error.code for error in EVERY_ERROR if issubclass(error, ProtocolError)
    } == OF_THE_PROTOCOL


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.__name__)
def test_an_error_has_a_sentence_of_its_own(error):
    assert str(error()) == error.text
    assert error.text.endswith(".")


def test_a_given_text_stands_instead_of_the_usual_one():
    assert str(NotFound("There is no thread.")) == "There is no thread."


def test_an_error_says_nothing_that_was_not_given():
    assert vars(Busy()) == {"field": None, "received_type": None, "retry_after_ms": None}


def test_an_error_keeps_what_it_was_given():
    error = CircuitOpen(field="payload.agent", received_type="chat", retry_after_ms=0)

    assert vars(error) == {
        "field": "payload.agent", "received_type": "chat", "retry_after_ms": 0
    }  # fmt: skip
