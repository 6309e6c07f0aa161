"""Do the books balance? The service's own, held against what the emulated vendors saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from homing.core.ledger import SendState
from homing.sandbox.evidence import GRACE_MS, held_up
from homing.sandbox.journey_balance import JOURNEY_RULES

if TYPE_CHECKING:
    from homing.sandbox.evidence import Evidence, Sent


def imbalances(evidence: Evidence) -> list[str]:
    """Everything that does not add up, in words; empty when the books balance."""
    return [problem for rule in RULES for problem in rule(evidence)]


def of_events(evidence: Evidence) -> Iterator[str]:
    """Promises P1 and P5: every event answered 2xx is in the books, in one state."""
    events = dict(evidence.books.events)
    received, duplicates = events.pop("received"), events.pop("duplicates")
    if received != sum(events.values()):
        yield f"{received} events were received, {sum(events.values())} are accounted for"
    if evidence.books.requests["pending"]:
        if evidence.is_settled:
            yield f"{evidence.books.requests['pending']} requests were not evaluated"
    elif received + duplicates < evidence.taken:
        yield f"{evidence.taken} events were answered 2xx, {received + duplicates} are in the books"


def of_sends(evidence: Evidence) -> Iterator[str]:
    """Promise P6: each email the ledger calls taken was; a second copy has its unknown outcome."""
    known = {sent.key for sent in evidence.sends}
    for key in evidence.copies.keys() - known:
        yield f"SendGrid took an email of send {key or '(none)'}, which the ledger does not know"
    for sent in evidence.sends:
        copies = evidence.copies.get(sent.key, 0)
        most = sent.unknowns + (sent.state in _MAY_BE_TAKEN)
        if copies > most:
            yield (
                f"send {sent.key} ({sent.rule} to {sent.user}) is {sent.state} with"
                f" {sent.unknowns} unknown outcomes, SendGrid took {copies} copies"
            )
        if sent.state is SendState.ACCEPTED and not copies:
            yield f"send {sent.key} is accepted, SendGrid has no such email"


def of_what_was_asked(evidence: Evidence) -> Iterator[str]:
    """Promise P2: one send for each event that asks for one, whatever was posted twice."""
    of_routes = [sent for sent in evidence.sends if sent.run is None]
    sends = Counter((sent.user, sent.rule) for sent in of_routes)
    for (user, rule), asked in evidence.asked.items():
        made = sends[user, rule]
        if made > asked:
            yield f"{rule} to {user}: {asked} events ask for it, {made} sends were reserved"
        elif made < asked and evidence.all_arrived and not evidence.books.requests["pending"]:
            yield f"{rule} to {user}: {asked} events ask for it, only {made} sends were reserved"
    unknowns: Counter[tuple[str, str]] = Counter()
    for sent in of_routes:
        unknowns[sent.user, sent.rule] += sent.unknowns
    for (user, rule), mails in evidence.mails.items():
        most = evidence.asked.get((user, rule), 0) + unknowns[user, rule]
        if mails > most:
            yield f"{rule} to {user}: {most} emails at most were due, SendGrid took {mails}"


def of_home(evidence: Evidence) -> Iterator[str]:
    """What was written home is there, once; nothing was thrown away."""
    effects = evidence.books.effects["segment"]
    done, ready = effects["done"], effects["ready"]
    if not done <= evidence.home <= done + ready:
        yield f"{done} calls were written home ({ready} wait), Segment has {evidence.home}"
    if evidence.discarded:
        yield f"Segment discarded {evidence.discarded} calls"


def of_the_unfinished(evidence: Evidence) -> Iterator[str]:
    """What is not done has a reason, once there was time for it."""
    if not evidence.is_settled:
        return
    pauses = evidence.books.pauses
    held = held_up(evidence.sends, pauses, at_ms=evidence.at_ms - GRACE_MS)
    stuck = Counter(sent.state for sent in evidence.sends if sent.is_open and sent.key not in held)
    for state, n in stuck.items():
        yield f"{n} sends are still {state.value}, and nothing keeps them"
    for dest, late in evidence.late_calls.items():
        if late and dest not in pauses:
            yield f"{late} calls to {dest} still wait, and nothing keeps them"


#: A send in one of these may have been taken by its last attempt, which has no outcome yet.
_MAY_BE_TAKEN: Final = frozenset({SendState.ACCEPTED, SendState.IN_FLIGHT})

RULES: Final = (
    of_events,
    of_sends,
    of_what_was_asked,
    *JOURNEY_RULES,
    of_home,
    of_the_unfinished,
)


def waiting(evidence: Evidence) -> list[Sent]:
    """The sends that have not left yet, or of which nobody knows."""
    return [sent for sent in evidence.sends if sent.is_open]
