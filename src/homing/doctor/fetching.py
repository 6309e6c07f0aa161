"""Asks the live accounts. Everything here only reads; `repair.py` is what changes something."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import orjson
from pydantic import TypeAdapter, ValidationError

from homing import __version__
from homing.adapters.plain_http import PlainHttpApi
from homing.config.values import is_loopback
from homing.core.outcomes import Answer, api_message
from homing.doctor.answers import (
    CustomField,
    Domain,
    Failed,
    FieldDefinitions,
    Got,
    Group,
    Integrations,
    Key,
    ListPage,
    Look,
    MarketingList,
    Scopes,
    Sender,
    Senders,
    SourceSettings,
    Switch,
    Template,
    Webhooks,
)
from homing.doctor.case import Facts
from homing.doctor.ways import templates_of
from homing.stages.asking import Asker, Refused, Unanswered
from homing.stages.rate import Rate

if TYPE_CHECKING:
    from homing.doctor.case import Case
    from homing.ports import Clock

T = TypeVar("T")
Question: TypeAlias = Callable[[], Awaitable[Look[Any]]]

CDN: Final = "https://cdn.segment.com"
PER_SECOND: Final = 10.0
TRIES: Final = 2
# a person waits: who is told to come back in an hour is told so
QUESTION_S: Final = 40.0
CALL_S: Final = 15.0
MAX_PAGES: Final = 200
DOMAINS_PAGE: Final = 50
SENDERS_PAGE: Final = 100
LISTS_PAGE: Final = 1_000

# nobody's id: an answer "not found" is as good as a profile
NOBODY: Final = "user_id:homing-doctor"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The APIs, each at its endpoint; None where there is nothing to ask it with."""

    sendgrid: Asker | None
    cdn: Asker | None
    profiles: Asker | None
    clock: Clock


@asynccontextmanager
async def accounts(case: Case, clock: Clock) -> AsyncIterator[Accounts]:
    """Open connections to what the configuration names."""
    segment, secrets = case.loaded.settings.segment, case.secrets
    async with AsyncExitStack() as stack:

        async def asker(base: str, authorization: str) -> Asker:
            api = PlainHttpApi(
                base, authorization=authorization,
                user_agent=f"Homing/{__version__}", total_s=CALL_S,
            )  # fmt: skip
            await stack.enter_async_context(api)
            rate = Rate(PER_SECOND, clock.monotonic_s, lambda: clock.now_ms() / 1000)
            return Asker(api, rate, clock, tries=TRIES)

        sendgrid = cdn = profiles = None
        if secrets.api_key is not None:
            endpoint = case.loaded.settings.sendgrid.endpoint
            sendgrid = await asker(endpoint, f"Bearer {secrets.api_key}")
        if secrets.write_key is not None:
            cdn = await asker(cdn_of(segment.endpoint), "")
        if secrets.profile_token is not None and segment.profiles is not None:
            token = base64.b64encode(f"{secrets.profile_token}:".encode()).decode()
            profiles = await asker(segment.profiles.endpoint, f"Basic {token}")
        yield Accounts(sendgrid, cdn, profiles, clock)


def cdn_of(endpoint: str) -> str:
    """Where a source's public settings are: at Segment's, of an emulator on loopback there."""
    return endpoint if is_loopback(urlsplit(endpoint).hostname or "") else CDN


async def fetched(case: Case, asked: Iterable[str], among: Accounts) -> Facts:
    """
    Ask what checks want to know.

    Args:
        asked: Names of fields of `Facts`; other names are no questions for an account.
    """
    wanted = set(asked)
    facts: dict[str, Any] = {}
    if "key" in wanted:
        facts["key"] = await _key(among)
    questions = {name: ask for name, ask in _questions(case, among).items() if name in wanted}
    refused = facts.get("key")
    if isinstance(refused, Failed):
        # one cause, told once, and nobody is knocked at in vain
        facts |= {name: refused for name in questions if name in _OF_SENDGRID}
        questions = {name: ask for name, ask in questions.items() if name not in _OF_SENDGRID}
    looks = await asyncio.gather(*(ask() for ask in questions.values()))
    facts |= dict(zip(questions, looks, strict=True))
    if "templates" in wanted:
        facts["templates"] = await _templates(case, among, refused)
    return Facts(**facts)


