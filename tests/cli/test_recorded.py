"""What a store tells of a configuration: over events that this file makes up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from homing.adapters.sqlite.state import scratch
from homing.adapters.sqlite.tx import SqliteTx
from homing.cli import recorded
from homing.config import load
from homing.core.effects import EventState
from homing.core.people import Identity, IdKind
from homing.ports import EventRow, Request

CONFIG = f"""
[sendgrid]
mode = "capture"
from = "a@acme.example"
[email.hello]
template = "d-{"0" * 32}"
[email.elsewhere]
template = "d-{"0" * 32}"
to = "$.properties.mail"
[email.profiled]
template = "d-{"0" * 32}"
to = "$.profile.mail"
"""
JOURNEY = """
[journey.cart]
entry = { when = 'event = "Added"', key = "$.properties.cart" }
exit = [{ name = "bought", when = 'event = "Bought"' }]
goal = { when = 'event = "Bought"', key = false }
step = [{ id = "wait", hold = "1h", on = [{ name = "left", when = 'event = "Left"', key = "$.properties.basket", then = "end" }] }]
"""  # noqa: E501 - one table


@dataclass
class Log:
    """A log of whole requests, and the rows of their events."""

    tx: SqliteTx
    bodies: list[bytes] = field(default_factory=list)
    rows: int = 0

    def add(self, *events: Mapping[str, object], source: str = "segment/default") -> None:
        """Take in a request of these events."""
        self.bodies.append(json.dumps(events).encode())
        for item, event in enumerate(events):
            self.rows += 1
            kind, name = event.get("type"), event.get("event")
            named = (kind and str(kind), name and str(name))
            place = (self.rows, len(self.bodies), item, source)
            unknown = (None, None, None)  # messageId, person, send
            self.tx.events.add(EventRow(*place, *named, *unknown, 0, 0, EventState.DONE))

    def request(self, seq: int) -> Request | None:
        """One request."""
        return Request(seq, 0, "segment/default", self.bodies[seq - 1])

    def head(self) -> int:
        """The newest."""
        return len(self.bodies)

    def after(self, seq: int, *, limit: int, max_bytes: int) -> list[Request]:
        """Those that follow."""
        raise NotImplementedError


def track(name: str, **properties: object) -> dict[str, object]:
    """A track call without an address."""
    return {"type": "track", "event": name, "userId": "u", "properties": properties}


@pytest.fixture
def log() -> Iterator[Log]:
    """An empty store and its log."""
    with scratch() as tx:
        yield Log(tx)


def said(folder: Path, log: Log, text: str) -> dict[str, str]:
    """What is found, by key, but for names that never came."""
    path = folder / "homing.toml"
    path.write_text(CONFIG + text)
    loaded = load(path, environ={})
    problems = loaded.placed(list(recorded.findings_of(loaded, log.tx, log)))
    return {one.key: one.message for one in problems if "never came" not in one.message}


class TestKeys:
    def test_a_key_that_no_event_holds(self, tmp_path: Path, log: Log) -> None:
        """Of every part of a journey, by what it asks for; not where every run is meant."""
        log.add(track("Added", cart=""), track("Added"), track("Bought", cart={}))
        log.add(track("Left", cart="c1"))

        found = said(tmp_path, log, JOURNEY)

        newest = "not in the newest event it is for"
        lacking = {
            "entry": ("cart", "not in any of the newest 2 events it is for"),
            "exit.bought": ("cart", newest),
            "step.wait.on.left": ("basket", newest),
        }
        assert {
            f"journey.cart.{place}.key": f"`journey.cart.{place}.key` needs a value at"
            f' "$.properties.{key}": {where}'
            for place, (key, where) in lacking.items()
        } == found

    def test_one_event_that_holds_it_is_enough(self, tmp_path: Path, log: Log) -> None:
        """Numbers are keys too; several events of one request are told apart."""
        log.add(track("Added"), track("Added", cart=7), track("Bought", cart="c"))
        log.add(track("Left", basket=0))

        assert {} == said(tmp_path, log, JOURNEY)

    def test_events_that_never_came_are_not_asked_of(self, tmp_path: Path, log: Log) -> None:
        """Nothing is known of what they hold; SendGrid's hold no key of Segment's."""
        log.add(track("Other"))
        log.add({"event": "Added", "type": "track"}, source="sendgrid/default")

        assert {} == said(tmp_path, log, JOURNEY)

    def test_only_the_newest_are_asked(self, tmp_path: Path, log: Log) -> None:
        """A key that is not sent any more is none."""
        log.add(track("Added", cart=1))
        log.add(*[track("Added")] * recorded.SAMPLE)

        (message,) = said(tmp_path, log, JOURNEY).values()

        assert f"not in any of the newest {recorded.SAMPLE} events" in message

    def test_a_damaged_log_is_no_fault_of_the_configuration(self, tmp_path: Path, log: Log) -> None:
        """What is not there is not asked."""
        log.add(track("Added"), track("Added"))
        log.bodies[0] = b"{"

        assert {} == said(tmp_path, log, JOURNEY)


ROUTES = """
[route.hello]
when = 'event = "Hello"'
send = "hello"
[route.elsewhere]
when = 'event = "Hello"'
send = "elsewhere"
[route.own]
when = 'event = "Hello"'
send = { email = "elsewhere", to = "x@y.example" }
[route.profiled]
when = 'event = "Hello"'
send = "profiled"
[journey.j]
entry = { when = 'event = "Hello"' }
exit = [{ name = "bye", when = 'event = "Bye"', send = "hello" }]
step = [{ id = "mail", send = "hello" }]
"""
PLACES = ("route.hello.send", "journey.j.step.mail.send", "journey.j.exit.bye.send")


class TestAddresses:
    def test_emails_to_nobody(self, tmp_path: Path, log: Log) -> None:
        """Where neither an event nor a person has an address; each send for itself."""
        log.add(track("Hello"), track("Bye"))

        found = said(tmp_path, log, ROUTES)

        assert {*PLACES, "route.elsewhere.send"} == set(found)
        assert found["route.hello.send"].endswith(
            "needs an address: not in the newest event it is for, and nobody has one"
        )
        assert found["route.elsewhere.send"].endswith(
            "needs an address where `to` says: not in the newest event it is for"
        )

    def test_a_person_may_have_it(self, tmp_path: Path, log: Log) -> None:
        """But not where `to` says that the event does."""
        log.add(track("Hello"), track("Bye"))
        log.tx.people.add([Identity(IdKind.EMAIL, "a@b.example")])

        assert {"route.elsewhere.send"} == set(said(tmp_path, log, ROUTES))

    @pytest.mark.parametrize(
        "event",
        [
            track("Hello", email="a@b.example"),
            track("Hello") | {"context": {"traits": {"email": "a@b.example"}}},
        ],
    )
    def test_the_event_may_have_it(
        self, tmp_path: Path, log: Log, *, event: Mapping[str, object]
    ) -> None:
        """Wherever a send would look for it."""
        log.add(event)

        assert {"route.elsewhere.send"} == set(said(tmp_path, log, ROUTES))
