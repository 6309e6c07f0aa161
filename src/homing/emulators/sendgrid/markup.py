"""What SendGrid does to the HTML of a mail: rewrite its links, add a footer, read its text."""

import re
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser
from typing import Final, TypeAlias

_Attributes: TypeAlias = list[tuple[str, str | None]]

_SILENT: Final = frozenset({"script", "style", "head", "title"})
_BREAKING: Final = frozenset({"p", "br", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "pre"})
#: SendGrid tracks no more links than this in one mail.
MOST_LINKS: Final = 1000


def rewritten(html: str, url_for: Callable[[int, str], str]) -> tuple[str, list[str]]:
    """
    Replace the targets of a mail's links.

    Args:
        html: Of the mail; everything but the targets stays as it is.

        url_for: Makes the new target of (index, old target).

    Returns:
        The new HTML, and the old targets by index. Only ``http`` and ``https``
        links are rewritten, as SendGrid does.
    """
    finder = _LinkFinder()
    finder.feed(html)
    finder.close()
    out: list[str] = []
    links: list[str] = []
    done = 0
    for start, tag, attributes in finder.found[:MOST_LINKS]:
        target = _target(attributes)
        out += html[done:start], _link_tag(attributes, url_for(len(links), target))
        links.append(target)
        done = start + len(tag)
    return "".join(out) + html[done:], links


def links_of(html: str) -> list[str]:
    """List the targets of a mail's links, as `rewritten` counts them."""
    return rewritten(html, lambda _, url: url)[1]


def text_of(html: str) -> str:
    """Make the plain text of a mail: its words, and a line for every block."""
    parser = _TextReader()
    parser.feed(html)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.out).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def with_footer(html: str, footer: str) -> str:
    """Put a footer at the end of the body, or of the text when it has none."""
    at = html.lower().rfind("</body")
    return html + footer if at < 0 else html[:at] + footer + html[at:]


class _LinkFinder(HTMLParser):
    """Finds the links: where each tag starts, its text and its attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[int, str, _Attributes]] = []
        self._line_starts = [0]

    def feed(self, data: str) -> None:
        self._line_starts += (at.end() for at in re.finditer("\n", data))
        super().feed(data)

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        if tag == "a" and _target(attrs).lower().startswith(("http://", "https://")):
            line, column = self.getpos()
            start = self._line_starts[line - 1] + column
            self.found.append((start, self.get_starttag_text() or "", attrs))

    def handle_startendtag(self, tag: str, attrs: _Attributes) -> None:
        self.handle_starttag(tag, attrs)


def _target(attributes: _Attributes) -> str:
    return (next((value for name, value in attributes if name == "href"), None) or "").strip()


def _link_tag(attributes: _Attributes, url: str) -> str:
    # Built anew: to find the right "href" in the tag's text is the parser's
    # work, and a hostile title can hold one too.
    shown = [
        name if value is None else f'{name}="{escape(value)}"'
        for name, value in attributes
        if name != "href"
    ]
    return " ".join(["<a", f'href="{escape(url)}"', *shown]) + ">"


class _TextReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        if tag in _SILENT:
            self._silent += 1
        if tag in _BREAKING:
            self.out.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT and self._silent:
            self._silent -= 1
        if tag in _BREAKING:
            self.out.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.out.append(data)
