"""
Words to tree.

    any        every ("or" every)*
    every      negation ("and" negation)*
    negation   "!" negation | comparison
    comparison value (("=" | "!=" | ">" | ">=" | "<" | "<=" | "in") value)?
    value      literal | path | function "(" value ("," value)* ")" | "[" values "]" | "(" any ")"

Precedence is not documented by Segment; ours is the usual one, and `checks` warns where it
matters. Source of the rest: Segment docs, "FQL".
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast
from typing import Literal as OneOf

from homing.core.durations import parse_duration
from homing.core.fql.display import printable
from homing.core.fql.errors import FqlError
from homing.core.fql.facts import Did
from homing.core.fql.functions import FUNCTIONS
from homing.core.fql.nodes import (
    Call,
    Comparison,
    DidCall,
    Group,
    InAudience,
    Junction,
    ListOf,
    Literal,
    Node,
    Not,
    Operator,
    Path,
    Scalar,
    text_literal,
)
from homing.core.fql.tokens import Kind, Token, segments_of, tokenize

if TYPE_CHECKING:
    from homing.core.fql.condition import Condition

LONGEST_BYTES: Final = 5_120  # Segment's limit for a query
# Segment allows any depth within its 5 KB; deeper than an event may nest nobody reads any more.
DEEPEST: Final = 64
# Each `did()` keeps that many times per person.
MOST_TIMES: Final = 1_000

_OPERATORS: Final = frozenset({"=", "!=", ">", ">=", "<", "<=", "in"})
_CONSTANTS: Final[dict[str, Scalar]] = {"true": True, "false": False, "null": None}
_LONGEST_NUMBER: Final = 300
_INSTEAD: Final = {
    "is": "`=`",
    "not": "`!`",
    "like": "`match(path, 'pattern')`",
    "contains": "`contains(path, 'text')`",
    "AND": "`and`",
    "OR": "`or`",
    "IN": "`in`",
    "NOT": "`!`",
}
_PAIRS: Final = {
    ("=", "="): "equality is written `=`",
    ("!=", "="): "inequality is written `!=`",
    ("<", ">"): "inequality is written `!=`",
    ("=", ">"): "at least is written `>=`",
    ("=", "<"): "at most is written `<=`",
}


def read(text: str, inner: Callable[[str], Condition]) -> Node:
    """
    Read a condition.

    Args:
        text: The condition.

        inner: Reads the condition in the quotes of ``did()``.

    Raises:
        FqlError: The text is no condition, is over 5,120 bytes or nests deeper than 64.
    """
    _refuse_long(text)
    tokens = tokenize(text)
    if [token.text for token in tokens] == ["all", ""]:
        return Literal(tokens[0].start, tokens[0].end, value=True)
    if len(tokens) == 1:
        raise FqlError("the condition is empty; to select everything, write `all`", text, 0)
    return _Parser(text, tokens, inner).condition()


def _refuse_long(text: str) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) > LONGEST_BYTES:
        column = len(encoded[:LONGEST_BYTES].decode("utf-8", "ignore"))
        msg = f"the condition is {len(encoded):,} bytes long; at most {LONGEST_BYTES:,} are allowed"
        raise FqlError(msg, text, column)


class _Parser:
    """One reading of one text."""

    def __init__(self, text: str, tokens: list[Token], inner: Callable[[str], Condition]) -> None:
        self._text = text
        self._tokens = tokens
        self._inner = inner
        self._at = 0
        self._depth = 0

    def condition(self) -> Node:
        """Read everything up to the end."""
        node = self._any()
        if self._next.kind is not Kind.END:
            raise self._unexpected("`and`, `or` or the end")
        return node

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    @property
    def _end(self) -> int:
        """Where the last word taken ended."""
        return self._tokens[self._at - 1].end

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _accept(self, text: str) -> bool:
        """Take the next word if it is the sign or keyword *text*."""
        if self._next.text == text and self._next.kind in {Kind.SIGN, Kind.KEYWORD}:
            self._at += 1
            return True
        return False

    def _expect(self, text: str, expected: str) -> None:
        if not self._accept(text):
            raise self._unexpected(expected)

    def _any(self) -> Node:
        return self._joined("or", self._every)

    def _every(self) -> Node:
        return self._joined("and", self._negation)

    def _joined(self, operator: OneOf["and", "or"], operand: Callable[[], Node]) -> Node:
        start = self._next.start
        operands = [operand()]
        while self._accept(operator):
            operands.append(operand())
        if len(operands) == 1:
            return operands[0]
        return Junction(start, self._end, operator, tuple(operands))

    def _negation(self) -> Node:
        token = self._next
        if not self._accept("!"):
            return self._comparison()
        self._enter(token)
        operand = self._negation()
        self._depth -= 1
        return Not(token.start, self._end, operand)

    def _comparison(self) -> Node:
        start = self._next.start
        left = self._value()
        if not self._at_operator():
            return left
        operator = cast("Operator", self._take().text)
        right = self._value()
        if self._at_operator():
            msg = "a comparison has two sides; join several with `and`, or use parentheses"
            raise FqlError(msg, self._text, self._next.start)
        return Comparison(start, self._end, operator, left, right)

    def _at_operator(self) -> bool:
        return self._next.text in _OPERATORS and self._next.kind in {Kind.SIGN, Kind.KEYWORD}

    def _value(self) -> Node:
        token = self._next
        if self._accept("("):
            return self._group(token)
        if self._accept("["):
            return self._list(token)
        if token.kind is Kind.PATH:
            return self._path_or_call(self._take())
        if token.kind in {Kind.TEXT, Kind.NUMBER} or token.text in _CONSTANTS:
            return Literal(token.start, token.end, self._scalar(self._take()))
        raise self._unexpected("a value")

    def _group(self, opened: Token) -> Node:
        self._enter(opened)
        inner = self._any()
        self._expect(")", "`)`")
        self._depth -= 1
        return Group(opened.start, self._end, inner)

    def _list(self, opened: Token) -> Node:
        items = self._values(opened, "]")
        return ListOf(opened.start, self._end, items)

    def _values(self, opened: Token, closing: str) -> tuple[Node, ...]:
        """Read values and commas up to *closing*."""
        self._enter(opened)
        items: list[Node] = []
        if not self._accept(closing):
            items.append(self._value())
            while self._accept(","):
                items.append(self._value())
            self._expect(closing, f"`,` or `{closing}`")
        self._depth -= 1
        return tuple(items)

    def _path_or_call(self, name: Token) -> Node:
        opened = self._next
        if not self._accept("("):
            return Path(name.start, name.end, segments_of(name.text))
        args = self._values(opened, ")")
        if name.text == "did":
            return DidCall(name.start, self._end, self._did(name, args))
        if name.text == "in_audience":
            return InAudience(name.start, self._end, self._audience(name, args))
        self._check_call(name, args)
        return Call(name.start, self._end, name.text, args)

    def _check_call(self, name: Token, args: tuple[Node, ...]) -> None:
        function = FUNCTIONS.get(name.text)
        if function is None:
            raise FqlError(_unknown_function(name.text), self._text, name.start)
        if len(args) != function.arity:
            msg = f"{name.text}() takes {_counted(function.arity)}, got {len(args)}"
            raise FqlError(msg, self._text, name.start)

    def _audience(self, name: Token, args: tuple[Node, ...]) -> str:
        key = text_literal(args[0]) if len(args) == 1 else None
        if not key:
            msg = "in_audience() takes the audience's key in quotes"
            raise FqlError(msg, self._text, args[0].start if args else name.start)
        return key

    def _did(self, name: Token, args: tuple[Node, ...]) -> Did:
        if not 1 <= len(args) <= 4:
            msg = 'did() takes an event, a count, a window, a condition: did("Event", 3, "7d")'
            raise FqlError(msg, self._text, name.start)
        return Did(
            event=self._did_event(args[0]),
            at_least=self._did_count(args[1]) if len(args) > 1 else 1,
            within_s=self._did_window(args[2]) if len(args) > 2 else None,
            condition=self._did_condition(args[3]) if len(args) > 3 else None,
        )

    def _did_event(self, arg: Node) -> str:
        event = text_literal(arg)
        if not event:
            raise FqlError("did() takes the event's name in quotes", self._text, arg.start)
        return event

    def _did_count(self, arg: Node) -> int:
        count = arg.value if isinstance(arg, Literal) else None
        if type(count) is int and 1 <= count <= MOST_TIMES:
            return count
        msg = f"did() counts to a whole number from 1 to {MOST_TIMES:,}"
        raise FqlError(msg, self._text, arg.start)

    def _did_window(self, arg: Node) -> float | None:
        window = arg.value if isinstance(arg, Literal) else False
        if window is None:
            return None
        if not isinstance(window, str):
            msg = 'did() takes its window in quotes, like "7d"; null means for ever'
            raise FqlError(msg, self._text, arg.start)
        try:
            seconds = parse_duration(window)
        except ValueError as error:
            raise FqlError(str(error), self._text, arg.start) from None
        if seconds == 0:
            raise FqlError("the window of did() is longer than nothing", self._text, arg.start)
        return seconds

    def _did_condition(self, arg: Node) -> Condition:
        if not isinstance(arg, Literal) or not isinstance(arg.value, str):
            raise FqlError("did() takes its condition in quotes", self._text, arg.start)
        try:
            return self._inner(arg.value)
        except FqlError as error:
            # Text has no escapes: what stands in the quotes stands in the outer text as it is.
            column = arg.start + 1 + error.column
            raise FqlError(error.message, self._text, column) from None

    def _scalar(self, token: Token) -> Scalar:
        if token.kind is Kind.TEXT:
            return token.text[1:-1]
        if token.kind is Kind.KEYWORD:
            return _CONSTANTS[token.text]
        if len(token.text) > _LONGEST_NUMBER:
            raise FqlError("this number is too long", self._text, token.start)
        return float(token.text) if "." in token.text else int(token.text)

    def _enter(self, token: Token) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            msg = f"the condition nests deeper than {DEEPEST}"
            raise FqlError(msg, self._text, token.start)

    def _unexpected(self, expected: str) -> FqlError:
        token = self._next
        before = self._tokens[self._at - 1] if self._at else None
        found = f"`{printable(token.text, 40)}`" if token.text else "the end"
        msg = _hint(token, before) or f"expected {expected}, found {found}"
        return FqlError(msg, self._text, token.start)


def _hint(token: Token, before: Token | None) -> str | None:
    """Return what to write instead, for the commonest slips."""
    if token.text in _INSTEAD:
        return f"`{token.text}` is no operator: write {_INSTEAD[token.text]}"
    if before is None:
        return None
    if before.kind is Kind.PATH and token.text == "[":
        return f"an element of a list is written like `{before.text}.0`"
    return _PAIRS.get((before.text, token.text))


def _unknown_function(name: str) -> str:
    known = [*FUNCTIONS, "did", "in_audience"]
    close = difflib.get_close_matches(name.lower()[:40], known, n=1)
    hint = f"; did you mean {close[0]}()?" if close else ""
    return f"there is no function {name[:40]}(){hint}"


def _counted(arguments: int) -> str:
    return "1 argument" if arguments == 1 else f"{arguments} arguments"
