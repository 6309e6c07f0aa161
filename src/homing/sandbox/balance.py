"""Do the books balance? The service's own, held against what the emulated vendors saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.processes.books import Books
    from homing.sandbox.town import Town


def imbalances(town: Town, books: Books) -> list[str]:
    """Everything that does not add up, in words; empty when the books balance."""
    return [*_of_events(books), *_of_mails(town, books), *_of_home(town, books)]


def _of_events(books: Books) -> Iterator[str]:
    events = dict(books.events)
    received, _ = events.pop("received"), events.pop("duplicates")
    if received != sum(events.values()):
        yield f"{received} events were received, {sum(events.values())} are accounted for"
    if books.requests["pending"]:
        yield f"{books.requests['pending']} requests were not evaluated"


def _of_mails(town: Town, books: Books) -> Iterator[str]:
    mails = Counter(mail.custom_args.get("homing_send", "") for mail in town.sendgrid.accepted)
    twice = sum(n - 1 for n in mails.values())
    if twice > books.unknown["resent"]:
        yield f"{twice} emails went out twice, {books.unknown['resent']} were resent on purpose"
    taken = town.sendgrid.accepted.total
    known = books.sends["accepted"] + books.sends["unknown"] + books.sends["parked"] + twice
    if taken > known:
        yield f"SendGrid took {taken} emails, the ledger knows of {known}"
    if books.sends["accepted"] > taken:
        yield f"the ledger says {books.sends['accepted']} were accepted, SendGrid took {taken}"


def _of_home(town: Town, books: Books) -> Iterator[str]:
    done = books.effects["segment"]["done"]
    if town.segment.received.total != done:
        yield f"{done} calls were written home, Segment has {town.segment.received.total}"
    if town.segment.discarded.total:
        yield f"Segment discarded {town.segment.discarded.total} calls"
