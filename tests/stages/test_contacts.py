"""People become contacts and get on lists, whatever SendGrid does and in whatever order."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.marketing import (
    ERROR,
    LISTS,
    LOST,
    LOST_AFTER,
    OK,
    THROTTLED,
    Died,
    FakeMarketing,
    FragileStore,
    Place,
    engaged,
    identify,
    time_of,
)
from tests.support.stages import answer

from homing.adapters.memory.state import MemoryState
from homing.core.effects import Dest
from homing.core.outcomes import Answer
from homing.ports import Store, Tx
from homing.stages.contacts import MAX_FAILURES, MOST_READ
from homing.stages.erase import drop_effects

WORDS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.integers(1, 6), st.booleans(), st.sampled_from(["vip", "trial"])
    ),
    max_size=8,
)
FATES = st.lists(st.sampled_from([OK, OK, OK, ERROR, THROTTLED, LOST, LOST_AFTER]), max_size=12)


@pytest.fixture
def place(store: Store) -> Place:
    """People before SendGrid."""
    return Place(store)


async def crash_and_go_on(place: Place, writes: int, *, after: bool) -> None:
    """Let the process die at a write, and start the next."""
    fragile = FragileStore(place.store)
    place.begin(fragile)
    fragile.dies_in, fragile.dies_after = writes, after
    for _ in range(writes):
        try:
            await place.turn()
        except Died:
            break
        if place.contacts._broken is not None:
            break
    place.begin()


RULED = (
    LISTS
    + """