_OF_SENDGRID: Final = frozenset(
    ["senders", "domains", "groups", "webhooks", "opens", "clicks", "integrations", "fields",
     "lists"]
)  # fmt: skip


def _questions(case: Case, among: Accounts) -> Mapping[str, Question]:
    ask = among.sendgrid
    return {
        "senders": partial(_senders, ask),
        "domains": partial(_domains, ask),
        "groups": partial(_asked, ask, "/v3/asm/groups", TypeAdapter(tuple[Group, ...])),
        "webhooks": partial(webhooks_of, ask),
        "opens": partial(_asked, ask, "/v3/tracking_settings/open", TypeAdapter(Switch)),
        "clicks": partial(_asked, ask, "/v3/tracking_settings/click", TypeAdapter(Switch)),
        "integrations": partial(
            _asked, ask, "/v3/marketing/integrations", TypeAdapter(Integrations)
        ),
        "fields": partial(_fields, ask),
        "lists": partial(_lists, ask),
        "source": partial(_source, case, among),
        "profile": partial(_profile, case, among),
    }


async def webhooks_of(ask: Asker | None) -> Look[Webhooks]:
    """Every event webhook of the account."""
    return await _asked(ask, "/v3/user/webhooks/event/settings/all", TypeAdapter(Webhooks))


async def _key(among: Accounts) -> Look[Key]:
    """The scopes, and the date of the answer against our clock in its midst."""
    if among.sendgrid is None:
        return Failed(None, "there is no key to ask with")
    before = among.clock.now_ms()
    answer = await _answered(among.sendgrid, "GET", "/v3/scopes")
    if isinstance(answer, Failed):
        return answer
    now_s = (before + among.clock.now_ms()) / 2_000
    look = _read(answer, TypeAdapter(Scopes))
    if isinstance(look, Failed):
        return look
    return Got(Key(look.value.scopes, ahead_s(now_s, answer.headers.get("Date"))))


