"""Strategies: text as a client may send it, from anything at all to almost a frame."""

import json

from hypothesis import strategies as st

# Any code point, halves of surrogate pairs too: a client's library may let them through.
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)

words = st.sampled_from(
    ["note", "memo", "keep", "beat", "noted", "content", "type", "id", "payload"]
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**30, max_value=10**400),
    st.floats(),
    words,
    anything,
)

values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(words | anything, inner, max_size=4)
    ),
    max_leaves=12,
)


def written(value, *, ascii_only):
    return json.dumps(value, ensure_ascii=ascii_only)


json_texts = st.builds(written, values, ascii_only=st.booleans())

members = st.tuples(
    st.one_of(words, anything).map(json.dumps),
    st.one_of(
        json_texts,
        words.map(json.dumps),
        st.sampled_from(['{"content":"hello"}', '{"content":"\\u0000"}', '{"content":"\\ud800"}']),
    ),
)


def object_of(pairs):
    return "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"


# Keys may come twice, which no dictionary can say.
objects = st.lists(members, max_size=6).map(object_of)

almost_frames = st.builds(
    lambda kind, rest: object_of([('"type"', kind), *rest]),
    words.map(json.dumps),
    st.lists(st.tuples(st.sampled_from(['"id"', '"payload"', '"x"']), json_texts), max_size=3),
)

fields = st.sampled_from(["content", "thread_id", "count", "loud", "tags", "scores"])
fitting = st.sampled_from(
    [
        '"a"',
        '"\\u0000"',
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        "7",
        "1e400",
        "9" * 400,
        "true",
        '["a"]',
        '{"a":1}',
    ]
)
payloads = st.lists(st.tuples(fields.map(json.dumps), fitting | json_texts), max_size=4).map(
    lambda pairs: object_of([('"content"', '"hello"'), *pairs])
)

# Whole frames of a known type, so that payloads are looked at as well.
whole_frames = st.builds(
    lambda kind, payload: object_of([('"type"', kind), ('"id"', '"m1"'), ('"payload"', payload)]),
    st.sampled_from(["note", "memo", "keep", "noted"]).map(json.dumps),
    payloads | st.just("{}"),
)

nested = st.builds(
    lambda depth, opening, closing, inner: opening * depth + inner + closing * depth,
    st.integers(1, 5_000),
    st.sampled_from(["[", '{"payload":', '{"type":"note","payload":']),
    st.sampled_from(["]", "}", ""]),
    st.sampled_from(["", "1", "null"]),
)


def _spoilt(text, place, insertion):
    cut = place % (len(text) + 1)
    return text[:cut] + insertion + text[cut + 1 :]


spoilt = st.builds(_spoilt, almost_frames | json_texts, st.integers(0, 10_000), anything)

texts = st.one_of(
    whole_frames, payloads, anything, json_texts, objects, almost_frames, nested, spoilt
)