[route.in]
when = 'event = "In"'
add_to_audience = "vip"
[route.out]
when = 'event = "Out"'
remove_from_audience = "vip"
"""
)


def said(name: str, at: int) -> dict[str, object]:
    """A track call of a second."""
    return {
        "type": "track", "event": name, "userId": "a", "messageId": f"{name}{at}",
        "timestamp": time_of(at),
    }  # fmt: skip


class TestLastWord:
    @settings(max_examples=120, deadline=None)
    @given(
        words=WORDS, fates=FATES, doubled=st.booleans(), looks=st.integers(1, 4),
        unseen=st.integers(0, 12), dies=st.lists(st.tuples(st.integers(1, 9), st.booleans()),
        max_size=3),
    )  # fmt: skip
    async def test_the_list_is_what_was_said_last(
        self,
        words: list[tuple[str, int, bool, str]],
        fates: list[str],
        doubled: bool,
        looks: int,
        unseen: int,
        dies: list[tuple[int, bool]],
    ) -> None:
        """Through faults, crashes, jobs that take their time and contacts nobody sees yet."""
        sendgrid = FakeMarketing(looks=looks, unseen=unseen, fates=deque(fates))
        place = Place(MemoryState(), sendgrid)
        words = list(dict.fromkeys(words))  # the same again is a duplicate, and changes nothing
        last: dict[tuple[str, str], tuple[int, bool]] = {}
        for user, at, member, key in words:
            if at >= last.get((key, user), (0, False))[0]:
                last[key, user] = (at, member)
        half = len(words) // 2
        for part in (words[:half], words[half:]):
            events = [engaged(u, at, member=member, key=key) for u, at, member, key in part]
            if doubled:
                events += events
            if events:
                await place.take(*events)
            for writes, after in dies:
                await crash_and_go_on(place, writes, after=after)
        await place.told()

        for key, name in (("vip", "VIP"), ("trial", "trial")):
            expected = {f"{u}@x.io" for (k, u), (_, member) in last.items() if k == key and member}
            assert expected == sendgrid.on(name)
        assert {} == {k: n for k, n in (await place.counts()).items() if k in ("ready", "sent")
                      and n}  # fmt: skip
        assert [] == await place.dead()

    @settings(max_examples=80, deadline=None)
    @given(
        data=st.lists(
            st.tuples(
                st.sampled_from(["word", "move", "alias"]), st.sampled_from("abc"),
                st.integers(1, 9), st.booleans(),
            ),
            max_size=9,
        ),
        turns=st.lists(st.booleans(), max_size=9),
    )  # fmt: skip
    async def test_whoever_moves_or_becomes_another_is_on_it_once(
        self, data: list[tuple[str, str, int, bool]], turns: list[bool]
    ) -> None:
        """A member has one address on the list, who is none has none; the list is as wanted."""
        place = Place(MemoryState(), FakeMarketing(looks=2, unseen=3))
        for number, (what, user, at, member) in enumerate(data):
            if what == "word":
                await place.take(engaged(user, at, member=member))
            elif what == "move":
                await place.take(identify(user, at, email=f"{user}{at}@x.io"))
            else:
                other = "abc"[("abc".index(user) + 1) % 3]
                await place.take({"type": "alias", "previousId": other, "userId": user,
                                  "messageId": f"alias{number}"})  # fmt: skip
            if number < len(turns) and turns[number]:
                await place.turn()
        await place.told()

        assert await place.wanted("vip") == place.sendgrid.on("VIP")

        def members(tx: Tx) -> list[tuple[bool, int]]:
            people = tx.people.newest(before=None, limit=100)
            return [
                (
                    person.audiences.get("vip", (False, 0))[0],
                    sum(row.wanted for row in tx.members.of_person(person.id)),
                )
                for person in people
            ]

        for is_member, on in await place.store.write(members):
            assert (on >= 1) is is_member

    @settings(max_examples=100, deadline=None)
    @given(
        words=st.lists(
            st.tuples(st.sampled_from("abn"), st.integers(1, 99), st.booleans()),
            max_size=8, unique_by=lambda word: word[1],
        ),
        turns=st.lists(st.booleans(), max_size=8),
        fates=FATES,
    )  # fmt: skip
    async def test_who_shares_an_address_is_on_it_as_long_as_one_should_be(
        self, words: list[tuple[str, int, bool]], turns: list[bool], fates: list[str]
    ) -> None:
        """Two users and somebody nameless, who leaves with either, whatever comes first."""
        place = Place(MemoryState(), FakeMarketing(looks=2, unseen=3, fates=deque(fates)))
        # known before by addresses of their own: nobody becomes the nameless one
        await place.take(identify("a"), identify("b"))
        for number, (who, at, member) in enumerate(words):
            event = engaged(who, at, member=member, email="s@x.io")
            if who == "n":
                event["anonymousId"] = event.pop("userId")
            await place.take(event)
            if number < len(turns) and turns[number]:
                await place.turn()
        await place.told()

        newest = {who: (at, member) for who, at, member in sorted(words, key=lambda word: word[1])}
        users = [newest[who][1] for who in "ab" if who in newest]
        left_at = max((at for _, at, member in words if not member), default=0)
        at, member = newest.get("n", (0, False))
        is_on = any(users) or (member and at > left_at)
        assert ({"s@x.io"} if is_on else set()) == place.sendgrid.on("VIP")
        assert await place.wanted("vip") == place.sendgrid.on("VIP")

    async def test_who_moves_and_comes_back_is_on_it_again(self, place: Place) -> None:
        """By the address that was left before; also where no address was between."""
        await place.take(identify("a", 1), engaged("a", 2, member=True))
        await place.told()
        for at, email in ((3, "b@x.io"), (4, "a@x.io"), (5, None), (6, "a@x.io")):
            await place.take(identify("a", at, email=email))
            await place.told()
            assert ({email} if email else set()) == place.sendgrid.on("VIP")
        await place.take(engaged("a", 7, member=False))
        await place.told()
        assert set() == place.sendgrid.on("VIP")

    @pytest.mark.parametrize("kind", ["identify", "engaged", "track"])
    async def test_the_first_address_gets_its_person_onto_all_lists(
        self, place: Place, kind: str
    ) -> None:
        """Whatever brings it."""
        await place.take(engaged("a", 1, member=True, email=None))
        assert set() == await place.wanted("vip")
        brings = {
            "identify": identify("a", 2),
            "engaged": engaged("a", 2, member=True, key="trial"),
            "track": {"type": "track", "event": "X", "userId": "a", "messageId": "x",
                      "context": {"traits": {"email": "a@x.io"}}},
        }  # fmt: skip
        await place.take(brings[kind])
        await place.told()
        assert {"a@x.io"} == place.sendgrid.on("VIP")

    async def test_a_late_word_of_a_rule_is_late_for_lists_too(self, place: Place) -> None:
        """The newest by event time counts, whoever said it."""
        place.configure(RULED)
        await place.take(identify("a", 1), engaged("a", 10, member=False))
        await place.take(said("In", 5))
        await place.told()
        assert set() == place.sendgrid.on("VIP")
        counts = await place.store.write(lambda tx: dict(tx.members.audiences()))
        assert {} == counts

        await place.take(said("In", 20), said("Out", 15))
        await place.told()
        assert {"a@x.io"} == place.sendgrid.on("VIP")
        counts = await place.store.write(lambda tx: dict(tx.members.audiences()))
        assert {"vip": 1} == counts

    async def test_from_one_list_to_another_in_the_order_of_events(self, place: Place) -> None:
        """What came first is told first, also of one address."""
        await place.take(engaged("a", 1, member=True, key="trial"))
        await place.told()
        place.sendgrid.calls.clear()

        await place.take(engaged("a", 2, member=False, key="trial"), engaged("a", 3, member=True))
        await place.told()

        assert ["DELETE", "PUT"] == [m for m, _, _ in place.sendgrid.calls if m in "DELETE PUT"]
        assert (set(), {"a@x.io"}) == (place.sendgrid.on("trial"), place.sendgrid.on("VIP"))

    async def test_who_was_known_to_engage_first_moves_too(self, place: Place) -> None:
        """Three addresses of one profile are listed; the person's own follows when it changes."""
        await place.take(
            engaged("a", 1, member=True, email="a1@x.io"),
            engaged("a", 1, member=True, email="a2@x.io"),
            engaged("a", 1, member=True, email="a3@x.io"),
        )
        await place.told()
        assert {"a1@x.io", "a2@x.io", "a3@x.io"} == place.sendgrid.on("VIP")

        await place.take(identify("a", 2, email="new@x.io"))
        await place.told()
        assert {"new@x.io", "a2@x.io", "a3@x.io"} == place.sendgrid.on("VIP")

        await place.take(engaged("a", 3, member=False))
        await place.told()
        assert set() == place.sendgrid.on("VIP")

    async def test_who_had_no_address_is_listed_once_there_is_one(self, place: Place) -> None:
        """Entered anonymously, named later."""
        await place.take(
            {**engaged("a", 1, member=True), "traits": {"vip": True}, "userId": None,
             "anonymousId": "anon"},
        )  # fmt: skip
        await place.take({**identify("a", 2), "anonymousId": "anon"})
        await place.told()

        assert {"a@x.io"} == place.sendgrid.on("VIP")

    async def test_out_by_the_newer_word_of_two_who_are_one(self, place: Place) -> None:
        """The exit of the one holds for the address of the other."""
        await place.take(engaged("b", 1, member=True), engaged("a", 5, member=False))
        await place.told()
        await place.take({"type": "alias", "previousId": "b", "userId": "a", "messageId": "al"})
        await place.told()

        assert set() == place.sendgrid.on("VIP")


