"""
Erasures: who is forgotten, how far it came, and how to tell that bytes still name somebody.

Nothing here decides whether a person is to be erased: that is asked by Segment's ``delete`` or by
``homing erase``. Source: design 7, 12.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from homing.core.people import Identity, IdKind

if TYPE_CHECKING:
    from homing.core.splitting import Element

# fields that hold an id of somebody: Segment's, and those of our custom arguments
ID_FIELDS: Final = frozenset(
    {"userId", "anonymousId", "previousId", "user_id", "anonymous_id", "homing_user"}
)
_RUN: Final = re.compile(r"[a-z0-9]+")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


class Asked(StrEnum):
    """What asked for an erasure."""

    SEGMENT = "segment"  # a `delete` event
    COMMAND = "command"  # `homing erase`
    RESTORE = "restore"  # the journal, of a store older than the erasure


class Progress(StrEnum):
    """Whether an erasure is over."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


class Step(StrEnum):
    """What was done for an erasure, in the order in which it comes."""

    ASKED = "asked"
    LOCAL = "local"  # the store's rows are gone, what was to leave is cancelled
    SEARCHED = "searched"  # the log was read through for what no row leads to
    LOG = "log"  # the log's bytes are gone from its file
    CONTACTS = "contacts"  # SendGrid was told to delete contacts
    ERASE_JOB = "erase_job"  # SendGrid was told to erase what it keeps of mail
    SENDGRID = "sendgrid"  # nothing is left to be told to SendGrid
    FAILED = "failed"
    DONE = "done"  # and no trace is left in the files


class Entry(msgspec.Struct, frozen=True):
    """
    A line of the journal of erasures, which is kept beside the state file.

    ``keys`` are keyed hashes of names, as ``KIND:HEX``; what was received up to *at* (unix ms), in
    requests before *request*, is theirs; ``whole`` as `NewErasure`.
    """

    id: str
    at: int
    request: int
    keys: tuple[str, ...]
    whole: bool = False


class NewErasure(msgspec.Struct, frozen=True):
    """
    An erasure about to be carried out.

    ``names`` are all names of those who go, to be looked for in the log, ``people`` their numbers.
    What came before element *item* of *request* is theirs. ``entry`` is the journal's line, of one
    that is carried out again.
    """

    at: int
    by: Asked
    names: tuple[Identity, ...]
    people: tuple[int, ...]
    request: int
    item: int
    whole: bool = False  # everybody at the addresses is meant
    entry: Entry | None = None


class Erasure(msgspec.Struct, frozen=True):
    """
    An erasure as it is kept: nothing in it tells of whom.

    ``people`` are numbers that are nobody's any more; ``request`` and ``item`` as `NewErasure`.
    """

    number: int
    at: int
    by: Asked
    progress: Progress
    people: tuple[int, ...]
    request: int
    item: int

    @property
    def lanes(self) -> tuple[int, ...]:
        """In whose lanes SendGrid is told of it; of nobody known it has one of its own."""
        return self.people or (-self.number,)

    def is_before(self, request: int, item: int, received_ms: int) -> bool:
        """
        Whether an element of the log came before it.

        Of one carried out again the number is from a log that is no more: the time counts, too.
        """
        is_old = self.by is not Asked.RESTORE or received_ms <= self.at
        return is_old and (request, item) < (self.request, self.item)


class Done(msgspec.Struct, frozen=True):
    """One step of an erasure: when, and how much; counts and words, never a name."""

    step: Step
    at: int
    detail: Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody's names, to be looked for in bytes; see `wanted`."""

    ids: frozenset[str]
    runs: tuple[tuple[bytes, ...], ...]
    address: re.Pattern[str] | None

    def may_be_in(self, lowered: bytes) -> bool:
        """Whether bytes in lower case may name them: quick, and never wrong when it says no."""
        # letters and digits stand as they are in whatever way the rest is escaped
        return any(all(run in lowered for run in runs) for runs in self.runs)

    def are_named_in(self, element: Element) -> bool:
        """Whether an element is theirs, or names them and is nobody else's."""
        data = element.data
        if element.reason is not None and not data:
            return self._are_in_text(element.raw.decode("utf-8", "replace"))
        user, anonymous = data.get("userId"), data.get("anonymousId")
        if user in self.ids or anonymous in self.ids:
            return True
        if isinstance(user, str) and user:
            return False
        return any(self._says(field, text) for field, text in _texts(data))

    def _says(self, field: str | None, text: str) -> bool:
        return (field in ID_FIELDS and text in self.ids) or self._holds_address(text)

    def _holds_address(self, text: str) -> bool:
        if self.address is None:
            return False
        lowered = text.lower()
        if self.address.search(lowered):
            return True
        return "%" in lowered and self.address.search(unquote(lowered).lower()) is not None

    def _are_in_text(self, raw: str) -> bool:
        """The same of what is no JSON: an id counts where it stands in quotes."""
        text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), raw).replace('\\"', '"')
        return self._holds_address(text) or any(f'"{one}"' in text for one in self.ids)


def wanted(names: Iterable[Identity]) -> Wanted:
    """What to look for so that somebody who goes by *names* is found."""
    kept = tuple(names)
    ids = frozenset(name.value for name in kept if name.kind is not IdKind.EMAIL)
    # an id may be an address
    addresses = {name.value.lower() for name in kept if "@" in name.value}
    whole = "|".join(re.escape(address) for address in sorted(addresses))
    pattern = re.compile(rf"(?<![\w.+%-])(?:{whole})(?![\w-]|\.\w)") if addresses else None
    marks = {tuple(_runs_in(name.value)) for name in kept}
    return Wanted(ids, tuple(sorted(marks)), pattern)


def _runs_in(name: str) -> Iterator[bytes]:
    # the one capital whose small letter is ASCII and something: in bytes it is neither
    plain = name.replace("İ", " ").lower().replace("i\u0307", " ")
    return (run.encode() for run in _RUN.findall(plain))


def pattern_of(names: Iterable[str]) -> re.Pattern[str] | None:
    """What finds *names* in texts, in whatever case; not very short ones, which may be any word."""
    kept = sorted((re.escape(name) for name in names if len(name) > 3), key=len, reverse=True)
    return re.compile("|".join(kept), re.IGNORECASE) if kept else None


def struck(text: str, names: re.Pattern[str] | None) -> str:
    """*text* without *names*."""
    return text if names is None else names.sub("…", text)


def _texts(data: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Every text of an event with the field it stands in; a field's name is a text, too."""
    left: list[tuple[str | None, object]] = [(None, data)]
    while left:
        field, value = left.pop()
        if isinstance(value, str):
            yield field, value
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                yield None, key
                left.append((key, inner))
        elif isinstance(value, list):
            left += [(field, inner) for inner in value]
