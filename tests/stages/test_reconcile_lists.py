"""Who should be on a list is held against who is, and only the difference is written."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.marketing import ERROR, LISTS_ALONE, Place, engaged, identify
from tests.support.stages import answer, plans_of

from homing.adapters.memory.state import MemoryState
from homing.core.marketing.drift import Report
from homing.ports import Store, Tx
from homing.stages.reconcile_lists import (
    AlreadyReconciling,
    ListReconciler,
    NoSuchList,
    kept_of,
)

EXCLUSIVE = LISTS_ALONE.replace("[list.vip]", "[list.vip]\nexclusive = true")


@dataclass(slots=True)
class Compared:
    """A place whose lists are compared."""

    place: Place
    stage: ListReconciler = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start a new process over the same store."""
        place = self.place
        place.begin()
        plans = plans_of(place.extra)
        self.stage = ListReconciler(place.store, place.asker(), place.sendgrid, place.clock, plans)

    async def compare(self, *names: str, dry: bool = False) -> Report:
        """Compare lists, an hour later; what the first of them came to."""
        self.place.clock.forward(3_600_000)
        await self.stage.start(names or ("vip",), dry=dry)
        await self.stage.done()
        found = await self.last((names or ("vip",))[0])
        assert found is not None
        return found

    async def last(self, name: str = "vip") -> Report | None:
        """The last report of a list."""
        return (await self.place.store.write(lambda tx: kept_of(tx, name))).last


@pytest.fixture
def compared(store: Store) -> Compared:
    """Nobody yet."""
    return Compared(Place(store, extra=LISTS_ALONE))


async def with_members(compared: Compared, *users: str) -> Place:
    """People on the list."""
    await compared.place.take(*(engaged(user, 1, member=True) for user in users))
    await compared.place.told()
    return compared.place


class TestDrift:
    @settings(max_examples=60, deadline=None)
    @given(
        said=st.dictionaries(st.sampled_from("abcdefgh"), st.booleans()),
        flipped=st.sets(st.sampled_from("abcdefgh")),
        strangers=st.sets(st.sampled_from("xyz")),
        exclusive=st.booleans(),
    )
    async def test_any_drift_is_mended_once(
        self,
        said: dict[str, bool],
        flipped: set[str],
        strangers: set[str],
        exclusive: bool,
    ) -> None:
        """A dry run writes nothing, the run the difference, a second one nothing."""
        place = Place(MemoryState(), extra=EXCLUSIVE if exclusive else LISTS_ALONE)
        compared = Compared(place)
        for user, member in said.items():
            await place.take(engaged(user, 1, member=member))
        await place.told()
        place.sendgrid._list("VIP")
        on = place.sendgrid.on("VIP")
        for user in flipped & set(said):
            email = f"{user}@x.io"
            if email in on:
                on.discard(email)
            else:
                place.sendgrid.add(email, "VIP")
        for user in strangers:
            place.sendgrid.add(f"{user}@x.io", "VIP")
        missing = {user for user in flipped & set(said) if said[user]}
        extra = {user for user in flipped & set(said) if not said[user]}
        before = set(on)

        dry = await compared.compare(dry=True)
        assert before == place.sendgrid.on("VIP")
        assert not await place.is_open()
        report = await compared.compare()
        n_extra = len(extra) + (len(strangers) if exclusive else 0)
        assert (len(missing), n_extra, len(strangers)) == (
            report.missing, report.extra, report.strangers,
        )  # fmt: skip
        assert (len(missing) + n_extra, 0) == (report.written, dry.written)
        assert "done" == report.status
        await place.told()
        wanted = {f"{user}@x.io" for user, member in said.items() if member}
        kept = set() if exclusive else {f"{user}@x.io" for user in strangers}
        assert wanted | kept == place.sendgrid.on("VIP")

        again = await compared.compare()
        assert (0, 0, 0) == (again.missing, again.extra, again.written)

    async def test_an_addition_carries_the_fields_that_are_known_now(self, store: Store) -> None:
        """As an entry does."""
        compared = Compared(Place(store, extra=LISTS_ALONE + "[contacts]\n"))
        place = await with_members(compared, "a")
        await place.take(identify("a", 2, firstName="Ann"))
        await place.told()
        place.sendgrid.contacts.clear()
        place.sendgrid.on("VIP").clear()
        await compared.compare()
        await place.told()

        assert "Ann" == place.sendgrid.contacts["a@x.io"].fields["first_name"]
        assert {"a@x.io"} == place.sendgrid.on("VIP")

    async def test_what_sendgrid_refuses_is_not_asked_at_every_run(
        self, compared: Compared
    ) -> None:
        """It is dead once, and counted as refused."""
        compared.place.sendgrid.refused.add("b@x.io")
        place = await with_members(compared, "a", "b")
        for _ in range(2):
            report = await compared.compare()
            assert (0, 1, 0) == (report.missing, report.refused, report.written)
        assert 1 == len(await place.dead())

    async def test_nothing_is_kept_of_strangers(self, store: Store) -> None:
        """They are taken off an exclusive list, and nobody remembers them."""
        compared = Compared(Place(store, extra=EXCLUSIVE))
        place = await with_members(compared, "a")
        place.sendgrid.add("x@x.io", "VIP")
        await compared.compare()
        await place.told()

        assert {"a@x.io"} == place.sendgrid.on("VIP")
        rows = await place.store.write(lambda tx: tx.members.of_list("vip", after="", limit=9))
        assert ["a@x.io"] == [row.address for row in rows]

    async def test_a_stranger_that_enters_meanwhile_stays(self, store: Store) -> None:
        """The word of an event wins over a comparison, also one that came late."""
        compared = Compared(Place(store, extra=EXCLUSIVE))
        place = await with_members(compared, "a")
        place.sendgrid.add("x@x.io", "VIP")
        await compared.compare()
        await place.take(engaged("x", 1, member=True))
        await place.told()

        assert {"a@x.io", "x@x.io"} == place.sendgrid.on("VIP")


