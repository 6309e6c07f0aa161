"""A Marketing API of a few lines: jobs that take their time, contacts nobody sees yet, faults."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.support.stages import FakeLog, FixedClock, answer, plans_of

from homing.core.decide import Rules
from homing.core.effects import Dest
from homing.core.outcomes import Answer
from homing.ports import Store, Tx
from homing.stages.asking import Asker
from homing.stages.contacts import Contacts
from homing.stages.evaluate import Evaluator
from homing.stages.rate import Rate
from homing.stages.take import Taker

T = TypeVar("T")
Json: TypeAlias = dict[str, Any]

LISTS = """
[contacts]
when = 'type = "identify" and traits.email != null'
custom = { plan = "$.traits.plan" }
[list.vip]
audience = "vip"
name = "VIP"
[list.trial]
audience = "trial"
"""

LISTS_ALONE = LISTS[LISTS.index("[list.vip]") :]

OK, ERROR, THROTTLED, LOST, LOST_AFTER = "ok", "500", "429", "lost", "lost after"


class Died(BaseException):
    """The process died here."""


@dataclass(slots=True)
class Remote:
    """One contact of SendGrid's."""

    id: str
    fields: dict[str, Any]
    custom: dict[str, Any]
    seen_at: int


@dataclass(slots=True)
class Pending:
    """A job: what it does, and after how many looks."""

    work: Callable[[], None]
    looks: int
    status: str = "completed"
    url: str = ""


