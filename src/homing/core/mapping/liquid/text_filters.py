"""
Liquid's filters on text.

Source: LiquidJS 10, ``src/filters/string.ts``, ``html.ts``, ``url.ts``, ``base64.ts``.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import quote, unquote_plus

from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_LIQUID_WORK
from homing.core.mapping.liquid.coerce import Filter, count_of, liquid_text
from homing.core.mapping.text import check_length
from homing.core.mapping.values import JS_SPACE

_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
)
_UNESCAPES: Final = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&#34;": '"', "&#39;": "'"}
_ESCAPED: Final = re.compile("&(?:amp|lt|gt|#34|#39);")


def _append(value: object, end: object) -> str:
    return liquid_text(value) + liquid_text(end)


def _prepend(value: object, start: object) -> str:
    return liquid_text(start) + liquid_text(value)


def _capitalize(value: object) -> str:
    text = liquid_text(value)
    return text[:1].upper() + text[1:].lower()


def _stripped(strip: Callable[[str, str], str], value: object, chars: object = None) -> str:
    return strip(liquid_text(value), liquid_text(chars) or JS_SPACE)


def _strip_html(value: object) -> str:
    """Drop tags, comments, scripts and styles; text after a ``<`` that nothing closes stays."""
    text, closers = liquid_text(value), dict(_CLOSERS)
    given: list[str] = []
    end = 0
    while (start := text.find("<", end)) >= 0:
        given.append(text[end:start])
        end = _tag_end(text, start, closers)
        if end < 0:
            return "".join([*given, text[start:]])
    return "".join([*given, text[end:]])


_CLOSERS: Final = {"<script": "</script>", "<style": "</style>", "<!--": "-->", "<": ">"}


def _tag_end(text: str, start: int, closers: dict[str, str]) -> int:
    for opener, closer in list(closers.items()):
        if text.startswith(opener, start):
            found = text.find(closer, start + len(opener))
            if found >= 0:
                return found + len(closer)
            del closers[opener]  # nothing closes it further on either: keeps this linear
    return -1


def _replace(value: object, old: object, new: object = None, *, count: int = -1) -> str:
    text, old_text, new_text = liquid_text(value), liquid_text(old), liquid_text(new)
    check_length(len(text) + text.count(old_text) * len(new_text), MAX_LIQUID_WORK)
    return text.replace(old_text, new_text, count)


def _replace_last(value: object, old: object, new: object = None) -> str:
    text, old_text = liquid_text(value), liquid_text(old)
    start = text.rfind(old_text)
    if start < 0:
        return text
    return text[:start] + liquid_text(new) + text[start + len(old_text) :]


def _removed(replace: Filter) -> Filter:
    return lambda value, old: replace(value, old, "")


def _truncate(value: object, length: object = None, end: object = "...") -> object:
    text, end_text, limit = liquid_text(value), liquid_text(end), count_of(length, 50)
    if len(text) <= limit:
        return value
    return text[: max(limit - len(end_text), 0)] + end_text


def _truncatewords(value: object, count: object = None, end: object = "...") -> str:
    words, limit = liquid_text(value).split(), max(count_of(count, 15), 1)
    # at exactly as many words the end is added too, as Ruby's Liquid did first
    return " ".join(words[:limit]) + (liquid_text(end) if len(words) >= limit else "")


def _split(value: object, separator: object) -> list[str]:
    text, at = liquid_text(value), liquid_text(separator)
    pieces = text.split(at) if at else list(text)
    while pieces and not pieces[-1]:
        pieces.pop()
    return pieces


def _slugify(value: object, mode: object = "default", cased: object = None) -> str:
    text = liquid_text(value)
    kept = _SLUG_KEPT.get(mode if isinstance(mode, str) else "default")
    if kept is not None:
        text = text.translate(_LATIN) if mode == "latin" else text
        text = re.sub("\0+", "-", "".join(char if kept(char) else "\0" for char in text))
        text = text.removeprefix("-").removesuffix("-")
    return text if cased is True else text.lower()


def _is_word(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "LM" or category == "Nd"


_SLUG_KEPT: Final[dict[str, Callable[[str], bool]]] = {
    "default": _is_word,
    "latin": _is_word,
    "raw": lambda char: not char.isspace(),
    "ascii": lambda char: char.isascii() and char.isalnum(),
    "pretty": lambda char: char in "._~!$&'()+,;=@" or _is_word(char),
}
_LATIN: Final = str.maketrans(
    dict(zip("àáâãäåçèéêëìíîïðñòóôõöøùúûüýÿ", "aaaaaaceeeeiiiidnoooooouuuuyy", strict=True))
    | {"æ": "ae", "ß": "ss", "œ": "oe", "þ": "th", "ẞ": "SS", "Œ": "OE", "Þ": "TH"}
)


def _base64_decode(value: object) -> str:
    text = re.sub(r"[\t\n\f\r ]", "", liquid_text(value)).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode(
            errors="replace"
        )
    except binascii.Error as error:
        problem = "base64_decode got text that is not base64"
        raise Refused(problem) from error


def _of_text(change: Callable[[str], object]) -> Filter:
    """Make a filter of a function on text."""
    return lambda value: change(liquid_text(value))


def _encoded(safe: str, space: str = "%20") -> Filter:
    return lambda value: quote(liquid_text(value), safe=safe).replace("%20", space)


TEXT_FILTERS: Final[dict[str, Filter]] = {
    "append": _append,
    "prepend": _prepend,
    "capitalize": _capitalize,
    "downcase": _of_text(str.lower),
    "upcase": _of_text(str.upper),
    "strip": partial(_stripped, str.strip),
    "lstrip": partial(_stripped, str.lstrip),
    "rstrip": partial(_stripped, str.rstrip),
    "strip_newlines": _of_text(lambda text: text.replace("\r\n", "").replace("\n", "")),
    "strip_html": _strip_html,
    "squish": _of_text(lambda text: " ".join(text.split())),
    "normalize_whitespace": _of_text(lambda text: re.sub(r"\s+", " ", text)),
    "number_of_words": _of_text(lambda text: len(text.split())),
    "escape": _of_text(lambda text: text.translate(_ESCAPES)),
    "xml_escape": _of_text(lambda text: text.translate(_ESCAPES)),
    "escape_once": _of_text(
        lambda text: _ESCAPED.sub(lambda match: _UNESCAPES[match[0]], text).translate(_ESCAPES)
    ),
    "remove": _removed(_replace),
    "remove_first": _removed(partial(_replace, count=1)),
    "remove_last": _removed(_replace_last),
    "replace": _replace,
    "replace_first": partial(_replace, count=1),
    "replace_last": _replace_last,
    "truncate": _truncate,
    "truncatewords": _truncatewords,
    "split": _split,
    "slugify": _slugify,
    "url_encode": _encoded("!~*'()", space="+"),
    "url_decode": _of_text(unquote_plus),
    "cgi_escape": _encoded("~", space="+"),
    "uri_escape": _encoded(";,/?:@&=+$!~*'()#[]"),
    "base64_encode": _of_text(lambda text: base64.b64encode(text.encode()).decode()),
    "base64_decode": _base64_decode,
}
"""Filters by name."""