class TestDry:
    async def test_it_makes_no_list_and_puts_off_no_run(self, compared: Compared) -> None:
        """What is due stays due."""
        place = compared.place
        report = await compared.compare(dry=True)
        assert ({}, "done", 0) == (place.sendgrid.lists, report.status, report.on_list)

        await compared.stage.turn()
        place.clock.forward(60_000)
        await compared.stage.turn()
        await compared.stage.done()
        assert {"VIP", "trial"} == set(place.sendgrid.lists.values())


class TestFailing:
    @pytest.mark.parametrize(
        ("status", "cure"), [(401, "`sendgrid.api_key` is wrong"), (403, "Marketing Campaigns")]
    )
    async def test_a_key_that_may_not_is_told_with_its_cure(
        self, compared: Compared, status: int, cure: str
    ) -> None:
        """In the report and as an alert, until it works; the other list is tried as well."""
        place = await with_members(compared, "a")
        place.sendgrid.override = lambda _, path, __: (
            answer(status, {"errors": [{"message": "no"}]}) if "exports" in path else None
        )
        report = await compared.compare("vip", "trial")
        assert "refused" == report.status
        assert cure in report.error
        assert {"list vip", "list trial"} <= set(await place.alerts())

        place.sendgrid.override = lambda *_: None
        await compared.compare("vip", "trial")
        assert {} == await place.alerts()

    @pytest.mark.parametrize(
        "shown",
        [
            {"status": "failure", "message": "too many"},
            {"status": "ready", "urls": ["https://files/none"]},
            {},
        ],
    )
    async def test_an_export_that_does_not_come_changes_nothing(
        self, compared: Compared, shown: dict[str, object]
    ) -> None:
        """Nobody is taken off or added by it; the next is asked for anew."""
        place = await with_members(compared, "a")
        place.sendgrid.override = lambda method, path, _: (
            answer(200, shown) if "exports/" in path else None
        )
        await compared.stage.start(["vip"], dry=False)
        await compared.stage.done()
        assert not await place.is_open()

        place.sendgrid.override = lambda *_: None
        place.clock.forward(7_200_000)
        compared.begin()
        report = await compared.compare()
        assert ("done", 0) == (report.status, report.written)

    @pytest.mark.parametrize("body", [b"<html>", b"EMAIL\n", b"\x1f\x8bgarbage"])
    async def test_a_file_that_is_none_is_refused(self, compared: Compared, body: bytes) -> None:
        """Nobody is missing because nothing could be read."""
        place = await with_members(compared, "a")

        async def fetch(_: str, into, **__: object) -> object:
            into(body)
            return answer(200)

        compared.stage.files = type("Files", (), {"fetch": staticmethod(fetch)})()
        report = await compared.compare()
        assert ("refused", 0) == (report.status, report.written)
        assert not await place.is_open()

    async def test_one_list_that_gets_no_answer_stops_no_other(self, compared: Compared) -> None:
        """It is gone on with later."""
        place = await with_members(compared, "a")
        vip = next(key for key, name in place.sendgrid.lists.items() if name == "VIP")
        place.sendgrid.override = lambda _, path, __: answer(500) if f"x{vip}" in path else None
        await compared.stage.start(["vip", "trial"], dry=False)
        await compared.stage.done()

        assert await compared.last() is None
        assert (await compared.last("trial")) is not None

    async def test_two_runs_at_once_and_unknown_lists_are_refused(self, compared: Compared) -> None:
        """With what there is."""
        with pytest.raises(NoSuchList, match=r"no \[list.nope\]: there is vip, trial"):
            await compared.stage.start(["nope"], dry=False)
        await compared.stage.start([], dry=False)
        with pytest.raises(AlreadyReconciling, match="already"):
            await compared.stage.start([], dry=False)
        await compared.stage.done()


