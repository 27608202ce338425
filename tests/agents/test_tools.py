"""A tool: a typed function whose schema, checks and text come from its signature."""

import asyncio
import uuid
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from chatrouting.agents.catalogue import agent_names, installed_agents
from chatrouting.agents.demo_tools import calculator
from chatrouting.agents.tools import Tool, ToolContext, installed_tools, tool
from chatrouting.threads.rules import Person


@tool
async def greet(name: Annotated[str, Meta(max_length=5)], times: int = 1) -> str:
    """Say hello."""
    return f"hello {name} " * times


@tool(name="other", seconds=2.5)
def renamed(flag: bool) -> None:
    """Do nothing."""


def test_name_and_description_come_from_the_function():
    assert (greet.name, greet.description) == ("greet", "Say hello.")


def test_name_and_time_can_be_given():
    assert (renamed.name, renamed.conditions.seconds) == ("other", 2.5)


def test_a_coroutine_function_can_be_stopped_and_another_cannot():
    assert (greet.is_async, renamed.is_async) == (True, False)


def test_the_schema_comes_from_the_signature():
    schema = greet.schema

    assert schema["type"] == "object"
    assert schema["properties"] == {
        "name": {"type": "string", "maxLength": 5},
        "times": {"type": "integer", "default": 1},
    }
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False


class Colour(msgspec.Struct):
    """A colour."""

    name: str


@tool
async def paint(colour: Colour, mine: ToolContext) -> None:
    """Paint."""


def test_what_a_schema_refers_to_stands_in_it():
    assert paint.schema["properties"]["colour"] == {"$ref": "#/$defs/Colour"}
    assert paint.schema["$defs"]["Colour"]["required"] == ["name"]


def test_the_context_is_no_argument_and_is_filled_in():
    context = ToolContext(Person("1", "eve"), uuid.uuid4(), uuid.uuid4(), "call")
    bound = paint.bound(paint.parse({"colour": {"name": "red"}}), context)

    assert list(paint.schema["properties"]) == ["colour"]
    assert bound.keywords == {"colour": Colour("red"), "mine": context}


def test_a_second_context_is_refused():
    async def twice(one: ToolContext, two: ToolContext) -> None: ...

    with pytest.raises(TypeError, match="one parameter may take the ToolContext"):
        tool(twice)


def test_an_unknown_condition_is_refused():
    with pytest.raises(TypeError, match="urgent"):
        tool(urgent=True)


def test_arguments_are_parsed_with_their_defaults():
    assert greet.parse({"name": "eve"}) == {"name": "eve", "times": 1}


@pytest.mark.parametrize(
    "arguments",
    [{}, {"name": 1}, {"name": "toolong"}, {"name": "eve", "times": "2"}, {"name": "eve", "x": 1}],
)
def test_arguments_that_break_the_signature_are_refused(arguments):
    with pytest.raises(msgspec.ValidationError):
        greet.parse(arguments)


async def test_the_function_takes_what_was_parsed():
    assert (
        await greet.function(**greet.parse({"name": "eve", "times": 2})) == "hello eve hello eve "
    )


def test_a_parameter_without_a_type_is_refused():
    def untyped(value):
        pass

    with pytest.raises(TypeError, match="parameter value has no type"):
        tool(untyped)


def several(*values: int) -> None: ...
def named(**values: int) -> None: ...
def placed(value: int, /) -> None: ...


@pytest.mark.parametrize("function", [several, named, placed])
def test_a_parameter_that_cannot_be_given_by_name_is_refused(function):
    with pytest.raises(TypeError, match="cannot be given by name"):
        tool(function)


def test_the_installed_tools_are_those_of_the_settings():
    assert set(installed_tools()) == {
        "calculator", "clock", "search_threads", "note", "failing", "slow",
    }  # fmt: skip
    assert all(isinstance(each, Tool) for each in installed_tools().values())


def test_the_installed_agents_are_those_of_the_settings():
    assert agent_names() == {"demo"} == set(installed_agents())


def test_a_tool_is_not_run_by_being_declared():
    assert asyncio.iscoroutinefunction(calculator.function)
