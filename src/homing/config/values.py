"""
The kinds of value a key may have, each with the words that say what was expected.

A kind is an ``Annotated`` type with one `Expect`; its function takes the value as the TOML gave it
and raises `Unfit` for a value that does not fit, or any other ``ValueError`` when there is nothing
to add to the words.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from homing.config.problems import guess
from homing.config.secrets import SecretRef
from homing.core.durations import parse_duration
from homing.core.journeys.moments import known_zones
from homing.core.plans import Address

T = TypeVar("T")
Rows: TypeAlias = Annotated[tuple[T, ...], Field(strict=False)]
"""A list of T; TOML's list is taken for the tuple."""

MAX_NAMED_ADDRESS_CHARS = 512

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,72}", re.ASCII)
_SIZE = re.compile(r"(\d{1,15}) ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?", re.ASCII)
_SIZE_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_SIZE_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", re.ASCII)
_NAMED_ADDRESS = re.compile(r'\s*(?:"([^"\\<>]*)"|([^"<>@]*?))\s*<([^<>\s]+)>\s*')
# Nearly every address there is. What does not match is read by `homing.core.addresses`.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?=.{1,63}[.])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\."
_PLAIN_ADDRESS = re.compile(
    rf"(?=.{{1,64}}@)(?=.{{3,254}}\Z){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL})+[A-Za-z]{{2,63}}", re.ASCII
)
_TEMPLATE = re.compile(r"d-[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_LEGACY_TEMPLATE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_PUBLIC_KEY = re.compile(
    r"(?:-----BEGIN PUBLIC KEY-----)?[A-Za-z0-9+/=\s]{80,}(?:-----END PUBLIC KEY-----\s*)?"
)


class Unfit(ValueError):
    """A value does not fit, for the reason in the message; empty when the words say enough."""


@dataclass(frozen=True, slots=True)
class Expect:
    """
    Read a value with *parse*, and say *what* was expected when it does not fit.

    *hidden* values are never written into a message. *as_json* writes the parsed value in
    ``model_dump_json``.
    """

    what: str
    parse: Callable[[Any], object]
    hidden: bool = False
    as_json: Callable[[Any], str] | None = None

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = self.as_json and core_schema.plain_serializer_function_ser_schema(self.as_json)
        return core_schema.no_info_plain_validator_function(self._fit, serialization=text)

    def _fit(self, value: object) -> object:
        try:
            return self.parse(value)
        except ValueError as error:
            why = str(error) if isinstance(error, Unfit) else ""
            context = {"what": self.what, "why": why, "hidden": self.hidden}
            raise PydanticCustomError("expected", "{what}", context) from None


def _text_of(value: object) -> str:
    if not isinstance(value, str):
        raise Unfit
    return value


def text(what: str, *, longest: int, pattern: re.Pattern[str] | None = None) -> Expect:
    """Expect printable text of 1 to *longest* characters that matches *pattern* as a whole."""

    def parse(value: object) -> str:
        found = _text_of(value)
        if not found or not found.isprintable():
            raise Unfit
        if len(found) > longest:
            msg = f"longer than {longest} characters"
            raise Unfit(msg)
        if pattern and not pattern.fullmatch(found):
            raise Unfit
        return found

    return Expect(what, parse)


def choice(*options: str) -> Expect:
    """Expect one of *options*."""

    def parse(value: object) -> str:
        found = _text_of(value)
        if found not in options:
            raise Unfit(guess(found, options).removeprefix(", "))
        return found

    names = [f'"{option}"' for option in options]
    return Expect(" or ".join(filter(None, [", ".join(names[:-1]), names[-1]])), parse)


