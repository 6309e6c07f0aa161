"""What somebody no longer agrees to stops at once: sends that have not left, runs under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homing.core import consent
from homing.core.gate import Refusal
from homing.core.journeys.run import run_of
from homing.core.ledger import CLAIMABLE
from homing.stages import journey, moves

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.people import Person
    from homing.ports import Tx


def withdraw(tx: Tx, person: Person, desk: journey.Desk) -> None:
    """Cancel what the person's preferences, which have just changed, forbid."""
    if not desk.rules.asks_consent:
        return
    for run in tx.runs.watched_of(person.id, now=desk.now_ms):
        program = desk.rules.programs.of(run)
        if run.is_alive and program is not None:
            lacking = consent.lacking(program.consent, person.consent)
            if lacking:
                journey.expel(tx, run, program, reason=consent.reason_of(lacking), desk=desk)
    for row in tx.sends.open_of_person(person.id):
        if row.state in CLAIMABLE:
            lacking = consent.lacking(_required(tx, row, desk), person.consent)
            if lacking:
                moves.refuse(tx, row, Refusal("skipped", consent.reason_of(lacking)))


def _required(tx: Tx, row: SendRow, desk: journey.Desk) -> tuple[str, ...]:
    """What a send requires: its email, and the journey that reserved it."""
    rules = desk.rules
    email, number = rules.plans.emails.get(row.email), run_of(row.origin)
    run = None if number is None else tx.runs.get(number)
    program = None if run is None else rules.programs.of(run)
    own = () if email is None else email.consent
    return own if program is None else (*own, *program.consent)