class TestFailing:
    async def test_one_poison_contact_stops_nobody(self, place: Place) -> None:
        """Its batch is taken apart while others get through, until it is dead alone."""
        place.sendgrid.poison = "p3@x.io"
        await place.take(*(identify(f"p{n}") for n in range(9)))
        for n in range(60):
            await place.take(identify(f"later{n}"))
            await place.turn()
        place.sendgrid.fates.clear()
        await place.told()

        assert 68 == len(place.sendgrid.contacts)
        (reason,) = await place.dead()
        assert f"HTTP 500: internal: {MAX_FAILURES} times, while others got through" == reason

    async def test_a_poison_contact_without_any_others_is_found_too(self, place: Place) -> None:
        """Its halves tell of each other."""
        place.sendgrid.poison = "p3@x.io"
        await place.take(*(identify(f"p{n}") for n in range(9)))
        await place.told()

        assert 8 == len(place.sendgrid.contacts)
        assert 1 == len(await place.dead())

    async def test_an_outage_kills_nothing(self, place: Place) -> None:
        """For a day every call is a 500: all waits, in few jobs, and then arrives."""
        place.sendgrid.override = lambda *_: answer(500)
        await place.take(*(identify(f"p{n}") for n in range(20)))
        for _ in range(300):
            await place.turn(300_000)
        assert 4 >= len(await place.store.write(lambda tx: tx.jobs.all()))

        place.sendgrid.override = lambda *_: None
        await place.told()

        assert (20, []) == (len(place.sendgrid.contacts), await place.dead())

    async def test_a_long_429_is_waited_for_outside_of_the_call(self, place: Place) -> None:
        """An hour of it, and nothing hangs: the next process may begin at once."""
        place.sendgrid.override = lambda *_: answer(429, None, Retry_After="3000")
        await place.take(identify("a"))
        await place.turn()
        calls = len(place.sendgrid.calls)
        for _ in range(100):
            await place.turn(10_000)
        assert calls == len(place.sendgrid.calls)

        place.sendgrid.override = lambda *_: None
        await place.told(2_000)
        assert "a@x.io" in place.sendgrid.contacts

    async def test_a_revoked_key_pauses_and_goes_on(self, place: Place) -> None:
        """401 in the middle: nothing is dead, and the cure is named."""
        await place.take(identify("a"))
        await place.turn()
        place.sendgrid.override = lambda *_: answer(401, {"errors": [{"message": "revoked"}]})
        await place.take(identify("b"))
        await place.turn()
        await place.turn()
        assert "revoked" in (await place.alerts())["contacts"]

        place.sendgrid.override = lambda *_: None
        await place.told()
        assert {"a@x.io", "b@x.io"} == set(place.sendgrid.contacts)
        assert {} == await place.alerts()

    async def test_what_was_refused_is_not_counted_as_sent(self, place: Place) -> None:
        """It is ready while nothing may leave, whatever the probes are answered."""
        refused = answer(403, {"errors": [{"message": "no scope"}]})
        place.sendgrid.override = lambda method, *_: refused if method == "PUT" else None
        await place.take(identify("a"), identify("b"))
        while "contacts" not in await place.alerts():
            await place.turn()
        for _ in range(5):
            counts = await place.counts()
            assert (2, 0) == (counts["ready"], counts["sent"])
            await place.turn(60_000)
        assert 3 < len(place.sendgrid.upserts())

        place.sendgrid.override = lambda *_: None
        await place.told()
        assert {"a@x.io", "b@x.io"} == set(place.sendgrid.contacts)
        counts = await place.counts()
        assert (0, 0, 2) == (counts["ready"], counts["sent"], counts["done"])

    async def test_what_was_taken_before_a_pause_is_sent(self, place: Place) -> None:
        """SendGrid works on it, though nobody may ask it how far it is."""
        await place.take(identify("a"))
        while not place.sendgrid.upserts():
            await place.turn()
        place.sendgrid.override = lambda *_: answer(401, {"errors": [{"message": "revoked"}]})
        await place.take(identify("b"))
        while "contacts" not in await place.alerts():
            await place.turn()
        counts = await place.counts()
        assert (1, 1) == (counts["ready"], counts["sent"])

    async def test_a_path_that_is_not_there_pauses(self, place: Place) -> None:
        """404 for an upsert without lists is a wrong endpoint, and no contact's fault."""
        place.sendgrid.override = lambda m, *_: answer(404) if m == "PUT" else None
        await place.take(identify("a"))
        for _ in range(20):
            await place.turn()
        assert [] == await place.dead()
        assert "404" in (await place.alerts())["contacts"]

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b"{}", b'{"result": 5}', b"\xff"])
    async def test_garbage_with_status_200_is_no_answer(self, place: Place, body: bytes) -> None:
        """Whatever a proxy says, nothing is taken for done, and the stage lives."""
        await place.take(engaged("a", 1, member=True))
        await place.told()
        garbage = Answer(headers_sent=True, status=200, body=body)
        place.sendgrid.override = lambda *_: garbage
        place.begin()
        await place.take(engaged("a", 2, member=False), engaged("b", 2, member=True))
        for _ in range(20):
            await place.turn(60_000)
        assert place.contacts._broken is None
        place.sendgrid.override = lambda *_: None
        await place.told(800)

        assert "a@x.io" not in place.sendgrid.on("VIP")

    async def test_stopping_does_not_wait_for_a_call_that_hangs(self, place: Place) -> None:
        """What is under way is let go of, and done anew by the next process."""
        place.contacts.land_s = 0.01
        begun, hanging = asyncio.Event(), asyncio.Event()

        async def hang(*_: object) -> Answer:
            begun.set()
            await hanging.wait()
            raise AssertionError

        place.contacts.asker.api = type("Api", (), {"call": hang})()
        await place.take(identify("a"))
        place.clock.forward(6_000)
        await place.contacts.deliver_batch()
        await begun.wait()
        await place.contacts.land()

        place.begin()
        await place.told()
        assert 1 == (await place.counts())["contacts:calls_repeated"]


