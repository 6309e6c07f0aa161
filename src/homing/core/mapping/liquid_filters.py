"""
The filters of Liquid, with the meaning they have in LiquidJS, which Segment runs.

Each takes the value before the bar and the arguments after the colon; absent variables come as
`ABSENT`. The engine counts what goes in and out; only a filter that can give far more than it
takes looks at its own result beforehand.

Source: LiquidJS 10, ``src/filters``; the list of disabled ones is Segment's
(``mapping-kit/liquid-directive.ts``).
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from operator import add, mod, mul, sub
from typing import Final, TypeAlias
from urllib.parse import quote, unquote_plus

from homing.core.mapping import liquid_dates
from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_LIQUID_WORK
from homing.core.mapping.text import check_depth, check_length, is_nothing, js_text, json_text
from homing.core.mapping.values import ABSENT, JS_SPACE, key_of, member, number_of

Filter: TypeAlias = Callable[..., object]

DISABLED_FILTERS: Final = frozenset(
    {
        "array_to_sentence_string", "concat", "find", "find_exp", "find_index", "find_index_exp",
        "group_by", "group_by_exp", "has", "has_exp", "map", "newline_to_br", "reject",
        "reject_exp", "reverse", "sort", "sort_natural", "uniq", "where_exp", "type",
        "sample",  # ours, not Segment's: chance would make the same event give two values
    }
)  # fmt: skip
"""Filters that LiquidJS has and a mapping may not use."""

_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
)
_UNESCAPES: Final = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&#34;": '"', "&#39;": "'"}
_ESCAPED: Final = re.compile("&(?:amp|lt|gt|#34|#39);")


def liquid_text(value: object, depth: int = 0) -> str:
    """Write a value as Liquid prints it: absent and null as nothing, lists run together."""
    if isinstance(value, list | tuple | range):
        check_depth(depth)
        check_length(len(value), MAX_LIQUID_WORK)
        return "".join(liquid_text(item, depth + 1) for item in value)
    return "" if is_nothing(value) else js_text(value)


def _list(value: object) -> Sequence[object]:
    if isinstance(value, list | tuple | range):
        return value
    return [] if is_nothing(value) else [value]


def _whole(value: object, default: int) -> int:
    """Read a count or index; what is no number counts as *default*."""
    number = float(default) if is_nothing(value) else number_of(value)
    return int(max(-1e15, min(1e15, number))) if not math.isnan(number) else default


def _number(value: object) -> float:
    number = math.nan if value is ABSENT else number_of(value)
    return 0.0 if math.isnan(number) else number


# text


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


def _truncate(value: object, length: object = None, end: object = "...") -> object:
    text, end_text, limit = liquid_text(value), liquid_text(end), _whole(length, 50)
    if len(text) <= limit:
        return value
    return text[: max(limit - len(end_text), 0)] + end_text


def _truncatewords(value: object, count: object = None, end: object = "...") -> str:
    words, limit = liquid_text(value).split(), max(_whole(count, 15), 1)
    # at exactly as many words the end is added too, as Ruby's Liquid did first
    return " ".join(words[:limit]) + (liquid_text(end) if len(words) >= limit else "")


def _split(value: object, separator: object) -> list[str]:
    text, at = liquid_text(value), liquid_text(separator)
    pieces = text.split(at) if at else list(text)
    while pieces and not pieces[-1]:
        pieces.pop()
    return pieces


def _slugify(value: object, mode: object = "default", cased: object = False) -> str:
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
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode(errors="replace")
    except binascii.Error as error:
        problem = "base64_decode got text that is not base64"
        raise Refused(problem) from error


# numbers


def _arithmetic(operator: Callable[[Decimal, Decimal], Decimal]) -> Filter:
    """Reckon in decimals, so that 55.34 times 3 is 166.02 and not 166.02000000000001."""

    def reckon(value: object, other: object) -> float:
        left, right = _number(value), _number(other)
        try:
            return float(operator(Decimal(repr(left)), Decimal(repr(right))))
        except ArithmeticError:  # infinities, and what is far beyond 28 digits
            return math.nan

    return reckon


def _divided_by(value: object, other: object, integer: object = False) -> float:
    left, right = _number(value), _number(other)
    if not right:
        return math.nan if not left else math.copysign(math.inf, left) * math.copysign(1, right)
    given = float(Decimal(repr(left)) / Decimal(repr(right))) if math.isfinite(left) else left
    return math.floor(given) if integer is True and math.isfinite(given) else given


def _modulo(left: Decimal, right: Decimal) -> Decimal:
    return mod(mod(left, right) + right, right)


def _round(value: object, digits: object = None) -> float:
    number, places = _number(value), _whole(digits, 0)
    if not math.isfinite(number) or not -300 < places < 300:
        return number
    try:
        return float(Decimal(repr(number)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    except ArithmeticError:  # so many digits that nothing is left to round
        return number


def _to_whole(round_to: Callable[[float], int], value: object) -> float:
    number = _number(value)
    return round_to(number) if math.isfinite(number) else number


# lists


def _join(value: object, separator: object = None) -> str:
    items, between = _list(value), " " if is_nothing(separator) else liquid_text(separator)
    check_length(len(items) * len(between), MAX_LIQUID_WORK)
    return between.join("" if is_nothing(item) else js_text(item) for item in items)


def _end_of(index: int, value: object) -> object:
    return value[index] if isinstance(value, list | tuple | range | str) and value else ABSENT


def _sum(value: object, name: object = None) -> float:
    items = _list(value) if is_nothing(name) else _property_of(value, name)
    numbers = (math.nan if item is ABSENT else number_of(item) for item in items)
    return float(sum(Decimal(repr(n)) for n in numbers if math.isfinite(n)))


def _where(value: object, name: object, wanted: object = ABSENT) -> list[object]:
    pairs = zip(_list(value), _property_of(value, name), strict=True)
    if wanted is ABSENT:
        return [item for item, found in pairs if not is_nothing(found) and found is not False]
    return [item for item, found in pairs if _equal(found, wanted)]


def _property_of(value: object, name: object) -> list[object]:
    keys = [key_of(step) for step in liquid_text(name).split(".")]
    check_length(len(keys) * len(_list(value)), MAX_LIQUID_WORK)
    found = list(_list(value))
    for key in keys:
        found = [ABSENT if is_nothing(item) else member(item, key) for item in found]
    return found


def _equal(left: object, right: object) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _slice(value: object, begin: object, length: object = None) -> object:
    items = value if isinstance(value, list | tuple | range) else liquid_text(value)
    start, count = _whole(begin, 0), _whole(length, 1)
    start = start + len(items) if start < 0 else start
    nothing = items[:0]
    return items[start : start + count] if start >= 0 and count >= 0 else nothing


# the rest


def _default(value: object, other: object = None, *, allow_false: object = False) -> object:
    if isinstance(value, list | tuple | range | str):
        return value if len(value) else other
    if value is False and allow_false is True:
        return False
    return other if is_nothing(value) or value is False else value


def _size(value: object) -> int:
    return len(value) if isinstance(value, list | tuple | range | str) else 0


def _of_text(change: Callable[[str], object]) -> Filter:
    """Make a filter of a function on text."""
    return lambda value: change(liquid_text(value))


def _encoded(safe: str, space: str = "%20") -> Filter:
    return lambda value: quote(liquid_text(value), safe=safe).replace("%20", space)


CLOCKED_FILTERS: Final[dict[str, Filter]] = {
    name: getattr(liquid_dates, name)
    for name in (
        "date", "date_to_xmlschema", "date_to_rfc822", "date_to_string", "date_to_long_string",
    )
}  # fmt: skip
"""Filters that also take ``now``, the event's own time."""

