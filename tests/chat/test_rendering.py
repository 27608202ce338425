"""Markdown to HTML that is safe to put into the page."""

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatrouting.chat.rendering import ELEMENTS, MARKDOWN_LIMIT, PARAGRAPH_LIMIT, markdown_html


class Elements(HTMLParser):
    """Every element a browser would make of the fragment, with its attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*a* **b** `c`", "<p><em>a</em> <strong>b</strong> <code>c</code></p>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("3. a", '<ol start="3">\n<li>a</li>\n</ol>\n'),
        ("# a", "<h1>a</h1>\n"),
        ("> a", "<blockquote>\n<p>a</p>\n</blockquote>\n"),
        ("```python\na < b\n```", "<pre><code>a &lt; b\n</code></pre>\n"),
        ("😀 שלום 日本", "<p>😀 שלום 日本</p>\n"),
        ("", ""),
    ],
)
def test_ordinary_markdown_is_rendered(text, html):
    assert markdown_html(text) == html


def test_a_table_is_rendered():
    html = markdown_html("|a|b|\n|-|-:|\n|1|2|")

    assert re.findall(r"<t[hd]>(.*?)<", html) == ["a", "b", "1", "2"]


@pytest.mark.parametrize(
    "address", ["https://a.example/b?c=1", "http://a.example", "mailto:a@b.example"]
)
def test_a_link_opens_apart_and_tells_nothing_of_this_page(address):
    (link,) = [
        attrs for tag, attrs in Elements(markdown_html(f"[a]({address})")).found if tag == "a"
    ]

    assert link == {
        "href": address, "target": "_blank", "rel": "noopener noreferrer nofollow"
    }  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#115;cript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://a.example",
        "//a.example",
        "/accounts/logout/",
        "#a",
        "&#x6A;avascript:alert(1)",
    ],
)
def test_other_addresses_make_no_link(address):
    for text in (f"[a]({address})", f"<{address}>", f"[a]\n\n[a]: {address}"):
        assert "a" not in [tag for tag, _ in Elements(markdown_html(text)).found]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<!-- a -->",
        '<p style="position:fixed">a</p>',
        "a <b onclick=x>b</b>",
        "<svg><style><!--</style><img src=x onerror=alert(1)>-->",
    ],
)
def test_html_is_shown_as_text(text):
    found = Elements(markdown_html(text)).found

    assert [each for each in found if each != ("p", {})] == []


@pytest.mark.parametrize(
    "text",
    [
        "![a cat](https://a.example/cat.png?leak=1)",
        "![a *cat*][1]\n\n[1]: https://a.example/cat.png",
    ],
)
def test_an_image_is_its_description(text):
    assert markdown_html(text) == "<p>a cat</p>\n"


def test_a_description_cannot_bring_html():
    assert markdown_html("![<b>](https://a.example)") == "<p>&lt;b&gt;</p>\n"


def test_a_long_text_keeps_its_lines_and_is_not_parsed():
    text = "*a* <b>\n" * (MARKDOWN_LIMIT // 7)

    assert (
        markdown_html(text) == "<pre>" + text.replace("<", "&lt;").replace(">", "&gt;") + "</pre>"
    )


def test_a_long_paragraph_is_not_searched_for_marks():
    html = markdown_html("*a* " * (PARAGRAPH_LIMIT // 4 + 1) + "\n\n*b*")

    assert html.count("<em>") == 1
    assert html.endswith("<p><em>b</em></p>\n")


@pytest.mark.parametrize(
    "piece",
    ["[", "![", "[a](", "*a ", "**a", "`a", "> ", "- a\n", "|a", "<", "&amp", "[[]]", "\n", "a\n"],
)
def test_no_text_of_256_kib_takes_long(piece):
    started = time.thread_time()
    for paragraph in (256 * 1024, PARAGRAPH_LIMIT):
        line = (piece * paragraph)[:paragraph] + "\n\n"
        markdown_html((line * (256 * 1024 // len(line) + 1))[: 256 * 1024])
        markdown_html((line * (MARKDOWN_LIMIT // len(line) + 1))[:MARKDOWN_LIMIT])

    assert time.thread_time() - started < 10


# Text that is likely to mean something to a parser of Markdown or HTML.
MARKS = st.sampled_from(
    [*"[]()<>!*_`#|&;:\"'\n\t -/\\=", "javascript:", "https://a.example", "<script>", "onerror=x"]
)


@given(st.lists(MARKS | st.text(max_size=3), max_size=40).map("".join))
@example('[a](https://a.example "\\" onclick=x")')
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_only_known_elements_and_attributes_come_out(text):
    for tag, attrs in Elements(markdown_html(text)).found:
        assert tag in ELEMENTS
        assert set(attrs) <= {"href", "title", "target", "rel", "start"}
        assert attrs.get("href", "http:").startswith(("http:", "https:", "mailto:", "HTTP"))