class TestResumed:
    async def test_an_interrupted_run_goes_on_with_its_export(self, compared: Compared) -> None:
        """What it had told before is not told twice, and is in the report."""
        place = await with_members(compared, "a", "b", "c")
        place.sendgrid.on("VIP").clear()
        place.clock.forward(3_600_000)
        began = place.clock.now_ms()

        def half(tx: Tx) -> None:
            kept = kept_of(tx, "vip")
            vip = next(key for key, name in place.sendgrid.lists.items() if name == "VIP")
            kept.current = Report("vip", "VIP", began_at=began, missing=1, written=1)
            kept.export = f"x{vip}"
            tx.books.set("reconcile:list:vip", msgspec.json.encode(kept).decode())
            row = tx.members.get("vip", "a@x.io")
            assert row is not None
            tx.members.save(msgspec.structs.replace(row, changed_at=began))

        await place.store.write(half)
        compared.begin()
        await compared.stage.start(["vip"], dry=False)
        await compared.stage.done()
        report = await compared.last()

        assert report is not None
        assert (3, 3, 1) == (report.missing, report.written, report.young)
        assert ["GET", "GET"] == [m for m, path, _ in place.sendgrid.calls[-2:]]

    async def test_an_export_that_was_forgotten_is_asked_for_anew(self, compared: Compared) -> None:
        """At the next try."""
        place = await with_members(compared, "a")
        place.sendgrid.on("VIP").clear()
        place.sendgrid.override = lambda m, path, _: answer(404) if "exports/" in path else None
        await compared.stage.start(["vip"], dry=False)
        await compared.stage.done()
        place.sendgrid.override = lambda *_: None
        report = await compared.compare()
        assert ("done", 1) == (report.status, report.missing)

    async def test_faults_in_between_pass(self, compared: Compared) -> None:
        """As in any question."""
        place = await with_members(compared, "a")
        place.sendgrid.on("VIP").clear()
        place.sendgrid.fates.extend([ERROR] * 3)
        assert 1 == (await compared.compare()).missing


class TestFiles:
    async def test_an_export_of_several_files_plain_and_packed(self, compared: Compared) -> None:
        """All of them are read."""
        place = await with_members(compared, "a", "b", "c")
        row = "EMAIL,CONTACT_ID\n{}@x.io,c\n"
        place.sendgrid.files |= {
            "https://f/1": row.format("a").encode(),
            "https://f/2": gzip.compress(row.format("b").encode()),
        }
        shown = {"status": "ready", "urls": ["https://f/1", "https://f/2"]}
        place.sendgrid.override = lambda _, path, __: (
            answer(200, shown) if "exports/" in path else None
        )
        report = await compared.compare()
        assert (2, 1) == (report.on_list, report.missing)