FILTERS: Final[dict[str, Filter]] = {
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
    "remove": _replace,
    "remove_first": partial(_replace, count=1),
    "remove_last": _replace_last,
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
    "abs": lambda value: abs(_number(value)),
    "at_least": lambda value, other: max(_number(value), _number(other)),
    "at_most": lambda value, other: min(_number(value), _number(other)),
    "ceil": partial(_to_whole, math.ceil),
    "floor": partial(_to_whole, math.floor),
    "round": _round,
    "plus": _arithmetic(add),
    "minus": _arithmetic(sub),
    "times": _arithmetic(mul),
    "modulo": _arithmetic(_modulo),
    "divided_by": _divided_by,
    "to_integer": number_of,
    "join": _join,
    "first": partial(_end_of, 0),
    "last": partial(_end_of, -1),
    "size": _size,
    "sum": _sum,
    "where": _where,
    "slice": _slice,
    "compact": lambda value: [item for item in _list(value) if not is_nothing(item)],
    "push": lambda value, item: [*_list(value), item],
    "unshift": lambda value, item: [item, *_list(value)],
    "pop": lambda value: list(_list(value)[:-1]),
    "shift": lambda value: list(_list(value)[1:]),
    "default": _default,
    "json": json_text,
    "jsonify": json_text,
    "inspect": json_text,
    "raw": lambda value: value,
    **CLOCKED_FILTERS,
}
"""Filters by name."""
