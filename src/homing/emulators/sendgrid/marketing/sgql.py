"""
A small part of SGQL, the query language of contacts: what searches by API need.

``email = 'a@b.co'``, ``IN ('…', …)``, ``LIKE 'a%'``, ``!=``, ``lower(…)``,
``CONTAINS(list_ids, '…')``, ``AND``, ``OR``, ``NOT`` and parentheses. A quote
within a text is written twice.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from homing.emulators.sendgrid.marketing.contacts import IDENTIFIERS, TEXTS, Contact

MOST_CHARS: Final = 50_000
MOST_DEEP: Final = 50

#: What a query finds out about one contact.
Predicate: TypeAlias = Callable[[Contact], bool]


class BadQuery(Exception):
    """A text that is no query, in SendGrid's words."""


@dataclass(frozen=True, slots=True)
class Query:
    """
    A query that was read.

    Args:
        matches: Tells whether a contact is meant.

        emails: The only addresses that can be meant; None if any can.

        list_id: The only list whose members can be meant; None if anybody can.
    """

    matches: Predicate
    emails: frozenset[str] | None = None
    list_id: str | None = None

    def negated(self) -> "Query":
        """Mean everybody else."""
        return Query(lambda contact: not self.matches(contact))


def all_of(queries: Sequence[Query]) -> Query:
    """Mean what every one of some queries means."""
    if len(queries) == 1:
        return queries[0]
    known = [query.emails for query in queries if query.emails is not None]
    return Query(
        lambda contact: all(query.matches(contact) for query in queries),
        frozenset.intersection(*known) if known else None,
        next((query.list_id for query in queries if query.list_id is not None), None),
    )


def any_of(queries: Sequence[Query]) -> Query:
    """Mean what at least one of some queries means."""
    if len(queries) == 1:
        return queries[0]
    known = [query.emails for query in queries if query.emails is not None]
    lists = {query.list_id for query in queries}
    return Query(
        lambda contact: any(query.matches(contact) for query in queries),
        frozenset().union(*known) if len(known) == len(queries) else None,
        lists.pop() if len(lists) == 1 else None,
    )


def read_query(text: str) -> Query:
    """
    Read a query.

    Raises:
        BadQuery: Says what is wrong, and where.
    """
    if len(text) > MOST_CHARS:
        msg = f"a query has at most {MOST_CHARS} characters"
        raise BadQuery(msg)
    reader = _Reader(_tokens(text))
    query = reader.either(0)
    reader.expect("")
    return query


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of a query; `word` is in lower case, and empty for a text and at the end."""

    word: str
    text: str
    is_text: bool
    at: int


_TOKEN: Final = re.compile(
    r"\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<word>[A-Za-z_][A-Za-z0-9_.]*|!=|<>|[=(),]))"
)
_FIELDS: Final = frozenset({*IDENTIFIERS, *TEXTS, "contact_id"})


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            msg = f"syntax error at position {at}"
            raise BadQuery(msg)
        quoted, word = found["text"], found["word"] or ""
        tokens.append(
            _Token(word.lower(), (quoted or "").replace("''", "'"), quoted is not None, at)
        )
        at = found.end()
    tokens.append(_Token("", "", is_text=False, at=len(text)))
    return tokens


class _Reader:
    """A recursive descent over the tokens; every method reads one rule of the grammar."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def either(self, depth: int) -> Query:
        queries = [self._both(depth)]
        while self._took("or"):
            queries.append(self._both(depth))
        return any_of(queries)

    def expect(self, word: str) -> None:
        if self._token.is_text or self._token.word != word:
            raise self._error()
        self._next += 1

    @property
    def _token(self) -> _Token:
        return self._tokens[min(self._next, len(self._tokens) - 1)]

    def _both(self, depth: int) -> Query:
        queries = [self._one(depth)]
        while self._took("and"):
            queries.append(self._one(depth))
        return all_of(queries)

    def _one(self, depth: int) -> Query:
        if depth > MOST_DEEP:
            msg = "the query is nested too deeply"
            raise BadQuery(msg)
        if self._took("not"):
            return self._one(depth + 1).negated()
        if self._took("("):
            query = self.either(depth + 1)
            self.expect(")")
            return query
        return self._contains() if self._took("contains") else self._comparison()

    def _contains(self) -> Query:
        self.expect("(")
        self.expect("list_ids")
        self.expect(",")
        list_id = self._text()
        self.expect(")")
        return Query(lambda contact: list_id in contact.lists, list_id=list_id)

    def _comparison(self) -> Query:
        name, folded = self._operand()
        if self._took("in"):
            return _in(name, self._texts(), folded=folded)
        if self._took("like"):
            return _like(name, self._text(), folded=folded)
        if self._took("="):
            return _in(name, frozenset({self._text()}), folded=folded)
        if self._took("!=") or self._took("<>"):
            return _in(name, frozenset({self._text()}), folded=folded).negated()
        raise self._error()

    def _operand(self) -> tuple[str, bool]:
        folded = self._took("lower")
        if folded:
            self.expect("(")
        name = self._token.word
        if name not in _FIELDS:
            raise self._error()
        self._next += 1
        if folded:
            self.expect(")")
        return name, folded

    def _texts(self) -> frozenset[str]:
        self.expect("(")
        texts = {self._text()}
        while self._took(","):
            texts.add(self._text())
        self.expect(")")
        return frozenset(texts)

    def _text(self) -> str:
        token = self._token
        if not token.is_text:
            raise self._error()
        self._next += 1
        return token.text

    def _took(self, word: str) -> bool:
        took = not self._token.is_text and self._token.word == word
        self._next += took
        return took

    def _error(self) -> BadQuery:
        return BadQuery(f"syntax error at position {self._token.at}")


def _in(name: str, texts: frozenset[str], *, folded: bool) -> Query:
    value = _value_of(name, folded=folded)
    # Addresses are kept in lower case: one written otherwise finds nobody.
    return Query(lambda contact: value(contact) in texts, emails=texts if name == "email" else None)


def _like(name: str, pattern: str, *, folded: bool) -> Query:
    value = _value_of(name, folded=folded)
    first, *others = pattern.split("%")
    if not others:
        return Query(lambda contact: value(contact) == first)
    return Query(lambda contact: _is_like(value(contact), first, others))


def _is_like(text: str, first: str, others: Sequence[str]) -> bool:
    """Look for the parts between the wildcards one by one: never back, so never long."""
    *middle, last = others
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - at >= len(last) and text.endswith(last)


def _value_of(name: str, *, folded: bool) -> Callable[[Contact], str]:
    def value(contact: Contact) -> str:
        fields: Mapping[str, Any] = contact.fields
        text = contact.id if name == "contact_id" else str(fields.get(name, ""))
        return text.lower() if folded else text

    return value