def ahead_s(now_s: float, date: str | None) -> float | None:
    """How far our clock is ahead of an answer's ``Date``, which knows whole seconds only."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    # the header cut off up to a second
    return now_s - theirs if now_s < theirs else max(0.0, now_s - theirs - 1.0)


async def _templates(case: Case, among: Accounts, key: object) -> Mapping[str, Look[Template]]:
    ids = templates_of(case.ways)
    if isinstance(key, Failed):
        return dict.fromkeys(ids, key)
    shape = TypeAdapter(Template)
    looks = await asyncio.gather(
        *(_asked(among.sendgrid, f"/v3/templates/{quote(one, safe='')}", shape) for one in ids)
    )
    return dict(zip(ids, looks, strict=True))


async def _senders(ask: Asker | None) -> Look[tuple[Sender, ...]]:
    found: list[Sender] = []
    after = 0
    for _ in range(MAX_PAGES):
        query = urlencode({"limit": SENDERS_PAGE, "lastSeenID": after})
        look = await _asked(ask, f"/v3/verified_senders?{query}", TypeAdapter(Senders))
        if isinstance(look, Failed):
            return look
        page = look.value.results
        found += page
        newest = max((sender.id for sender in page), default=after)
        if len(page) < SENDERS_PAGE or newest <= after:
            break
        after = newest
    return Got(tuple(found))


async def _domains(ask: Asker | None) -> Look[tuple[Domain, ...]]:
    found: list[Domain] = []
    for page in range(MAX_PAGES):
        query = urlencode({"limit": DOMAINS_PAGE, "offset": page * DOMAINS_PAGE})
        shape = TypeAdapter(tuple[Domain, ...])
        look = await _asked(ask, f"/v3/whitelabel/domains?{query}", shape)
        if isinstance(look, Failed):
            return look
        found += look.value
        if len(look.value) < DOMAINS_PAGE:
            break
    return Got(tuple(found))


async def _fields(ask: Asker | None) -> Look[tuple[CustomField, ...]]:
    look = await _asked(ask, "/v3/marketing/field_definitions", TypeAdapter(FieldDefinitions))
    return look if isinstance(look, Failed) else Got(look.value.custom_fields)


async def _lists(ask: Asker | None) -> Look[tuple[MarketingList, ...]]:
    found: list[MarketingList] = []
    token = ""
    for _ in range(MAX_PAGES):
        query = urlencode({"page_size": LISTS_PAGE} | ({"page_token": token} if token else {}))
        look = await _asked(ask, f"/v3/marketing/lists?{query}", TypeAdapter(ListPage))
        if isinstance(look, Failed):
            return look
        found += look.value.result
        # only the token is taken of the URL: where to ask is ours to say
        query_text = look.value.metadata.next.partition("?")[2]
        tokens = parse_qs(query_text).get("page_token", [])
        if not tokens or tokens[0] == token:
            break
        token = tokens[0]
    return Got(tuple(found))


async def _source(case: Case, among: Accounts) -> Look[SourceSettings]:
    key = quote(case.secrets.write_key or "", safe="")
    shape = TypeAdapter(SourceSettings)
    look = await _asked(among.cdn, f"/v1/projects/{key}/settings", shape)
    # the key is part of the path, and must not be part of what is said of it
    return Failed(look.status, look.said.replace(key, "…")) if isinstance(look, Failed) else look


async def _profile(case: Case, among: Accounts) -> Look[None]:
    """A look-up of nobody: the token is judged before anything is looked for."""
    profiles = case.loaded.settings.segment.profiles
    if profiles is None or among.profiles is None:
        return Failed(None, "there is no token to ask with")
    space = quote(profiles.space, safe="")
    path = f"/v1/spaces/{space}/collections/users/profiles/{quote(NOBODY, safe=':')}/traits?limit=1"
    answer = await _answered(among.profiles, "GET", path)
    if isinstance(answer, Failed):
        return answer
    status, said = answer.status or 0, api_message(answer.body)
    # a space that is not there is answered like a profile that is not; some answers tell
    if 200 <= status < 300 or (status == 404 and "space" not in said.lower()):
        return Got(None)
    return Failed(status, said or f"HTTP {status}")


async def _asked(ask: Asker | None, path: str, shape: TypeAdapter[T]) -> Look[T]:
    if ask is None:
        return Failed(None, "there is no key to ask with")
    answer = await _answered(ask, "GET", path)
    return answer if isinstance(answer, Failed) else _read(answer, shape)


async def _answered(ask: Asker, method: str, path: str) -> Answer | Failed:
    try:
        async with asyncio.timeout(QUESTION_S):
            return await ask.ask(method, path)
    except TimeoutError:
        return Failed(None, f"no answer in {QUESTION_S:.0f} s; it may be limiting our rate")
    except Unanswered as error:
        return Failed(None, str(error))


def _read(answer: Answer, shape: TypeAdapter[T]) -> Look[T]:
    status = answer.status or 0
    if not 200 <= status < 300:
        return Failed(status, api_message(answer.body) or f"HTTP {status}")
    try:
        return Got(shape.validate_python(orjson.loads(answer.body)))
    except (orjson.JSONDecodeError, ValidationError, RecursionError):
        return Failed(None, "the answer is not what SendGrid and Segment document")


async def changed(ask: Asker, method: str, path: str, *, body: object, shape: type[T]) -> Look[T]:
    """Change something of the account, and read the answer."""
    try:
        async with asyncio.timeout(QUESTION_S):
            value = await ask.json(method, path, body)
        return Got(TypeAdapter(shape).validate_python(value))
    except TimeoutError:
        return Failed(None, f"no answer in {QUESTION_S:.0f} s")
    except Unanswered as error:
        return Failed(None, str(error))
    except Refused as error:
        return Failed(error.status, error.said or str(error))
    except ValidationError:
        return Failed(None, "the answer is not what SendGrid documents")