class TestManyWaiting:
    async def test_what_waits_behind_a_job_that_takes_long_hides_nobody(self, place: Place) -> None:
        """However much that is; and nothing of a person overtakes what waits."""
        place.sendgrid.looks = 10_000
        await place.take(identify("busy", 1))
        await place.turn()
        for start in range(0, MOST_READ + 600, 500):
            await place.take(*(identify("busy", n + 2) for n in range(start, start + 500)))
        await place.take(
            identify("busy", 9_000, email="second@x.io"), identify("other"),
            identify("another", email="busy@x.io"),
        )  # fmt: skip
        for _ in range(10):
            await place.turn()
        written = {row["email"] for body in place.sendgrid.upserts() for row in body["contacts"]}
        assert {"busy@x.io", "other@x.io"} == written

        for job in place.sendgrid.jobs.values():
            job.looks = 1
        place.sendgrid.looks = 1
        await place.told()
        assert {"busy@x.io", "other@x.io", "second@x.io"} == set(place.sendgrid.contacts)

    async def test_with_many_jobs_open_batches_grow(self, place: Place) -> None:
        """A SendGrid that works for hours is not asked more and more often."""
        place.sendgrid.looks = 10_000
        for n in range(400):
            await place.take(identify(f"p{n}"))
            await place.turn()
        jobs = await place.store.write(lambda tx: tx.jobs.all())

        assert 20 <= len(jobs) <= 40

    async def test_a_job_that_takes_long_is_told_of_until_it_ends(self, place: Place) -> None:
        """After an hour a person may want to know."""
        place.sendgrid.looks = 100
        await place.take(identify("a"))
        for _ in range(80):
            await place.turn(61_000)
        assert "1 contacts: SendGrid works on them for 1." in (await place.alerts())["job 1"]
        await place.told()
        assert {} == await place.alerts()


