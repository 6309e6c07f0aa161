"""What was decided and cannot be made: a dead row says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from homing.core.effects import NewEffect
    from homing.ports import Tx

UNMADE: Final = b""
"""The payload of an effect that was never made: there is nothing in it to be tried again."""


@dataclass(frozen=True, slots=True)
class Buried:
    """What a rule asked for is a dead row; why."""

    reason: str


def bury(tx: Tx, effect: NewEffect, reason: str) -> Buried:
    """
    Keep an effect that cannot be made as a dead one, and have a person look at its rule.

    Args:
        effect: Without a payload: `UNMADE`.
    """
    number = tx.effects.add(effect)
    tx.effects.dead(number, reason)
    tx.books.count(f"effects:{effect.dest}:dead")
    tell(tx, effect.rule or "", reason, at=effect.made_at)
    return Buried(reason)


def tell(tx: Tx, rule: str, reason: str, *, at: int) -> None:
    """Have a person look at a rule, some of which could not be done."""
    tx.books.count("actions:failed")
    tx.books.alert("action_failed", rule, reason, at=at)
