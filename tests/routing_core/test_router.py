"""Which handler serves which message."""

from typing import ClassVar

import pytest

from routing_core.errors import PermissionDenied, TypeNotAllowed, UnknownType
from routing_core.messages import Message
from routing_core.router import Route, Router
from tests.routing_core.samples import Beat, Note, Noted, noted


class Impostor(Message, frozen=True):
    """Claims a name that another message has."""

    type: ClassVar[str] = "impostor"
    aliases: ClassVar[tuple[str, ...]] = ("note",)


def refused(router, name, error):
    with pytest.raises(error) as caught:
        router.resolve(name, "ctx")
    return caught.value


def test_a_type_finds_its_route():
    route = Route(Note, noted)

    assert Router([Route(Beat, noted), route]).resolve("note", "ctx") is route


def test_an_alias_finds_the_same_route():
    route = Route(Note, noted)

    assert Router([route]).resolve("memo", "ctx") is route


def test_an_unknown_type_is_told_back():
    assert refused(Router([]), "nothing", UnknownType).received_type == "nothing"


def test_a_long_unknown_type_is_told_back_cut():
    assert refused(Router([]), "x" * 1_000, UnknownType).received_type == "x" * 64


def test_a_type_of_the_server_is_not_allowed():
    router = Router([], server_types=["noted"])

    assert refused(router, "noted", TypeNotAllowed).received_type == "noted"


def test_the_highest_priority_serves():
    low, high = Route(Note, noted, priority=-1), Route(Note, noted, priority=1)

    assert Router([low, Route(Note, noted), high]).resolve("note", "ctx") is high


def test_at_equal_priority_the_first_serves():
    first, second = Route(Note, noted), Route(Note, noted)

    assert Router([first, second]).resolve("note", "ctx") is first


def test_a_route_whose_condition_refuses_is_passed_over():
    special = Route(Note, noted, priority=1, condition=lambda ctx: ctx == "special")
    usual = Route(Note, noted)
    router = Router([usual, special])

    assert router.resolve("note", "special") is special
    assert router.resolve("note", "other") is usual


def test_a_type_whose_conditions_all_refuse_is_unknown():
    router = Router([Route(Note, noted, condition=lambda ctx: False)])

    assert refused(router, "note", UnknownType).received_type == "note"


def test_two_messages_of_one_name_are_refused():
    with pytest.raises(ValueError, match="Impostor and Note are both 'note'"):
        Router([Route(Note, noted), Route(Impostor, noted)])


def test_a_client_message_may_not_have_a_name_of_the_server():
    with pytest.raises(ValueError, match="'noted' is a type that only the server sends"):
        Router([Route(Noted, noted)], server_types=["noted"])


def test_a_route_says_where_its_handler_stands():
    assert Route(Note, noted).name == "tests.routing_core.samples.noted"


def test_the_table_lists_types_and_aliases():
    beat, note = Route(Beat, noted), Route(Note, noted)

    assert Router([beat, note]).types == {"beat": (beat,), "note": (note,), "memo": (note,)}


def test_the_table_cannot_be_changed_from_outside():
    router = Router([Route(Note, noted)])
    router.types.clear()

    assert router.resolve("note", "ctx")


def test_a_table_with_a_route_more_leaves_the_first_as_it_was():
    first = Router([Route(Note, noted)])
    second = first.with_route(Route(Beat, noted))

    assert len(first.routes) == 1
    assert second.resolve("beat", "ctx")


def test_a_table_without_a_route_keeps_its_equals():
    route = Route(Note, noted)

    assert Router([route, Route(Note, noted)]).without(route).routes == (route,)


def test_a_type_that_is_switched_off_is_refused_under_all_its_names():
    """Row 39: a documented type is never silently taken, nor called unknown."""
    router = Router([Route(Note, noted), Route(Beat, noted)]).with_switched_off(["note"])

    assert refused(router, "note", PermissionDenied).received_type == "note"
    assert refused(router, "memo", PermissionDenied).received_type == "memo"
    assert router.resolve("beat", "ctx")


def test_a_type_stays_switched_off_in_the_tables_made_of_it():
    router = Router([Route(Note, noted)]).with_switched_off(["note"])

    assert refused(router.with_route(Route(Note, noted, priority=9)), "note", PermissionDenied)


def test_only_a_type_of_the_table_can_be_switched_off():
    with pytest.raises(ValueError, match="'nothing' cannot be switched off: the types are note"):
        Router([Route(Note, noted)]).with_switched_off(["nothing"])
