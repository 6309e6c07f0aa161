"""Whole runs in this process: the books balance whatever befalls the vendors."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from homing.emulators import Pace, Shop, parse_faults
from homing.sandbox.happenings import Happening, What
from homing.sandbox.run import ServiceEnded, Stops, Wanted, run
from homing.sandbox.summary import Summary
from homing.sandbox.town import Town

QUICK = {
    "for_s": 1.0,
    "rate": 30.0,
    "pace": Pace(delivered_after_s=0.05, engaged_after_s=0.1),
}


class Told(list[Happening]):
    """What was told of a run, and its town."""

    town: Town

    def of(self, what: What) -> list[Happening]:
        """Select a kind."""
        return [happening for happening in self if happening.what is what]

    def of_runs(self) -> Counter[str]:
        """Count the first words of what was told of runs."""
        said = (
            words for happening in self.of(What.JOURNEY) for words in happening.detail.split(", ")
        )
        return Counter(words.split(" ")[0] for words in said)

    def sends_of_runs(self) -> int:
        """How many sends runs asked for, also those that were refused."""
        return sum(self.of_runs()[word] for word in ("sends", "skips"))


async def told_of(
    folder: Path,
    *faults: str,
    stops: Stops | None = None,
    opened: Callable[[Town], None] = lambda _: None,
    **wanted: float,
) -> tuple[Told, Summary]:
    """Run the sandbox for a second, and keep what it tells."""
    told = Told()

    def meet(town: Town) -> None:
        told.town = town
        opened(town)

    whole = Wanted(folder, parse_faults(faults, 1), **(QUICK | wanted))
    summary = await run(whole, told.append, stops or Stops(), opened=meet)
    return told, summary


class TestRun:
    async def test_everything_is_told_once(self, tmp_path: Path) -> None:
        """An event in, its email out, what SendGrid says of it, what comes home."""
        told, summary = await told_of(tmp_path)

        counts = Counter(happening.what for happening in told)
        assert () == summary.problems
        assert summary.made == counts[What.EVENT_IN] > 0
        assert summary.taken == counts[What.EMAIL_OUT] > 0
        assert summary.home == counts[What.HOME] > 0
        assert told.town.sendgrid.events.total == counts[What.SENDGRID] > summary.taken
        assert summary.events["received"] == counts[What.EVENT_IN] + counts[What.SENDGRID]

    async def test_the_seed_repeats_the_shop(self, tmp_path: Path) -> None:
        """The customers do what any shop of that seed has them do."""
        told, _ = await told_of(tmp_path, seed=7)

        events = told.of(What.EVENT_IN)
        again = itertools.islice(Shop(7).events(), len(events))
        assert [(event["userId"], event.get("event", event["type"])) for event in again] == [
            (happening.who, happening.name) for happening in events
        ]

    async def test_unknown_outcomes_are_resolved(self, tmp_path: Path) -> None:
        """By an event, or by sending again: a second copy only where nobody knew."""
        told, summary = await told_of(
            tmp_path,
            "sendgrid=reset-after-accept:0.2,timeout-after-accept:0.1,502:0.1,garbage:0.1,hang:0.1",
            "webhook=drop:0.4",
        )

        unknowns = Counter(happening.ids["send"] for happening in told.of(What.UNKNOWN))
        copies = Counter(mail.custom_args["homing_send"] for mail in told.town.sendgrid.accepted)
        assert () == summary.problems
        assert summary.unknown["total"] == unknowns.total() > 0
        assert {0} == {max(0, n - 1 - unknowns[send]) for send, n in copies.items()}
        assert unknowns.total() == len(told.of(What.RESOLVED))
        assert len(told.of(What.LOST)) <= summary.lost

    async def test_refusals_are_waited_out(self, tmp_path: Path) -> None:
        """Throttled, failing, hanging and slow vendors lose nothing."""
        told, summary = await told_of(
            tmp_path,
            "sendgrid=429:0.2,500:0.2,slow:0.1",
            "segment=429:0.2,500:0.2,hang:0.1,slow:0.1",
        )

        assert () == summary.problems
        assert told.of(What.RETRY)
        of_runs = told.sends_of_runs()
        assert told.town.asked.emails.total() + of_runs == summary.sends["accepted"] + sum(
            summary.skipped.values()
        ) + sum(waits.n for waits in summary.waiting)

    @pytest.mark.parametrize("fault", ["401", "403-from"])
    async def test_a_pause_is_told_and_ended(self, tmp_path: Path, fault: str) -> None:
        """What a person has to mend stops the mail; mended, it goes out."""
        told, summary = await told_of(tmp_path, f"sendgrid={fault}")

        assert () == summary.problems
        assert told.of(What.PAUSED)
        assert told.of(What.RESUMED)
        assert all(f"HTTP {fault[:3]}" in reason for reason in summary.paused.values())
        assert summary.paused
        assert summary.taken == summary.sends["accepted"] > 0

    async def test_webhooks_may_do_what_they_like(self, tmp_path: Path) -> None:
        """Repeated, renamed, out of order and late: each event counts once by its id."""
        _, summary = await told_of(
            tmp_path, "webhook=duplicate:0.5,new-id:0.2,shuffle,delay:0.5,drop:0.1"
        )

        assert () == summary.problems
        assert summary.events["duplicates"] > 0
        assert {"duplicate", "new-id", "shuffle", "delay", "drop"} == set(summary.faults["webhook"])


class TestJourneys:
    async def test_their_whole_life_is_seen(self, tmp_path: Path) -> None:
        """Entered, restarted, looked back, timed out with a mail, exited, and what it was worth."""
        told, summary = await told_of(tmp_path, for_s=5.0, rate=12.0)

        said = told.of_runs()
        by_rule = Counter(mail.name for mail in told.of(What.EMAIL_OUT))
        counts = {
            word: sum(int(runs.get(word, 0)) for runs in summary.journeys.values())
            for word in ("entered", "waiting", "exited", "completed", "converted")
        }
        assert () == summary.problems
        assert {"entered", "waits", "restarted:", "exited:", "time", "sends", "goal"} <= set(said)
        assert (
            counts["entered"]
            == said["entered"]
            == counts["waiting"] + said["exited:"] + said["completed"]
        )
        assert counts["converted"] == said["goal"]
        assert said["sends"] >= by_rule["cart"] + by_rule["onboarding"] > 0
        assert float(summary.journeys["cart"]["value"]) > 0
        assert any("(looked back)" in happening.detail for happening in told.of(What.JOURNEY))
        assert_in_order_of_the_path(told)


def assert_in_order_of_the_path(told: Told) -> None:
    """Hold that each email of a run follows the line that says that the run sends it."""
    asked = Counter[tuple[str, str]]()
    for happening in told:
        whose = happening.who, happening.name
        if happening.what is What.JOURNEY:
            asked[whose] += happening.detail.count("sends ")
        elif happening.what is What.EMAIL_OUT and happening.name in {"cart", "onboarding"}:
            asked[whose] -= 1
            assert asked[whose] >= 0


class TestStops:
    async def test_the_shop_closes_and_what_is_open_is_finished(self, tmp_path: Path) -> None:
        """Told once to stop, a run without an end ends as one with an end does."""
        stops = Stops()

        def opened(town: Town) -> None:
            asyncio.get_running_loop().call_later(0.5, stops.stop)

        _, summary = await told_of(tmp_path, stops=stops, opened=opened, for_s=None)

        assert () == summary.problems
        assert () == summary.waiting
        assert not stops.leave.is_set()

    async def test_told_twice_it_leaves_at_once(self, tmp_path: Path) -> None:
        """Whatever still waits is named, and what was done still balances."""
        stops = Stops()

        def opened(town: Town) -> None:
            asyncio.get_running_loop().call_later(1.0, stops.both)

        _, summary = await told_of(tmp_path, "sendgrid=429", stops=stops, opened=opened)

        assert () == summary.problems
        assert summary.waiting
        assert 0 == summary.taken

    async def test_a_service_that_gives_up_ends_the_run(self, tmp_path: Path) -> None:
        """With what it said; nobody waits for it."""

        def opened(town: Town) -> None:
            town.service.failed.set_result(OSError("the disk is gone"))

        with pytest.raises(ServiceEnded, match="ended by itself"):
            await told_of(tmp_path, opened=opened, for_s=None)