class TestReload:
    async def test_a_list_that_is_configured_no_more_is_dead_alone(self, place: Place) -> None:
        """The contact is written, and gets on its other list."""
        await place.take(
            identify("a"), engaged("a", 1, member=True), engaged("a", 2, member=True, key="trial")
        )
        place.configure(LISTS.replace("[list.vip]", "[list.gone]"))
        await place.told()

        assert {"a@x.io"} == place.sendgrid.on("trial")
        assert ["its [list.*] is not configured any more"] == await place.dead()

    async def test_a_name_that_sendgrid_does_not_take_is_dead_with_its_words(
        self, place: Place
    ) -> None:
        """And asked again, when somebody says so."""
        refused = answer(400, {"errors": [{"message": "name already exists"}]})
        place.sendgrid.override = lambda m, p, _: (
            refused if (m, p) == ("POST", "/v3/marketing/lists") else None
        )
        await place.take(engaged("a", 1, member=True), engaged("b", 1, member=True))
        await place.told()
        assert 2 == sum("name already exists" in reason for reason in await place.dead())

        place.sendgrid.override = lambda *_: None
        await place.take(engaged("a", 2, member=True))
        await place.told()
        assert {"a@x.io"} == place.sendgrid.on("VIP")


class TestCapture:
    async def test_nothing_leaves_and_a_comparison_may_tell_later(self, place: Place) -> None:
        """What was captured is done, and SendGrid is known not to have been told."""
        place.contacts.capture = True
        await place.take(identify("a"), engaged("a", 1, member=True))
        await place.turn()

        assert [] == place.sendgrid.calls
        assert 3 == (await place.counts())["done"]
        row = await place.store.write(lambda tx: tx.members.get("vip", "a@x.io"))
        assert row is not None
        assert row.told is None


class TestErased:
    async def test_what_is_under_way_of_somebody_erased_ends(self, place: Place) -> None:
        """Dropped effects do not come back, and the job ends without them."""
        place.sendgrid.looks = 3
        await place.take(identify("a"), identify("b"))
        await place.turn()

        def erased(tx: Tx) -> None:
            ready = tx.effects.many([1])
            tx.members.erase([ready[0].lane])
            drop_effects(tx, [ready[0].lane])

        await place.store.write(erased)
        await place.told()

        counts = await place.counts()
        assert (1, 1) == (counts["done"], counts["dropped"])
        assert [] == await place.store.write(
            lambda tx: tx.effects.ready(Dest.CONTACTS, after=0, limit=9)
        )
