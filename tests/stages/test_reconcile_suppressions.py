"""What webhooks missed is found in SendGrid's lists, and repaired both ways."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random  # noqa: TID251  seeded
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
import pytest
from tests.stages.conftest import World
from tests.support.stages import (
    DAY,
    HOUR,
    MINUTE,
    NO_CONNECTION,
    NOON,
    SECOND,
    Call,
    FakeApi,
    FixedClock,
    answer,
    at_once,
    engagement,
    identify,
    track,
)

from homing.core.effects import Dest
from homing.core.errors import HomingError
from homing.core.outcomes import Answer
from homing.core.readings import rows_of
from homing.core.segment_calls import iso
from homing.core.suppression import GLOBAL, Source, Suppression, group_scope
from homing.stages.asking import Asker, Unanswered
from homing.stages.rate import Rate
from homing.stages.reconcile_suppressions import (
    AlreadyReconciling,
    SuppressionReconciler,
)
from homing.stages.reconciliation import kept_of

NEWS = group_scope("newsletter")
AGO = NOON // 1000 - 600
OPT = """
[suppression]
opt_out = [{ when = 'type = "identify" and traits.email_opt_out = true' },
           { when = 'event = "Newsletter Left"', group = "newsletter" }]
opt_in = [{ when = 'type = "identify" and traits.email_opt_out = false' }]
"""
HERE = ("missing_here", "repaired_here")
THERE = ("missing_there", "repaired_there")


@dataclass(slots=True)
class Lists:
    """SendGrid's lists as its API shows them: rows by list and address, groups by number."""

    rows: dict[str, dict[str, int]] = field(
        default_factory=lambda: {
            name: {}
            for name in ("unsubscribes", "spam_reports", "bounces", "invalid_emails", "blocks")
        }
    )
    groups: dict[int, dict[str, int]] = field(default_factory=lambda: {12345: {}})
    refused: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    clock: FixedClock = field(default_factory=FixedClock)

    def __call__(self, call: Call) -> Answer:
        """Answer one call."""
        path, _, query = call.path.partition("?")
        self.calls.append(f"{call.method} {path}")
        for start, status in self.refused.items():
            if path.startswith(start):
                return answer(status, {"errors": [{"message": "access forbidden"}]})
        name = path.rpartition("/")[2]
        body: object
        if path.startswith("/v3/suppression/"):
            body = self._page(name, {k: int(v[0]) for k, v in parse_qs(query).items()})
        elif path == "/v3/asm/groups":
            body = [{"id": number, "name": "x"} for number in self.groups]
        elif path == "/v3/asm/suppressions":
            body = list(self._of_groups())
        elif name == "search":
            group = self.groups[int(path.split("/")[4])]
            body = [one for one in call.body["recipient_emails"] if one in group]
        else:
            assert path.startswith("/v3/asm/suppressions/global/"), path
            email = unquote(name)
            body = {"recipient_email": email} if email in self.rows["unsubscribes"] else {}
        return answer(200, body)

    def _page(self, name: str, asked: dict[str, int]) -> list[dict[str, Any]]:
        start, end = asked.get("start_time", 0), asked["end_time"]
        rows = [
            {"created": created, "email": email, "reason": "because"}
            for email, created in self.rows[name].items()
            if start <= created <= end
        ]
        return rows[asked["offset"] : asked["offset"] + asked["limit"]]

    def _of_groups(self) -> Iterator[dict[str, object]]:
        for number, group in self.groups.items():
            for email, created in group.items():
                yield {"email": email, "group_id": number, "created_at": created}

    def tell(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        """Do what an effect asks for."""
        parts = path.split("/")
        group = (
            self.rows["unsubscribes"] if "global" in parts
            else self.rows[parts[3]] if parts[2] == "suppression" else self.groups[int(parts[4])]
        )  # fmt: skip
        if method == "POST":
            for email in body["recipient_emails"]:
                group.setdefault(email, self.clock.at_ms // SECOND)
        else:
            group.pop(unquote(parts[-1]), None)


@dataclass(slots=True)
class Place:
    """A world whose SendGrid has lists."""

    world: World
    lists: Lists
    api: FakeApi
    stage: SuppressionReconciler

    @classmethod
    def of(cls, world: World) -> Place:
        """Around a world."""
        lists = Lists(clock=world.clock)
        api = FakeApi(lists)
        clock = world.clock
        rate = Rate(1e6, clock.monotonic_s, lambda: clock.now_ms() / 1000)
        asker = Asker(api, rate, clock, sleep=at_once)
        stage = SuppressionReconciler(world.store, asker, clock, world.plans, 3_600.0)
        return cls(world, lists, api, stage)

    def restarted(self) -> Place:
        """The same after the process died."""
        again = Place.of(self.world)
        again.lists = self.lists
        again.api.usual = self.lists
        return again

    async def reconciled(self, *, full: bool = False, dry: bool = False) -> dict[str, Any]:
        """One reconciliation; the rows of its report by list."""
        number = await self.stage.start(full=full, dry=dry)
        await self.stage.done()
        return await self.report(number)

    async def report(self, number: int | None = None) -> dict[str, Any]:
        """What is kept of one, by default of the last."""
        kept = await self.world.tx(kept_of)
        one = kept.last if number is None else kept.of(number)
        assert one is not None
        noted = await self.world.tx(lambda tx: tx.suppressions.noted(one.number, limit=10_000))
        return {str(row["list"]): row for row in rows_of(one, noted)}

    async def told(self) -> list[tuple[str, str]]:
        """Have what waits for SendGrid done; method and path."""
        done = []
        for effect in await self.world.ready(Dest.SUPPRESSIONS):
            call = orjson.loads(effect.payload)
            done.append((call["method"], call["path"]))
            self.lists.tell(call["method"], call["path"], call["body"])
            await self.world.tx(lambda tx, number=effect.id: tx.effects.done([number]))
        return done

    async def home(self) -> list[dict[str, Any]]:
        """What waits for Segment, which has it then."""
        ready = await self.world.ready(Dest.SEGMENT)
        await self.world.tx(lambda tx: tx.effects.done([effect.id for effect in ready]))
        return [orjson.loads(effect.payload) for effect in ready]

    async def scopes(self, address: str) -> dict[str, bool]:
        """The records of an address."""
        records = await self.world.tx(lambda tx: tx.suppressions.of(address))
        return {scope: record.suppressed for scope, record in records.items()}

    async def know(self, *users: str) -> None:
        """Have persons with addresses."""
        for user in users:
            await self.world.take(identify(user, traits={"email": f"{user}@x.io"}))


@pytest.fixture
def place(world_of: Callable[[str], World]) -> Place:
    """A shop whose people may leave, and its lists at SendGrid."""
    return Place.of(world_of(OPT))


def counts(row: dict[str, Any], *names: str) -> tuple[int, ...]:
    """Some counts of a list's row."""
    return tuple(row[name] for name in names)


def drift(report: dict[str, Any]) -> Counter[str]:
    """What a reconciliation found and did, over all lists."""
    found: Counter[str] = Counter()
    for row in report.values():
        found.update({name: row[name] for name in (*HERE, *THERE)})
    return +found


class TestMissingHere:
    async def test_each_list_suppresses_as_its_event_would_and_segment_is_told(self, place):
        """
        A track and an identify to the person of the address; nothing goes back to SendGrid.
        """
        await place.know("a", "b", "c", "d", "e", "f")
        await place.home()
        place.lists.rows["unsubscribes"]["a@x.io"] = AGO
        place.lists.groups[12345]["b@x.io"] = AGO
        place.lists.rows["spam_reports"]["c@x.io"] = AGO
        place.lists.rows["bounces"]["d@x.io"] = AGO
        place.lists.rows["invalid_emails"]["e@x.io"] = AGO
        place.lists.rows["blocks"]["f@x.io"] = AGO

        report = await place.reconciled()

        scopes = [await place.scopes(f"{user}@x.io") for user in "abcdef"]
        assert [
            {"global": True}, {NEWS: True}, {"spam": True}, {"bounce": True}, {"invalid": True}, {},
        ] == scopes  # fmt: skip
        home = {(call["userId"], call["type"]): call for call in await place.home()}
        assert {(user, kind) for user in "abcde" for kind in ("track", "identify")} == set(home)
        assert "Unsubscribed" == home["a", "track"]["event"]
        assert "Email Bounced" == home["d", "track"]["event"]
        assert ["newsletter"] == home["b", "identify"]["traits"]["email_groups_unsubscribed"]
        assert "spamreport" == home["c", "identify"]["traits"]["email_suppressed_reason"]
        assert [] == await place.told()
        for name, row in report.items():
            assert 1 == row["pulled"]
            assert ((0, 0) if name == "blocks" else (1, 1)) == counts(row, *HERE)
        (named,) = report["bounces"]["named"]
        assert ("d@x.io", "here", "opt_out") == (
            named["address"], named["missing"], named["change"],
        )  # fmt: skip

    async def test_the_second_one_finds_nothing(self, place):
        """
        Done twice, it is done once.
        """
        await place.know("a")
        place.lists.rows["unsubscribes"]["a@x.io"] = AGO
        await place.reconciled()
        await place.home()

        for full in (False, True):
            assert Counter() == drift(await place.reconciled(full=full))
        assert [] == await place.home()

    async def test_what_is_younger_than_its_webhook_is_not_missed_yet(self, place):
        """
        A minute is left to the event; the next reconciliation looks back beyond it.
        """
        await place.reconciled()
        place.lists.rows["unsubscribes"]["a@x.io"] = NOON // 1000 - 30
        place.lists.groups[12345]["b@x.io"] = NOON // 1000 - 30
        assert Counter() == drift(await place.reconciled())

        place.world.clock.forward(HOUR)

        assert {"missing_here": 2, "repaired_here": 2} == drift(await place.reconciled())

    async def test_what_a_webhook_told_is_not_told_again(self, place):
        """
        The row agrees with the record, whichever of them is some seconds older.
        """
        await place.world.hear(engagement("unsubscribe", "a@x.io", timestamp=AGO))
        await place.home()
        place.lists.rows["unsubscribes"]["a@x.io"] = AGO + 2

        assert Counter() == drift(await place.reconciled())
        assert [] == await place.home()

    @pytest.mark.parametrize("seconds", [-3, 0, 3])
    async def test_a_webhook_that_comes_after_all_is_not_told_again(self, place, seconds):
        """
        Segment would count it twice: the row and the event have ids of their own.
        """
        await place.know("a")
        await place.home()
        place.lists.rows["bounces"]["a@x.io"] = AGO
        await place.reconciled()
        assert 2 == len(await place.home())

        await place.world.hear(
            engagement("bounce", "a@x.io", type="bounce", timestamp=AGO + seconds)
        )

        assert [] == await place.home()
        assert {"bounce": True} == await place.scopes("a@x.io")

    async def test_strangers_of_before_are_taken_over_without_a_word(self, place):
        """
        The first reading of an old account must not make a profile of each at Segment.
        """
        place.lists.rows["unsubscribes"]["old@x.io"] = AGO
        await place.reconciled()
        assert {"global": True} == await place.scopes("old@x.io")
        assert [] == await place.home()
        assert {} == await place.world.alerts()

        place.lists.rows["unsubscribes"]["new@x.io"] = AGO + 1
        await place.reconciled()

        assert {"track", "identify"} == {call["type"] for call in await place.home()}
        assert {("reconciled", "suppressions"): 1} == await place.world.alerts()

    async def test_what_followed_a_send_of_ours_was_missed_even_on_the_first_reading(self, place):
        """
        We were there: a webhook should have told.
        """
        await place.world.take(track("Digest Due", "a"))
        await place.world.delivered()
        place.world.clock.forward(5 * MINUTE)
        place.lists.rows["spam_reports"]["a@x.io"] = NOON // 1000 + 60

        await place.reconciled()

        assert {("reconciled", "suppressions"): 1} == await place.world.alerts()

    async def test_an_erased_address_stays_hidden(self, place):
        """
        It is suppressed within one scope more, and nobody is told of it.
        """
        old = Suppression(GLOBAL, True, NOON - DAY, Source.SEGMENT)
        await place.world.tx(lambda tx: tx.suppressions.save("a@x.io", old))
        await place.world.tx(lambda tx: tx.suppressions.hide("a@x.io"))
        place.lists.rows["spam_reports"]["a@x.io"] = AGO

        await place.reconciled()

        assert {"global": True, "spam": True} == await place.scopes("a@x.io")
        assert await place.world.tx(lambda tx: tx.suppressions.is_hidden("a@x.io"))
        assert [] == await place.home()
        assert [] == await place.told()

    async def test_a_group_nobody_configured_suppresses_nothing(self, place):
        """
        It is counted by its number, never turned into another suppression.
        """
        place.lists.groups[999] = {"a@x.io": AGO, "b@x.io": AGO}

        report = await place.reconciled()

        assert {"999": 2} == report["groups"]["unknown_groups"]
        assert {} == await place.scopes("a@x.io")
        assert Counter() == drift(report)

    @pytest.mark.parametrize(
        "row",
        [
            None, 5, [], {}, {"email": None}, {"email": ""}, {"email": "nobody"},
            {"email": ["a@x.io"]},
        ],
    )  # fmt: skip
    async def test_a_row_that_names_nobody_is_counted(self, place, row):
        """
        Hostile rows stop nothing.
        """
        page = answer(200, [row, {"email": "A@X.io ", "created": "soon"}])
        usual = place.lists

        def api(call: Call) -> Answer:
            return page if call.path.startswith("/v3/suppression/unsubscribes") else usual(call)

        place.api.usual = api
        report = await place.reconciled()

        assert (2, 1, 1, 1) == counts(report["unsubscribes"], "pulled", "unusable", *HERE)
        assert {"global": True} == await place.scopes("a@x.io")


class TestMissingThere:
    async def test_what_we_recorded_and_sendgrid_lacks_is_told_again(self, place):
        """
        Of a group and globally; once there, nothing is missing.
        """
        await place.world.take(
            identify("a", traits={"email": "a@x.io", "email_opt_out": True}, timestamp=_at(-HOUR)),
            track("Newsletter Left", "b", timestamp=_at(-HOUR)),
        )
        await place.told()
        place.lists.rows["unsubscribes"].clear()
        place.lists.groups[12345].clear()

        report = await place.reconciled()

        assert [
            ("POST", "/v3/asm/suppressions/global"),
            ("POST", "/v3/asm/groups/12345/suppressions"),
        ] == await place.told()
        assert (1, 1) == counts(report["unsubscribes"], *THERE) == counts(report["groups"], *THERE)
        assert {("reconciled", "suppressions"): 1} == await place.world.alerts()
        assert Counter() == drift(await place.reconciled())
        assert [] == await place.told()

    async def test_what_is_on_its_way_or_was_refused_is_not_told_twice(self, place):
        """
        It waits, or is among the dead letters.
        """
        for user in "ab":
            traits = {"email": f"{user}@x.io", "email_opt_out": True}
            await place.world.take(identify(user, traits=traits, timestamp=_at(-HOUR)))
        first, _ = await place.world.ready(Dest.SUPPRESSIONS)
        await place.world.tx(lambda tx: tx.effects.dead(first.id, "400"))

        assert Counter() == drift(await place.reconciled())
        assert 1 == len(await place.world.ready(Dest.SUPPRESSIONS))

    async def test_a_newer_opt_in_wins_over_an_older_row_and_is_told(self, place):
        """
        Only an explicit one; nothing changes here.
        """
        opt_in = Suppression(GLOBAL, False, NOON - HOUR, Source.SEGMENT)
        await place.world.tx(lambda tx: tx.suppressions.save("a@x.io", opt_in))
        place.lists.rows["unsubscribes"]["a@x.io"] = (NOON - DAY) // 1000

        report = await place.reconciled()

        assert (0, 0, 1, 1) == counts(report["unsubscribes"], *HERE, *THERE)
        assert [("DELETE", "/v3/asm/suppressions/global/a%40x.io")] == await place.told()
        assert {"global": False} == await place.scopes("a@x.io")
        assert Counter() == drift(await place.reconciled())

    async def test_a_newer_row_wins_over_an_opt_in_once_it_is_made_sure_of(self, place):
        """
        The row is asked of again: it may have been our own, and gone since.
        """
        for address in ("still@x.io", "gone@x.io"):
            opt_in = Suppression(GLOBAL, False, NOON - DAY, Source.SEGMENT)
            await place.world.tx(lambda tx, a=address, r=opt_in: tx.suppressions.save(a, r))
            place.lists.rows["unsubscribes"][address] = AGO
        seen = place.lists

        def api(call: Call) -> Answer:
            found = seen(call)
            if call.path.startswith("/v3/suppression/unsubscribes"):
                seen.rows["unsubscribes"].pop("gone@x.io", None)
            return found

        place.api.usual = api
        report = await place.reconciled()

        assert (1, 1) == counts(report["unsubscribes"], *HERE)
        assert {"global": True} == await place.scopes("still@x.io")
        assert {"global": False} == await place.scopes("gone@x.io")

    @pytest.mark.parametrize("name", ["bounces", "spam_reports", "invalid_emails"])
    async def test_nothing_automatic_lifts_a_hard_one(self, place, name):
        """
        What SendGrid ages out stays recorded here.
        """
        place.lists.rows[name]["a@x.io"] = AGO
        await place.reconciled()
        place.lists.rows[name].clear()

        for full in (False, True):
            assert Counter() == drift(await place.reconciled(full=full))
        assert [True] == list((await place.scopes("a@x.io")).values())

    async def test_who_came_back_to_a_group_at_sendgrid_is_let_in(self, place):
        """
        As the event that was missed would have done; the person's profile says so.
        """
        await place.know("a")
        await place.world.hear(
            engagement("group_unsubscribe", "a@x.io", asm_group_id=12345, timestamp=AGO)
        )
        await place.home()

        report = await place.reconciled()

        assert {NEWS: False} == await place.scopes("a@x.io")
        assert (1, 1, 0, 0) == counts(report["groups"], *HERE, *THERE)
        assert ["opt_in"] == [named["change"] for named in report["groups"]["named"]]
        track_call, identify_call = await place.home()
        assert "Resubscribed To Group" == track_call["event"]
        assert [] == identify_call["traits"]["email_groups_unsubscribed"]
        late = engagement("group_resubscribe", "a@x.io", asm_group_id=12345, timestamp=AGO + 60)
        await place.world.hear(late)
        assert [] == await place.home()

    async def test_a_group_that_was_deleted_lets_nobody_in_and_is_not_told(self, place):
        """
        SendGrid would make global unsubscribes of what it is told of an unknown group.
        """
        await place.world.hear(
            engagement("group_unsubscribe", "a@x.io", asm_group_id=12345, timestamp=AGO)
        )
        await place.world.take(track("Newsletter Left", "b", timestamp=_at(-HOUR)))
        await place.told()
        place.lists.groups.clear()

        assert Counter() == drift(await place.reconciled())

        assert {NEWS: True} == await place.scopes("a@x.io")
        assert [] == await place.told()
        assert ("group_gone", "newsletter") in await place.world.alerts()

    async def test_a_global_opt_out_of_sendgrid_s_own_that_is_gone_there_stays(self, place):
        """
        Nobody can tell who asked for it: it is reported.
        """
        await place.world.hear(engagement("unsubscribe", "a@x.io", timestamp=AGO))

        report = await place.reconciled()

        assert 1 == report["unsubscribes"]["gone_there"]
        assert {"global": True} == await place.scopes("a@x.io")
        assert [] == await place.told()

    async def test_a_long_list_is_held_against_ours_only_once_a_day(self, place):
        """
        Meanwhile only what came since is asked for.
        """
        rows = {f"u{n}@x.io": AGO - n for n in range(5_001)}
        place.lists.rows["unsubscribes"] = rows
        assert 5_001 == (await place.reconciled())["unsubscribes"]["pulled"]
        assert 0 == (await place.reconciled())["unsubscribes"]["pulled"]
        place.world.clock.forward(DAY)

        assert 5_001 == (await place.reconciled())["unsubscribes"]["pulled"]


@dataclass(slots=True)
class Comings:
    """People who come and go at both sides, while half of the webhooks are lost."""

    place: Place
    draw: Random

    async def one(self, user: str) -> None:
        """Have somebody do something."""
        self.place.world.clock.forward(MINUTE)
        ways = (self.unsubscribes, self.leaves, self.returns, self.bounces, self.opts, self.writes)
        await self.draw.choice(ways)(user)
        await self.place.told()

    async def unsubscribes(self, user: str) -> None:
        """From everything, at SendGrid."""
        if _listed(self.place.lists.rows["unsubscribes"], user, self._at_s):
            await self._hear("unsubscribe", user)

    async def leaves(self, user: str) -> None:
        """The group, at SendGrid."""
        if _listed(self.place.lists.groups[12345], user, self._at_s):
            await self._hear("group_unsubscribe", user, asm_group_id=12345)

    async def returns(self, user: str) -> None:
        """To the group, at SendGrid."""
        if self.place.lists.groups[12345].pop(f"{user}@x.io", None):
            await self._hear("group_resubscribe", user, asm_group_id=12345)

    async def bounces(self, user: str) -> None:
        """Sometimes."""
        rows = self.place.lists.rows["bounces"]
        if self.draw.random() < 0.3 and _listed(rows, user, self._at_s):
            await self._hear("bounce", user, type="bounce")

    async def opts(self, user: str) -> None:
        """Out or in, at Segment."""
        traits = {"email": f"{user}@x.io", "email_opt_out": self.draw.random() < 0.5}
        await self.place.world.take(identify(user, traits=traits, timestamp=iso(self._at_s * 1000)))

    async def writes(self, user: str) -> None:
        """That the newsletter is not wanted, at Segment."""
        at = iso(self._at_s * 1000)
        await self.place.world.take(track("Newsletter Left", user, timestamp=at))

    @property
    def _at_s(self) -> int:
        return self.place.world.clock.at_ms // SECOND

    async def _hear(self, kind: str, user: str, **fields: object) -> None:
        if self.draw.random() < 0.5:
            event = engagement(kind, f"{user}@x.io", timestamp=self._at_s, **fields)
            await self.place.world.hear(event)


def _listed(rows: dict[str, int], user: str, at_s: int) -> bool:
    """Put somebody on a list, if they are not on it."""
    is_new = f"{user}@x.io" not in rows
    rows.setdefault(f"{user}@x.io", at_s)
    return is_new


class TestBothSides:
    @pytest.mark.parametrize("seed", range(6))
    async def test_whatever_was_lost_on_the_way_both_sides_agree_afterwards(self, place, seed):
        """
        Once is enough; the next one finds nothing.
        """
        people, lists = [f"p{n}" for n in range(12)], place.lists
        await place.know(*people)
        comings = Comings(place, Random(seed))  # noqa: S311  no secret
        for _ in range(80):
            await comings.one(comings.draw.choice(people))
        place.world.clock.forward(10 * MINUTE)

        await place.reconciled()
        await place.told()

        theirs = {GLOBAL: lists.rows["unsubscribes"], NEWS: lists.groups[12345]}
        theirs["bounce"] = lists.rows["bounces"]
        for user in people:
            scopes = await place.scopes(f"{user}@x.io")
            for scope, rows in theirs.items():
                assert (f"{user}@x.io" in rows) is scopes.get(scope, False), (user, scope)
        assert Counter() == drift(await place.reconciled(full=True))


class TestDryRun:
    async def test_it_finds_everything_and_changes_nothing(self, place):
        """
        And the next one finds it again.
        """
        await place.world.take(
            identify("a", traits={"email": "a@x.io", "email_opt_out": True}, timestamp=_at(-HOUR))
        )
        await place.told()
        place.lists.rows["unsubscribes"].clear()
        place.lists.rows["bounces"]["b@x.io"] = AGO

        dry = await place.reconciled(dry=True)

        assert {"missing_here": 1, "missing_there": 1} == drift(dry)
        assert dry["bounces"]["dry_run"]
        assert {} == await place.scopes("b@x.io")
        assert [] == await place.told()
        assert {} == await place.world.alerts()
        assert {
            "missing_here": 1, "missing_there": 1, "repaired_here": 1, "repaired_there": 1,
        } == drift(await place.reconciled())  # fmt: skip


class TestRefused:
    @pytest.mark.parametrize(
        ("status", "cure"), [(401, "sendgrid.api_key"), (403, "suppression.bounces.read")]
    )
    async def test_a_list_that_may_not_be_read_is_said_and_the_others_are_read(
        self, place, status, cure
    ):
        """
        With the cure; once it may, what was missed meanwhile is found and the alert goes.
        """
        place.lists.refused["/v3/suppression/bounces"] = status
        place.lists.rows["bounces"]["a@x.io"] = AGO
        place.lists.rows["spam_reports"]["b@x.io"] = AGO

        report = await place.reconciled()

        assert "refused" == report["bounces"]["status"]
        assert cure in report["bounces"]["error"]
        assert (1, 1) == counts(report["spam_reports"], *HERE)
        assert ("reconcile_refused", "bounces") in await place.world.alerts()
        place.lists.refused.clear()
        place.world.clock.forward(DAY)
        assert (1, 1) == counts((await place.reconciled())["bounces"], *HERE)
        assert ("reconcile_refused", "bounces") not in await place.world.alerts()

    async def test_groups_that_may_not_be_listed_are_read_but_not_held_against_ours(self, place):
        """
        Without knowing that a group is there, nothing may be told of it.
        """
        await place.world.take(track("Newsletter Left", "a", timestamp=_at(-HOUR)))
        await place.told()
        place.lists.groups[12345] = {"b@x.io": AGO}
        place.lists.refused["/v3/asm/groups"] = 403

        report = await place.reconciled()

        assert (1, 1, 0, 0) == counts(report["groups"], *HERE, *THERE)
        assert "asm.groups.read" in report["groups"]["error"]
        assert ("reconcile_refused", "groups") in await place.world.alerts()

    @pytest.mark.parametrize("body", [{}, "x", None, 5])
    async def test_an_answer_that_is_no_list_is_refused(self, place, body):
        """
        Nothing is taken for "nobody is on it".
        """
        place.api.usual = answer(200, body)

        report = await place.reconciled()

        assert {"refused"} == {row["status"] for row in report.values()}

    async def test_a_list_without_end_is_refused(self, place):
        """
        An API that ignores the offset would be asked for ever.
        """
        page = [{"email": f"u{n}@x.io", "created": AGO} for n in range(500)]
        place.api.usual = answer(200, page)

        report = await place.reconciled()

        assert "the same page came twice" in report["unsubscribes"]["error"]

    async def test_a_list_that_goes_unanswered_again_and_again_holds_up_no_other(self, place):
        """
        After three times it is left for the next reconciliation; the others are read.
        """
        place.lists.rows["blocks"]["a@x.io"] = AGO
        usual = place.lists

        def api(call: Call) -> Answer:
            return NO_CONNECTION if "/unsubscribes" in call.path else usual(call)

        place.api.usual = api
        for _ in range(2):
            with pytest.raises(Unanswered):
                await place.reconciled()
        report = await place.reconciled()

        assert "refused" == report["unsubscribes"]["status"]
        assert 1 == report["blocks"]["pulled"]
        assert ("reconcile_refused", "unsubscribes") in await place.world.alerts()

    async def test_where_nobody_can_be_asked_for_once_more_nothing_is_told_nor_lifted(self, place):
        """
        The lists were read: it is over all the same, and says so; the next one makes up for it.
        """
        await place.world.take(
            identify("a", traits={"email": "a@x.io", "email_opt_out": True}, timestamp=_at(-HOUR))
        )
        await place.world.hear(
            engagement("group_unsubscribe", "b@x.io", asm_group_id=12345, timestamp=AGO)
        )
        await place.told()
        place.lists.rows["unsubscribes"].clear()
        usual = place.lists

        def api(call: Call) -> Answer:
            asks = call.path.endswith("/search") or "/global/" in call.path
            return NO_CONNECTION if asks else usual(call)

        place.api.usual = api
        report = await place.reconciled()

        assert Counter() == drift(report)
        assert report["unsubscribes"]["error"]
        assert ("reconcile_refused", "unsubscribes") in await place.world.alerts()
        place.api.usual = usual
        assert {
            "missing_here": 1, "repaired_here": 1, "missing_there": 1, "repaired_there": 1,
        } == drift(await place.reconciled())  # fmt: skip
        assert ("reconcile_refused", "unsubscribes") not in await place.world.alerts()

    async def test_groups_too_large_for_one_answer_are_read_one_by_one(self, place):
        """
        Those that are configured; without their times they count as of now.
        """
        place.lists.groups[12345] = {"a@x.io": AGO, "b@x.io": AGO}
        usual = place.lists

        def api(call: Call) -> Answer:
            if call.path == "/v3/asm/suppressions":
                return Answer(headers_sent=True, error="an answer of over 32 MiB")
            if call.path == "/v3/asm/groups/12345/suppressions":
                return answer(200, list(usual.groups[12345]))
            return usual(call)

        place.api.usual = api
        report = await place.reconciled()

        assert (2, 2, 2) == counts(report["groups"], "pulled", *HERE)
        assert {NEWS: True} == await place.scopes("b@x.io")

    async def test_no_more_than_the_share_of_the_api_s_limit_is_used_up(self, place):
        """
        By its headers; when the share is used up, until the window starts anew.
        """
        place.lists.rows["bounces"] = {f"u{n}@x.io": AGO - n for n in range(5_000)}
        clock, usual = place.world.clock, place.lists
        used: Counter[int] = Counter()

        def api(call: Call) -> Answer:
            minute = clock.at_ms // MINUTE
            used[minute] += 1
            found = usual(call)
            headers = {
                "X-RateLimit-Limit": "10",
                "X-RateLimit-Remaining": str(10 - used[minute]),
                "X-RateLimit-Reset": str((minute + 1) * 60),
            }
            return replace(found, headers=headers)

        async def sleep(seconds: float) -> None:
            clock.forward(int(seconds * 1000) + 1)

        place.api.usual = api
        place.stage.asker.sleep = sleep
        place.stage.asker.rate.share = 0.5
        report = await place.reconciled()

        assert 5_000 == report["bounces"]["pulled"]
        assert 5 == max(used.values())


class TestInterrupted:
    async def test_it_goes_on_where_it_was(self, place):
        """
        SendGrid stops answering amid a list; what was read is not read again.
        """
        place.lists.rows["unsubscribes"] = {f"u{n}@x.io": AGO - n for n in range(1_200)}
        usual, asked = place.lists, []

        def api(call: Call) -> Answer:
            asked.append(call.path)
            return usual(call) if "offset=1000" not in call.path else NO_CONNECTION

        place.api.usual = api
        with pytest.raises(Unanswered):
            await place.reconciled()
        again = place.restarted()
        report = await again.reconciled()

        assert 1_200 == report["unsubscribes"]["pulled"] == report["unsubscribes"]["repaired_here"]
        pages = [call for call in again.api.calls if "/unsubscribes" in call.path]
        assert ["offset=1000"] == [call.path.split("&")[1] for call in pages]

    async def test_killed_after_any_lot_it_comes_to_the_same(self, place):
        """
        Each lot is committed with how far it came: nothing is lost, nothing is told twice.
        """
        for name in ("unsubscribes", "bounces"):
            place.lists.rows[name] = {f"{name}{n}@x.io": AGO - n for n in range(600)}
        place.lists.groups[12345] = {f"g{n}@x.io": AGO for n in range(600)}
        await place.know(*(f"bounces{n}" for n in range(600)))
        await place.home()
        deaths = 0
        while (await place.world.tx(kept_of)).last is None:
            stage = place.restarted().stage
            stage.on_repaired = die
            await stage.start(full=False, dry=False)
            try:
                await stage.done()
            except Died:
                deaths += 1
        report = await place.report()

        assert 9 == deaths
        assert {"missing_here": 1_800, "repaired_here": 1_800} == drift(report)
        home = await place.home()
        assert 1_200 == len(home) == len({call["messageId"] for call in home})
        assert 600 == report["bounces"]["pulled"] == report["groups"]["pulled"]


class Died(Exception):
    """What stands for the end of a process."""


def die() -> None:
    """Die."""
    raise Died


class TestTurn:
    async def test_the_first_is_soon_after_the_start_then_each_interval(self, place):
        """
        A minute is left for webhooks to bring what they kept.
        """
        clock, stage = place.world.clock, place.stage

        async def turned() -> int:
            await stage.turn()
            if stage.is_running:
                await stage.done()
            return (await place.world.tx(kept_of)).number

        assert 0 == await turned()
        clock.forward(MINUTE - SECOND)
        assert 0 == await turned()
        clock.forward(SECOND)
        assert 1 == await turned()
        clock.forward(HOUR - SECOND)
        assert 1 == await turned()
        clock.forward(SECOND)
        assert 2 == await turned()

    async def test_an_interrupted_one_goes_on_at_once_and_is_followed_by_another_if_it_is_old(
        self, place
    ):
        """
        What came since its window is not left for an hour.
        """
        place.api.usual = NO_CONNECTION
        with pytest.raises(Unanswered):
            await place.reconciled()
        place.world.clock.forward(HOUR)
        again = place.restarted()

        for _ in range(3):
            await again.stage.turn()
            if again.stage.is_running:
                await again.stage.done()

        kept = await place.world.tx(kept_of)
        assert (2, None) == (kept.number, kept.current)

    async def test_while_sendgrid_does_not_answer_it_is_tried_again_in_a_minute(self, place):
        """
        The stage does not fail of it.
        """
        clock, stage = place.world.clock, place.stage
        place.api.usual = NO_CONNECTION
        clock.forward(MINUTE)
        await stage.turn()
        clock.forward(MINUTE)
        await stage.turn()
        await asyncio.wait([stage._task])
        await stage.turn()
        assert not stage.is_running
        place.api.usual = place.lists
        clock.forward(MINUTE)
        await stage.turn()
        await stage.done()

        assert 1 == (await place.world.tx(kept_of)).number
        assert {"read"} == {row["status"] for row in (await place.report()).values()}

    async def test_without_a_key_nothing_is_asked(self, place):
        """
        Whoever asks for it is told why.
        """
        place.stage.lacking = "no key"
        place.world.clock.forward(DAY)
        await place.stage.turn()
        assert [] == place.api.calls

        with pytest.raises(HomingError, match="no key"):
            await place.stage.start(full=False, dry=False)


class TestReconfigure:
    async def test_a_shorter_interval_holds_at_once(self, place):
        """
        Nobody waits for the end of the longer one.
        """
        clock, stage = place.world.clock, place.stage
        await stage.turn()
        stage.reconfigure(place.world.plans, every_s=5.0, lacking=None)
        clock.forward(5 * SECOND)

        await stage.turn()
        await stage.done()

        assert 1 == (await place.world.tx(kept_of)).number

    async def test_a_key_that_comes_is_used(self, place):
        """
        As after a start.
        """
        clock, stage = place.world.clock, place.stage
        stage.lacking = "no key"
        await stage.turn()
        stage.reconfigure(place.world.plans, every_s=3_600.0, lacking=None)
        await stage.turn()
        clock.forward(MINUTE)
        await stage.turn()
        await stage.done()

        assert 1 == (await place.world.tx(kept_of)).number


class TestStart:
    async def test_who_asks_for_the_same_joins_and_for_another_is_refused(self, place):
        """
        Two at once would read the same lists.
        """
        place.api.gate = asyncio.Event()
        number = await place.stage.start(full=False, dry=False)

        assert number == await place.stage.start(full=False, dry=False)
        for full, dry in ((True, False), (False, True)):
            with pytest.raises(AlreadyReconciling):
                await place.stage.start(full=full, dry=dry)
        place.api.gate.set()
        await place.stage.done()


def _at(ms: int) -> str:
    return iso(NOON + ms)