@dataclass(slots=True)
class FakeMarketing:
    """
    Answers like SendGrid, as far as contacts need it; also the files it points to.

    Args:
        looks: How often a job is looked at before it is done.

        unseen: How many calls later a new contact is visible.

        fates: What becomes of the next calls.

        poison: An address with which every upsert is a 500.

        page: How many lists a page has.
    """

    looks: int = 1
    unseen: int = 0
    fates: deque[str] = field(default_factory=deque)
    poison: str | None = None
    page: int = 1_000
    contacts: dict[str, Remote] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)  # name by id
    members: dict[str, set[str]] = field(default_factory=dict)
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)  # name: id, type
    jobs: dict[str, Pending] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)  # by the job
    invalid: set[str] = field(default_factory=set)  # by the call
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    override: Callable[[str, str, Any], Answer | None] = lambda *_: None
    numbers: int = 0
    called: int = 0

    def on(self, name: str) -> set[str]:
        """Who is on a list."""
        found = (self.members[key] for key, title in self.lists.items() if title == name)
        return next(found, set())

    def upserts(self) -> list[Any]:
        """The bodies of upserts."""
        return [body for method, _, body in self.calls if method == "PUT"]

    async def call(self, method: str, path: str, body: bytes | None) -> Answer:
        """Make a call."""
        await asyncio.sleep(0)
        given = None if body is None else json.loads(body)
        self.calls.append((method, path, given))
        self.called += 1
        fate = self.fates.popleft() if self.fates else OK
        if fate == ERROR:
            return answer(500, {"errors": [{"message": "internal"}]})
        if fate == THROTTLED:
            return answer(429, None, Retry_After="2")
        if fate == LOST:
            return Answer(headers_sent=False, error="refused")
        told = self.override(method, path, given) or self._answered(method, path, given)
        return Answer(headers_sent=True, error="timed out") if fate == LOST_AFTER else told

    async def fetch(
        self, url: str, into: Callable[[bytes], object], *, most_bytes: int = 1 << 30
    ) -> Answer:
        """Read a file."""
        if url not in self.files:
            return answer(403)
        into(self.files[url][:most_bytes])
        return answer(200)

    def add(self, email: str, *lists: str, **fields: object) -> Remote:
        """Have a contact on lists at once."""
        if email not in self.contacts:
            self.contacts[email] = Remote(self._number("c"), {}, {}, self.called + self.unseen)
        self.contacts[email].fields.update(fields)
        for name in lists:
            self.members[self._list(name)].add(email)
        return self.contacts[email]

    def _answered(self, method: str, path: str, body: Json) -> Answer:  # noqa: PLR0911  one a path
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        part = url.path.removeprefix("/v3/marketing/")
        if method == "PUT":
            return self._upserted(body)
        if part.startswith("contacts/imports/"):
            return self._job(part.rpartition("/")[2])
        if part == "contacts/search/emails":
            return self._searched(body["emails"])
        if part == "lists":
            return self._listed(query) if method == "GET" else self._listed_new(body["name"])
        if part == "field_definitions":
            return self._defined(method, body)
        if part.startswith("contacts/exports"):
            return self._exported(method, part.rpartition("/")[2], body)
        if method == "DELETE" and part.startswith("lists/"):
            return self._taken_off(part.split("/")[1], query["contact_ids"].split(","))
        return answer(404, {"errors": [{"message": "not found"}]})

    def _upserted(self, body: Json) -> Answer:
        emails = [row["email"] for row in body["contacts"]]
        ids = body.get("list_ids", [])
        if self.poison in emails:
            return answer(500, {"errors": [{"message": "internal"}]})
        bad = self._not_valid(emails)
        if bad is not None:
            return bad
        if any(list_id not in self.lists for list_id in ids):
            return answer(404, {"errors": [{"message": "list not found"}]})
        job = Pending(partial(self._write, body["contacts"], ids), self.looks)
        wrong = [email for email in emails if email in self.refused]
        if wrong:
            job.status, job.url = "errored", f"https://files/{len(self.files)}"
            rows = "".join(f"{email},it was refused\n" for email in wrong)
            self.files[job.url] = f"email,error_message\n{rows}".encode()
        return answer(202, {"job_id": self._begun(job)})

    def _not_valid(self, emails: Iterable[str]) -> Answer | None:
        said = [
            {"message": f"email '{email}' is not valid"}
            for email in emails
            if email in self.invalid
        ]
        return answer(400, {"errors": said}) if said else None

    def _write(self, rows: Iterable[Json], ids: Iterable[str]) -> None:
        for row in rows:
            if row["email"] in self.refused:
                continue
            known = self.add(row["email"])
            known.fields.update({k: v for k, v in row.items() if k != "custom_fields"})
            known.custom.update(row.get("custom_fields", {}))
            for list_id in ids:
                if list_id in self.members:
                    self.members[list_id].add(row["email"])

    def _job(self, number: str) -> Answer:
        job = self.jobs.get(number)
        if job is None:
            return answer(404, {"errors": [{"message": "not found"}]})
        job.looks -= 1
        if job.looks > 0:
            return answer(200, {"id": number, "status": "pending"})
        job.work()
        job.work = lambda: None
        return answer(200, {"status": job.status, "results": {"errors_url": job.url}})

    def _searched(self, emails: list[str]) -> Answer:
        assert 1 <= len(emails) <= 100
        bad = self._not_valid(emails)
        if bad is not None:
            return bad
        found = {
            email: {"contact": self._shown(email)}
            if email in self.contacts and self.contacts[email].seen_at <= self.called
            else {"error": "contact not found"}
            for email in emails
        }
        status = 200 if any("contact" in row for row in found.values()) else 404
        return answer(status, {"result": found})

    def _shown(self, email: str) -> dict[str, object]:
        on = [list_id for list_id, members in self.members.items() if email in members]
        return {"id": self.contacts[email].id, "email": email, "list_ids": on}

    def _listed(self, query: dict[str, str]) -> Answer:
        start = int(query.get("page_token", "0"))
        rows = list(self.lists.items())[start : start + self.page]
        end = start + self.page
        following = f"https://evil.example/?page_token={end}" if end < len(self.lists) else ""
        metadata = {"next": following} if following else {}
        shown = [{"id": list_id, "name": name} for list_id, name in rows]
        return answer(200, {"result": shown, "_metadata": metadata})

    def _listed_new(self, name: str) -> Answer:
        return answer(201, {"id": self._list(name), "name": name})

    def _list(self, name: str) -> str:
        found = next((key for key, title in self.lists.items() if title == name), None)
        if found is None:
            found = self._number("l")
            self.lists[found], self.members[found] = name, set()
        return found

    def _defined(self, method: str, body: Json) -> Answer:
        if method == "POST":
            if not body["name"].isidentifier():
                return answer(400, {"errors": [{"message": "invalid name"}]})
            self.fields[body["name"]] = (self._number("e"), body["field_type"])
        rows = [
            {"id": number, "name": name, "field_type": kind}
            for name, (number, kind) in self.fields.items()
        ]
        return answer(200, rows[-1] if method == "POST" else {"custom_fields": rows})

    def _taken_off(self, list_id: str, ids: Iterable[str]) -> Answer:
        if list_id not in self.lists:
            return answer(404)
        gone = {email for email, contact in self.contacts.items() if contact.id in set(ids)}

        def work() -> None:
            self.members[list_id] -= gone

        # in the order of jobs, as SendGrid's are: what was asked for before is done before
        for job in list(self.jobs.values()):
            if job.looks <= 0:
                job.work()
        work()
        return answer(202, {"job_id": self._begun(Pending(lambda: None, 1))})

    def _exported(self, method: str, number: str, body: Json) -> Answer:
        if method == "POST":
            (list_id,) = body["list_ids"]
            return answer(202, {"id": f"x{list_id}"})
        url = f"https://files/{number}/{len(self.calls)}"
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(("EMAIL", "FIRST_NAME", "CONTACT_ID"))
        for email in sorted(self.members[number.removeprefix("x")]):
            rows.writerow((email, "", self.contacts[email].id))
        self.files[url] = text.getvalue().encode()
        return answer(200, {"status": "ready", "urls": [url]})

    def _begun(self, job: Pending) -> str:
        number = self._number("j")
        self.jobs[number] = job
        return number

    def _number(self, letter: str) -> str:
        self.numbers += 1
        return f"{letter}{self.numbers}"


