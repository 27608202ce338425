"""What a model is told of a thread."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import ModelRequest

from chatrouting.agents.contract import Spoken
from chatrouting.agents.providers.history import told

SPOKEN = st.builds(
    Spoken, st.sampled_from(["user", "agent"]), st.sampled_from("ab"), st.text(max_size=5)
)


def shown(*spoken):
    messages = told(spoken, "be good")
    return [part.content for message in messages for part in message.parts]


def test_one_person_is_not_named():
    assert shown(Spoken("user", "ann", "a"), Spoken("user", "ann", "b")) == ["a", "b"]


def test_several_people_are_told_apart():
    said = (Spoken("user", "ann", "a"), Spoken("agent", "x", "c"), Spoken("user", "bob", "b"))

    assert shown(*said) == ["ann: a", "c", "bob: b"]


def test_an_answer_that_has_no_words_is_left_out():
    said = (Spoken("user", "ann", "a"), Spoken("agent", "x", ""), Spoken("user", "ann", "b"))

    assert shown(*said) == ["a", "b"]


def test_an_answer_whose_question_is_not_there_is_left_out():
    said = (Spoken("agent", "x", "c"), Spoken("agent", "x", "d"), Spoken("user", "ann", "b"))

    assert shown(*said) == ["b"]


@given(st.lists(SPOKEN, max_size=8), st.text(max_size=9))
def test_a_person_begins_and_the_question_is_told_in_any_case(before, question):
    messages = told([*before, Spoken("user", "a", question)], "be good")
    contents = [part.content for message in messages for part in message.parts]

    assert contents[-1].endswith(question)
    assert isinstance(messages[0], ModelRequest)
    assert isinstance(messages[-1], ModelRequest)
    assert messages[-1].instructions == "be good"


@given(st.lists(SPOKEN, max_size=8))
def test_people_and_model_take_turns_but_for_answers_that_follow_each_other(before):
    messages = told([*before, Spoken("user", "a", "q")], "")
    requests = [isinstance(message, ModelRequest) for message in messages]

    assert not any(one and other for one, other in pairwise(requests))
