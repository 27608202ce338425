"""The tool that searches: for whoever started the run, whatever a model asks for."""

import pytest
from django.test import override_settings

from chatrouting.agents.thread_search import search_threads
from chatrouting.agents.tools import ToolContext
from chatrouting.database import in_database
from chatrouting.threads.rules import Person
from tests.agents.accepted import a_person, a_thread, ask, owner_of
from tests.agents.test_demo import answered_in


def said(content, owner=None):
    return ask(a_thread(owner), content)


async def search(query, run, **more):
    user = Person(str(run.user_id), "name")
    return await search_threads.function(
        query, ToolContext(user, run.pk, run.thread_id, "call"), **more
    )


async def test_a_hit_says_where_when_and_by_whom():
    thread = await in_database(a_thread)
    await in_database(ask, thread, "the wombat is asleep")
    asking = await in_database(ask, thread, "search wombat")

    (hit,) = await search("wombat", asking)

    assert hit["thread_id"] == str(thread.pk)
    assert (hit["title"], hit["excerpt"]) == ("title", "the wombat is asleep")
    assert hit["who"] == (await in_database(owner_of, thread)).name
    assert hit["when"].endswith("Z")


def test_a_model_can_name_no_user():
    """Rows 80, 101: the schema knows a query and a number, nothing else."""
    assert set(search_threads.schema["properties"]) == {"query", "most"}
    with pytest.raises(ValueError, match="unknown field"):
        search_threads.parse({"query": "x", "user_id": "1"})


async def test_nothing_of_another_is_found():
    await in_database(said, "a secret aardvark")
    asking = await in_database(said, "search aardvark")

    assert await search("aardvark", asking) == []


@pytest.mark.parametrize(
    "question",
    [
        "/search wombat asleep",
        "search wombat",
        "Find for WOMBAT",
        "What did I say about the wombat?",
    ],
)
async def test_the_demo_agent_finds_what_one_said(question):
    owner = await in_database(a_person)
    await in_database(said, "the wombat is asleep", owner)

    _, end = await answered_in(await in_database(a_thread, owner), question)

    assert "the wombat is asleep" in end["content"]
    assert end["tools_used"] == ["search_threads"]


@pytest.mark.parametrize("question", ["find nothingness", "search \"' OR *"])
async def test_the_demo_agent_says_that_it_finds_nothing(question):
    _, end = await answered_in(await in_database(a_thread), question)

    assert end["outcome"] == "success"
    assert end["content"].startswith("In your threads I find nothing")


@override_settings(DEBUG=False)
async def test_a_search_without_commands_is_a_plain_question():
    _, end = await answered_in(await in_database(a_thread), "/search wombat")

    assert end["tools_used"] == ["clock"]
