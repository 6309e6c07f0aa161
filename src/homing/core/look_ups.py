"""
What an email needs of its person and nobody has told: traits to ask Segment's Profile API for.

Needed are the traits that mappings read (``profile.KEY``), the address where none is known, and of
an email that Homing renders from traits and properties alone the variables of its templates. What
an event wrote, or cleared, is known and is not asked for.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from homing.core.effects import WantSend
    from homing.core.mapping import Compiled
    from homing.core.people import Person
    from homing.core.plans import Email

MAX_KEYS: Final = 200
"""So many traits Segment gives at once."""

_PROFILE: Final = "profile."
_EMAIL: Final = ("email",)
_PLAIN: Final = frozenset(string.ascii_letters + string.digits)


@dataclass(frozen=True, slots=True)
class Lacking:
    """The traits that are not known: *of_address* may change where a send goes."""

    of_address: tuple[str, ...] = ()
    of_data: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """All of them, each once, as many as can be asked for."""
        return tuple(dict.fromkeys((*self.of_address, *self.of_data)))[:MAX_KEYS]


NOTHING: Final = Lacking()


def lacking(
    want: WantSend, email: Email, person: Person, *, address: str | None, absent: Iterable[str] = ()
) -> Lacking:
    """
    List the traits that a send needs and its person lacks.

    Args:
        address: Where it would go as things are.

        absent: The variables of the email's own templates that its data lacks.
    """
    to = want.to or email.to
    of_address = _read_by(to) if to is not None else () if address is not None else _EMAIL
    of_data = (*_read_by(email.data), *_read_by(want.data), *absent)
    return Lacking(_unknown(of_address, person), _unknown(of_data, person))


def absent_of(variables: Iterable[str], data: Mapping[str, object]) -> tuple[str, ...]:
    """The traits that would stand in a template for variables that its data lacks."""
    names = (variable.partition(".")[0] for variable in variables)
    return tuple(name for name in dict.fromkeys(names) if name not in data)


def profile_of(person: Person) -> tuple[str, str] | None:
    """
    The type and value of the id by which Segment is asked for a person.

    None of somebody who is but an address: it would stand in the access logs on the way.

    Source: Segment docs, "Profile API", best practices.
    """
    if person.user_id:
        return "user_id", person.user_id
    return ("anonymous_id", person.anonymous_id) if person.anonymous_id else None


def traits_path(space: str, profile: tuple[str, str], keys: Iterable[str]) -> str:
    """
    The path of one question for traits, encoded.

    Ids are stored lower-cased; all but letters and digits has to be percent-encoded.

    Source: Segment docs, "Profile API", "Query a user's traits".
    """
    kind, value = profile
    include = ",".join(map(_encoded, keys))
    who = f"{kind}:{_encoded(value.lower())}"
    place = f"/v1/spaces/{_encoded(space, also='_-')}/collections/users/profiles/{who}/traits"
    return f"{place}?include={include}&limit={MAX_KEYS}"


@lru_cache(maxsize=4_096)
def _read_by(compiled: Compiled | None) -> tuple[str, ...]:
    """The traits that a mapping is known to read."""
    paths = () if compiled is None else sorted(compiled.paths)
    inner = (path.removeprefix(_PROFILE) for path in paths if path.startswith(_PROFILE))
    return tuple(dict.fromkeys(path.partition(".")[0] for path in inner))


def _unknown(keys: Iterable[str], person: Person) -> tuple[str, ...]:
    """A comma parts the names in a question: a trait with one in its name cannot be asked for."""
    return tuple(
        key
        for key in dict.fromkeys(keys)
        if key and "," not in key and key not in person.traits and key not in person.trait_at
    )


def _encoded(text: str, also: str = "") -> str:
    return "".join(char if char in _PLAIN or char in also else _percent(char) for char in text)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))
