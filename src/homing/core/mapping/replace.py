"""What `@replace` does to text, with JavaScript's patterns in the replacement."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final, TypeAlias

from homing.core.mapping.limits import MAX_REPLACE_TEXT
from homing.core.mapping.parts import Scope
from homing.core.mapping.results import check_count
from homing.core.mapping.text import check_length, js_text

Change: TypeAlias = Callable[[str], str]
Piece: TypeAlias = Callable[[re.Match[str]], str]

_SPECIAL: Final = re.compile(r"(\$[$&`'])")
_PIECES: Final[dict[str, str | Piece]] = {
    "$$": "$",
    "$&": lambda match: match[0],
    "$`": lambda match: match.string[: match.start()],
    "$'": lambda match: match.string[match.end() :],
}


def replacer(options: Mapping[str, object], scope: Scope) -> Callable[[object], str]:
    """
    Compile the slots of `@replace`.

    Returns:
        From a value to text: numbers and booleans are written as text first, all else but text
        becomes ``""``.

    Raises:
        MappingError: A slot is of the wrong type, or longer than 10 characters.
    """
    once = not _flag(options, "global", scope, default=True)
    ignorecase = _flag(options, "ignorecase", scope, default=False)
    changes = [
        _change(pattern, replacement, ignorecase=ignorecase, once=once)
        for pattern, replacement in _pairs(options, scope)
    ]

    def replaced(value: object) -> str:
        if not isinstance(value, str | bool | int | float):
            return ""
        text = js_text(value)
        for change in changes:
            text = change(text)
        return text

    return replaced


def _pairs(options: Mapping[str, object], scope: Scope) -> Iterator[tuple[str, str]]:
    pattern = _short_text(options, "pattern", scope)
    if not pattern:
        raise scope.at("pattern").error("be text of 1 to 10 characters", options["pattern"])
    yield pattern, _short_text(options, "replacement", scope)
    if pattern2 := _short_text(options, "pattern2", scope):
        yield pattern2, _short_text(options, "replacement2", scope)


def _short_text(options: Mapping[str, object], slot: str, scope: Scope) -> str:
    text = options.get(slot)
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > MAX_REPLACE_TEXT:
        expected = f"be text of at most {MAX_REPLACE_TEXT} characters"
        raise scope.at(slot).error(expected, text)
    return text


def _flag(options: Mapping[str, object], slot: str, scope: Scope, *, default: bool) -> bool:
    flag = options.get(slot)
    if flag is None:
        return default
    if not isinstance(flag, bool):
        raise scope.at(slot).error("be true or false", flag)
    return flag


def _change(pattern: str, replacement: str, *, ignorecase: bool, once: bool) -> Change:
    pieces = [_PIECES.get(piece, piece) for piece in _SPECIAL.split(replacement) if piece]
    texts = [piece for piece in pieces if isinstance(piece, str)]
    if ignorecase or len(texts) < len(pieces):
        expression = re.compile(re.escape(pattern), re.IGNORECASE if ignorecase else 0)
        return _by_match(expression, pieces, once=once)
    return _by_text(pattern, "".join(texts), once=once)


def _by_text(pattern: str, replacement: str, *, once: bool) -> Change:
    growth, count = len(replacement) - len(pattern), 1 if once else -1

    def change(text: str) -> str:
        if growth > 0:
            check_length(len(text) + growth * text.count(pattern))
        return text.replace(pattern, replacement, count)

    return change


def _by_match(expression: re.Pattern[str], pieces: list[str | Piece], *, once: bool) -> Change:
    def change(text: str) -> str:
        given: list[str] = []
        end = length = 0
        for count, match in enumerate(islice(expression.finditer(text), 1 if once else None)):
            check_count(count)
            given.append(text[end : match.start()])
            given += [piece if isinstance(piece, str) else piece(match) for piece in pieces]
            end = match.end()
            # "$'" repeats the rest of the text at every match: stop before it fills the memory
            length += sum(map(len, given[-1 - len(pieces) :]))
            check_length(length)
        return "".join([*given, text[end:]])

    return change