def whole(least: int, most: int, *, what: str = "") -> Expect:
    """Expect a whole number from *least* to *most*."""

    def parse(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Unfit
        return value

    return Expect(what or f"a whole number from {least} to {most:,}", parse)


def number(what: str, *, most: float) -> Expect:
    """Expect a number over 0 and up to *most*."""

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            raise Unfit
        return float(value)

    return Expect(what, parse)


def _duration(value: object) -> float:
    seconds = parse_duration(_text_of(value))
    if not seconds:
        msg = "it must be longer than nothing"
        raise Unfit(msg)
    return seconds


def _offset(value: object) -> float:
    return parse_duration(_text_of(value), signed=True)


def _size(value: object) -> int:
    match = _SIZE.fullmatch(f"{value}" if type(value) is int else _text_of(value))
    size = int(match[1]) * _SIZE_UNITS[(match[2] or "B").upper()] if match else 0
    if not 0 < size <= 2**30:
        msg = "from 1 byte to 1 GiB" if match else ""
        raise Unfit(msg)
    return size


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a listener is bound: a host name or address (IPv6 without brackets) and a port."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Tell whether *host*, a name or an address, is this machine itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(value: object) -> Listen:
    match = _LISTEN.fullmatch(_text_of(value))
    if match is None or int(match[3]) > 65_535:
        raise Unfit
    if match[1]:
        return Listen(str(ip_address(match[1])), int(match[3]))
    return Listen(match[2], int(match[3]))


def _url(value: object) -> str:
    found = _text_of(value)
    parts = urlsplit(found)
    if not found.isascii() or not found.isprintable() or " " in found or not parts.hostname:
        raise Unfit
    if parts.port == 0 or parts.username is not None or parts.query or parts.fragment:
        msg = "only scheme, host, port and path"
        raise Unfit(msg)
    if parts.scheme not in {"https", "http"}:
        raise Unfit
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        msg = "http is for loopback only"
        raise Unfit(msg)
    return found.rstrip("/")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """Which database: *target* is a path (``sqlite``), or a whole URL (``postgresql``)."""

    scheme: Literal["sqlite", "postgresql"]
    target: str


def _store_url(value: object) -> StoreUrl:
    found = _text_of(value)
    scheme, _, target = found.partition(":")
    if not target.isprintable() or target in {"", ":memory:"}:
        raise Unfit
    if scheme == "sqlite" and not target.startswith("//"):
        return StoreUrl("sqlite", target)
    if scheme == "postgresql" and target.startswith("//"):
        if urlsplit(found).password is not None:
            msg = "a password does not belong in the file; use PGPASSFILE"
            raise Unfit(msg)
        return StoreUrl("postgresql", found)
    raise Unfit


def _address(value: object) -> Address:
    found = _text_of(value)
    if len(found) > MAX_NAMED_ADDRESS_CHARS or not found.isprintable():
        raise Unfit
    match = _NAMED_ADDRESS.fullmatch(found)
    name = ((match[1] or match[2] or "").strip() or None) if match else None
    email = match[3] if match else found.strip()
    return Address(email if _PLAIN_ADDRESS.fullmatch(email) else _unusual_email(email), name)


def _unusual_email(email: str) -> str:
    from homing.core.addresses import ascii_form, refusal_of  # noqa: PLC0415 - 40 ms, seldom needed

    if refusal_of(email) is not None:
        raise Unfit
    return ascii_form(email)


def _template(value: object) -> str:
    found = _text_of(value)
    if _LEGACY_TEMPLATE.fullmatch(found):
        msg = "a legacy template takes no dynamic data"
        raise Unfit(msg)
    if not _TEMPLATE.fullmatch(found):
        raise Unfit
    return found


def _clock(value: object) -> dt.time:
    match = _CLOCK.fullmatch(_text_of(value))
    if match is None:
        raise Unfit
    return dt.time(int(match[1]), int(match[2]))


def _zone(value: object) -> str:
    found = _text_of(value)
    if found != "UTC" and found not in known_zones():
        raise Unfit
    return found


def zone_or_path(value: object) -> str:
    """Read the name of a time zone, or a path into the event that leads to one."""
    return value if isinstance(value, str) and value.startswith("$.") else _zone(value)


def _secret(value: object) -> SecretRef:
    if not isinstance(value, SecretRef):
        literal = isinstance(value, str) and not value.startswith("${")
        msg = "a secret does not belong in the file" if literal else ""
        raise Unfit(msg)
    return value


def _public_key(value: object) -> SecretRef:
    # Unlike a secret it may stand in the file: it only tells who signed.
    if isinstance(value, str) and _PUBLIC_KEY.fullmatch(value):
        return SecretRef("literal", value.strip())
    return _secret(value)


def _alert_url(value: object) -> SecretRef:
    return value if isinstance(value, SecretRef) else SecretRef("literal", _url(value))


def _reference_text(ref: SecretRef) -> str:
    return ref.reference


_AS_REFERENCE = 'a reference like "${NAME}", "${file:/path}" or "${credential:name}"'

Duration = Annotated[float, Expect('a duration like "2h"', _duration)]
Offset = Annotated[float, Expect('a duration like "-1h" or "2h"', _offset)]
Size = Annotated[int, Expect('a size like "8MiB"', _size)]
ListenAddress = Annotated[Listen, Expect('an address like "127.0.0.1:8400"', _listen, as_json=str)]
Url = Annotated[str, Expect('a URL like "https://api.sendgrid.com"', _url)]
Store = Annotated[
    StoreUrl,
    Expect('"sqlite:FILE" or "postgresql://…"', _store_url, as_json=lambda url: url.scheme),
]
EmailAddress = Annotated[Address, Expect('an address like "Acme <hello@acme.example>"', _address)]
Secret = Annotated[SecretRef, Expect(_AS_REFERENCE, _secret, hidden=True, as_json=_reference_text)]
PublicKey = Annotated[
    SecretRef,
    Expect(f"{_AS_REFERENCE}, or a public key", _public_key, hidden=True, as_json=_reference_text),
]
AlertUrl = Annotated[
    SecretRef,
    Expect(f"a URL, or {_AS_REFERENCE}", _alert_url, hidden=True, as_json=_reference_text),
]

Name = Annotated[str, text("a name of letters, digits, - and _", longest=73, pattern=NAME)]
Label = Annotated[str, text("a name without dots", longest=73, pattern=re.compile(r"[^.]+"))]
Words = Annotated[str, text("text", longest=1_000)]
EventName = Annotated[str, text("an event's name", longest=255)]
AudienceKey = Annotated[str, text("an audience's key", longest=255)]
Template = Annotated[str, Expect('a template id like "d-" and 32 hex digits', _template)]
ClockTime = Annotated[dt.time, Expect('a time of day like "21:00"', _clock)]
Zone = Annotated[str, Expect('a time zone like "Europe/Berlin"', _zone)]
Weekday = Annotated[str, choice("mon", "tue", "wed", "thu", "fri", "sat", "sun")]
Rate = Annotated[float, number("a number of calls per second", most=10_000)]
Share = Annotated[float, number("a share over 0 and up to 1", most=1)]
Priority = Annotated[int, whole(-1_000_000, 1_000_000)]