class FragileStore:
    """A store whose process dies at the n-th write, before it or after."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.dies_in: int | None = None
        self.dies_after = False

    async def write(self, job: Callable[[Tx], T]) -> T:
        """Run a transaction, or die."""
        if self.dies_in is None:
            return await self._store.write(job)
        self.dies_in -= 1
        if self.dies_in > 0:
            return await self._store.write(job)
        self.dies_in = None
        if self.dies_after:
            await self._store.write(job)
        raise Died


@dataclass(slots=True)
class Place:
    """A store, what is decided, and the stage of contacts before a Marketing API."""

    store: Store
    sendgrid: FakeMarketing = field(default_factory=FakeMarketing)
    clock: FixedClock = field(default_factory=FixedClock)
    extra: str = LISTS
    log: FakeLog = field(default_factory=FakeLog)
    contacts: Contacts = field(init=False)
    evaluate: Evaluator = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self, store: Store | FragileStore | None = None) -> None:
        """Start a new process over the same store."""
        plans = plans_of(self.extra)
        taker = Taker(self.clock, Rules(plans), lambda: 1)
        self.evaluate = Evaluator(self.store, self.log, self.clock, taker=taker)
        own = self.store if store is None else store
        self.contacts = Contacts(own, self.asker(), self.sendgrid, self.clock, plans)

    def configure(self, extra: str) -> None:
        """Go on by another configuration."""
        self.extra = extra
        self.evaluate.taker.rules = Rules(plans_of(extra))
        self.contacts.use(plans_of(extra))

    def asker(self) -> Asker:
        """Asks SendGrid; waiting moves the clock."""
        rate = Rate(10_000, self.clock.monotonic_s, lambda: self.clock.now_ms() / 1000)
        return Asker(self.sendgrid, rate, self.clock, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.forward(int(seconds * 1000) + 1)

    async def take(self, *events: Json) -> None:
        """Receive one request, and evaluate it."""
        self.log.append("segment/default", list(events), self.clock.now_ms())
        while await self.evaluate.evaluate_batch():
            pass

    async def turn(self, ms: int = 5_000) -> int:
        """Let time pass, and have one turn."""
        self.clock.forward(ms)
        jobs = await self.contacts.deliver_batch()
        working = self.contacts._working
        if working is not None:
            await asyncio.wait([working])
        return jobs

    async def told(self, turns: int = 400) -> int:
        """Turn until nothing is left to be told; how many turns that took."""
        for turn in range(turns):
            if not await self.is_open():
                return turn
            await self.turn()
            if self.contacts._broken is not None:
                raise self.contacts._broken
        left = await self.store.write(lambda tx: (tx.jobs.all(), tx.effects.ready(
            Dest.CONTACTS, after=0, limit=10)))  # fmt: skip
        msg = f"no end: {left} {self.sendgrid.calls[-5:]}"
        raise AssertionError(msg)

    async def is_open(self) -> bool:
        """Whether anything is left to be told."""
        return await self.store.write(
            lambda tx: bool(tx.jobs.all() or tx.effects.ready(Dest.CONTACTS, after=0, limit=1))
        )

    async def wanted(self, name: str) -> set[str]:
        """Who should be on a list."""
        rows = await self.store.write(lambda tx: tx.members.of_list(name, after="", limit=10_000))
        return {row.address for row in rows if row.wanted}

    async def dead(self) -> list[str]:
        """Why what is dead died, oldest first."""
        rows = await self.store.write(lambda tx: tx.effects.dead_newest(before=None, limit=1_000))
        return [str(row["reason"]) for row in reversed(rows)]

    async def counts(self) -> dict[str, int]:
        """The counts of contacts' effects, and of what was repeated."""
        found = await self.store.write(lambda tx: dict(tx.books.counts()))
        return {
            name.removeprefix("effects:contacts:"): n
            for name, n in found.items()
            if "contacts:" in name
        }

    async def alerts(self) -> dict[str, str]:
        """What stands, by subject."""
        return {one.subject: one.text for one in await self.store.write(
            lambda tx: tx.books.alerts())}  # fmt: skip


def identify(user: str, at: int = 1, **traits: object) -> dict[str, Any]:
    """An identify of a second."""
    return {
        "type": "identify", "userId": user, "messageId": f"i{at}-{user}-{sorted(traits.items())}",
        "timestamp": time_of(at), "traits": {"email": f"{user}@x.io", **traits},
    }  # fmt: skip


def engaged(
    user: str, at: int, *, member: object, key: str = "vip", **traits: object
) -> dict[str, Any]:
    """Engage's word of an audience."""
    personas = {"computation_class": "audience", "computation_key": key}
    return {
        "type": "identify", "userId": user, "timestamp": time_of(at),
        "messageId": f"personas_{user}{at}{key}{member}{sorted(traits.items())}",
        "context": {"personas": personas},
        "traits": {"email": f"{user}@x.io", **traits, key: member},
    }  # fmt: skip


def time_of(second: int) -> str:
    """A moment of a day before the clock's."""
    return f"2026-01-04T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
