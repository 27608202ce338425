"""What the classes say of themselves, in words."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from routing_core.messages import Message
from routing_core.reference import described, markdown
from routing_core.router import Route, Router
from tests.routing_core.samples import Keep, Note, Noted, noted


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct):
    """Stands within a message."""

    name: str


class Shapes(Message, frozen=True):
    """A field of each kind."""

    type: ClassVar[str] = "shapes"

    any: Any
    uuid: UUID
    colour: Colour
    at: datetime
    inner: Inner
    inners: list[Inner]
    pair: tuple[int, str]
    many: tuple[int, ...]
    raw: bytes
    nothing: int | None
    numbers: dict[str, float]
    set_by_site: Annotated[int, Meta(extra_json_schema={"default": 25})]
    titled: Annotated[int, Meta(title="a title")]
    left_out: UUID | UnsetType = UNSET
    either: int | str | UnsetType = UNSET


def shape_of(field):
    (shapes,) = described(Router([], events=[Shapes]))["events"]
    return next(each for each in shapes["fields"] if each["name"] == field)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("any", "any value"),
        ("set_by_site", "integer, by default 25"),
        ("titled", "integer"),
        ("uuid", "UUID"),
        ("colour", "`red` · `blue`"),
        ("at", "date and time"),
        ("inner", "object {`name`: text}"),
        ("inners", "list of object {`name`: text}"),
        ("pair", "list [integer, text]"),
        ("many", "list of integer"),
        ("raw", "BytesType"),
        ("numbers", "object of number"),
        ("nothing", "integer or null"),
        ("left_out", "UUID"),
        ("either", "integer or text"),
    ],
)
def test_a_shape_has_words(field, words):
    assert shape_of(field)["shape"] == words


def test_the_page_shows_bounds_defaults_and_aliases():
    async def handler(ctx, message) -> Noted | None: ...

    page = markdown(Router([Route(Note, handler), Route(Keep, noted)]))

    assert "### `note`\n\nA message with a field of every kind.\n\nAlso taken as `memo`." in page
    assert "Answered by `noted`." in page
    assert "| `content` | text (1–100 characters) |  |" in page
    assert "| `loud` | true or false | optional, `false` |" in page
    assert "### `keep` †" in page


def test_a_type_that_is_switched_off_is_not_on_the_page():
    assert "`note`" not in markdown(Router([Route(Note, noted)]).with_switched_off(["note"]))


def test_a_reply_is_a_type_that_only_the_server_sends():
    async def handler(ctx, message) -> Noted: ...

    router = Router([Route(Note, handler)])

    assert router.server_types == {"noted"}
    assert router.with_route(Route(Keep, noted)).server_types == {"noted"}


def test_an_annotation_that_cannot_be_read_tells_no_reply():
    async def handler(ctx, message): ...

    handler.__annotations__["return"] = "Nowhere"

    assert Route(Note, handler).replies == ()
