"""
What goes wrong, on purpose.

Three plans, one a target. A plan answers one question, "what happens to this
one?", from (in this order) a script, rules with a predicate, and shares drawn
from a seeded generator. Shares come from the command line, for instance
``sendgrid=timeout-after-accept:0.05,429:0.1``; scripts and rules from tests.
"""

import difflib
import random  # noqa: TID251 - a seeded generator of our own: a run with faults can be repeated
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from homing.emulators.ledger import RecordedRequest

#: Every fault's name, by target. Those of ``webhook`` befall single events on
#: their way to Homing, from SendGrid and from Segment alike.
FAULTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "sendgrid": (
            "timeout-after-accept",
            "reset-after-accept",
            "429",
            "401",
            "403-from",
            "500",
            "502",
            "hang",
            "garbage",
            "slow",
        ),
        "segment": ("429", "500", "hang", "slow"),
        "webhook": ("duplicate", "new-id", "shuffle", "delay", "drop"),
    }
)


class BadFault(ValueError):
    """A fault that does not exist, or a share that is none. The text says what is known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer for a script: sent in place of what the emulator would say."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


#: The name of a fault, or an answer spelt out.
Fault: TypeAlias = str | Answer


@dataclass(slots=True)
class _Rule:
    fault: Fault
    predicate: Callable[[RecordedRequest], bool]
    times: int | None


class FaultPlan:
    """
    Decide what befalls each request (or event) of one target.

    Args:
        target: ``"sendgrid"``, ``"segment"`` or ``"webhook"``.

        shares: Fault name to the share of requests it befalls, in [0, 1]. On
            an API a request has one fault at most, so shares that add up to
            more than 1 are scaled down; events of a webhook draw each fault
            apart.

        seed: Of the generator that draws.

    Raises:
        BadFault: An unknown name, or a share outside [0, 1].
    """

    def __init__(
        self, target: str, shares: Mapping[str, float] | None = None, seed: int = 0
    ) -> None:
        self.target = target
        self.enabled = True
        #: How often each fault befell something; forks count here, too.
        self.played: Counter[str] = Counter()
        self._shares: dict[str, float] = {}
        self._script: deque[Fault] = deque()
        self._rules: list[_Rule] = []
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 - drawing faults, not secrets
        for name, share in (shares or {}).items():
            self.set_share(name, share)

    @property
    def shares(self) -> Mapping[str, float]:
        """Fault name to share, read only."""
        return MappingProxyType(self._shares)

    def set_share(self, name: str, share: float) -> None:
        """
        Let a fault befall this share of all requests from now on; 0 ends it.

        Raises:
            BadFault: An unknown name, or a share outside [0, 1].
        """
        self._check(name)
        if not 0 <= share <= 1:
            msg = f'the share of the fault "{name}" must be between 0 and 1, got {share:g}'
            raise BadFault(msg)
        self._shares[name] = share

    def script(self, steps: Iterable[Fault]) -> None:
        """
        Say what the next requests meet, one step each; ``"ok"`` is nothing.

        Steps are added to those still to come; after the last, rules and
        shares decide again.

        Raises:
            BadFault: An unknown name.
        """
        fresh = list(steps)
        for step in fresh:
            if isinstance(step, str) and step != "ok":
                self._check(step)
        self._script.extend(fresh)

    def when(
        self,
        fault: Fault,
        predicate: Callable[[RecordedRequest], bool],
        *,
        times: int | None = None,
    ) -> None:
        """
        Let a fault befall every request that a predicate picks, or the first `times` of them.

        Raises:
            BadFault: An unknown name.
        """
        if isinstance(fault, str):
            self._check(fault)
        self._rules.append(_Rule(fault, predicate, times))

    def clear(self) -> None:
        """Forget script, rules and shares: from now on all goes well."""
        self._script.clear()
        self._rules.clear()
        self._shares.clear()

    def next_fault(self, request: RecordedRequest) -> Fault | None:
        """Decide for one request; None lets it pass."""
        if not self.enabled:
            return None
        if self._script:
            step = self._script.popleft()
            return None if step == "ok" else step
        return self._ruled(request) or self._drawn()

    def next_faults(self) -> frozenset[str]:
        """Decide for one event of a webhook: several faults may meet."""
        if not self.enabled:
            return frozenset()
        befalls = self._scripted() if self._script else self._drawn_apart()
        self.played.update(befalls)
        return befalls

    def shuffled(self, events: list[dict[str, object]]) -> list[dict[str, object]]:
        """Return the same events in another order."""
        return self._random.sample(events, len(events))

    def fraction(self) -> float:
        """Draw from [0, 1): how much of the longest delay an event gets."""
        return self._random.random()

    def fork(self, seed: int) -> "FaultPlan":
        """Make a plan with the same shares and draws of its own; scripts are not taken over."""
        plan = FaultPlan(self.target, self._shares, self._seed * 1_000 + seed)
        plan.played = self.played
        return plan

    def _check(self, name: str) -> None:
        known = FAULTS[self.target]
        if name not in known:
            raise BadFault(_unknown("fault", name, known) + f" (faults of {self.target})")

    def _scripted(self) -> frozenset[str]:
        step = self._script.popleft()
        return frozenset({step}) if isinstance(step, str) and step != "ok" else frozenset()

    def _drawn_apart(self) -> frozenset[str]:
        return frozenset(
            name for name, share in self._shares.items() if self._random.random() < share
        )

    def _ruled(self, request: RecordedRequest) -> Fault | None:
        for rule in self._rules:
            if rule.times != 0 and rule.predicate(request):
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
        return None

    def _drawn(self) -> str | None:
        if not self._shares:
            return None
        drawn = self._random.random() * max(1.0, sum(self._shares.values()))
        for name, share in self._shares.items():
            drawn -= share
            if drawn < 0:
                return name
        return None


@dataclass(frozen=True, slots=True)
class Faults:
    """The plans of all three targets; by default nothing goes wrong."""

    sendgrid: FaultPlan = field(default_factory=lambda: FaultPlan("sendgrid"))
    segment: FaultPlan = field(default_factory=lambda: FaultPlan("segment"))
    webhook: FaultPlan = field(default_factory=lambda: FaultPlan("webhook"))


def parse_faults(specs: Iterable[str], seed: int = 0) -> Faults:
    """
    Read ``--fault`` options.

    Args:
        specs: Each ``TARGET=NAME[:SHARE][,NAME[:SHARE]…]``; a share is in
            [0, 1] and 1 when left out. A name given twice: the last one holds.

        seed: Of all draws.

    Raises:
        BadFault: Something in a text is not known; says what is.
    """
    shares: dict[str, dict[str, float]] = {target: {} for target in FAULTS}
    for spec in specs:
        target, equals, entries = spec.partition("=")
        target = target.strip()
        if not equals or not entries.strip():
            msg = f'expected a fault like "sendgrid=429:0.1,500", got "{spec}"'
            raise BadFault(msg)
        if target not in FAULTS:
            raise BadFault(_unknown("target", target, tuple(FAULTS)))
        for entry in entries.split(","):
            name, share = _entry(target, entry.strip())
            shares[target][name] = share
    return Faults(**{target: FaultPlan(target, shares[target], seed) for target in FAULTS})


def _entry(target: str, entry: str) -> tuple[str, float]:
    name, colon, share_text = entry.partition(":")
    name = name.strip()
    if name not in FAULTS[target]:
        raise BadFault(_unknown("fault", name, FAULTS[target]) + f" (faults of {target})")
    if not colon:
        return name, 1.0
    try:
        share = float(share_text)
    except ValueError:
        share = -1.0
    # Not `share < 0 or share > 1`: a NaN must be refused too.
    if not 0 <= share <= 1:
        msg = f'expected the share of "{name}" to be between 0 and 1, got "{share_text}"'
        raise BadFault(msg)
    return name, share


def _unknown(kind: str, found: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(found, known, 1)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    return f'unknown {kind} "{found}".{hint} Known: {", ".join(known)}'
