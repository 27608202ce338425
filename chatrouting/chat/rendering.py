"""Markdown of an answer to HTML that is safe to put into the page.

Two locks, each enough alone: markdown-it knows no raw HTML, no images and no other links than web
and mail addresses; nh3 then lets through only the elements and attributes listed here.
"""

import functools
import re
from collections.abc import Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

# Goes into the ETag of a rendered message: raise it when the same text renders to other HTML.
VERSION = 1

# Characters. The parser needs 10 µs for a character of a long list or table, and for some inputs
# time that grows with the square of a paragraph. A longer text is shown as it was written, and so
# is a longer paragraph: the worst text found then takes 1.5 s, an ordinary one of 64 KiB 0.2 s.
MARKDOWN_LIMIT = 64 * 1024
PARAGRAPH_LIMIT = 4 * 1024

ELEMENTS = {
    *("a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li"),
    *("ol", "p", "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}

_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


def markdown_html(text: str) -> str:
    """The text as an HTML fragment. Takes bounded time, whatever the text is."""
    if len(text) > MARKDOWN_LIMIT:
        return f"<pre>{escapeHtml(text)}</pre>"
    return _cleaner().clean(_markdown().render(text))


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        return _LINK.match(url) is not None


@functools.cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=ELEMENTS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


@functools.cache
def _markdown() -> MarkdownIt:
    markdown = _Markdown("commonmark", {"html": False})
    markdown.enable("table")
    markdown.disable(["html_block", "html_inline"])
    markdown.add_render_rule("image", _image_text)
    markdown.core.ruler.before("inline", "long_paragraphs", _keep_long_paragraphs)
    return markdown


def _image_text(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: EnvType,
) -> str:
    """An image would fetch an address the model chose, and so leak text: its description stays."""
    return escapeHtml(renderer.renderInlineAsText(tokens[index].children, options, env))


def _keep_long_paragraphs(state: StateCore) -> None:
    """Show a paragraph over the limit as it was written, instead of looking for marks in it."""
    for token in state.tokens:
        if token.type == "inline" and len(token.content) > PARAGRAPH_LIMIT:
            token.type = "text"
