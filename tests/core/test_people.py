"""Who it happened to: names, traits, what was done before, audiences."""

from __future__ import annotations

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core import people
from homing.core.fql import Did, parse
from homing.core.people import Identity, IdKind, Person

DAY_MS = 86_400_000
USER, ANONYMOUS, EMAIL = IdKind.USER, IdKind.ANONYMOUS, IdKind.EMAIL
VIEWED_EVER = Did("Viewed", 2, None, None)
VIEWED_IN_A_DAY = Did("Viewed", 3, 86_400.0, None)


def counting(did: Did, *times: int, person: Person | None = None) -> Person:
    """A person after matching events at these times, in order of arrival."""
    person = person or Person(1)
    for event, at_ms in enumerate(times, 1):
        person = people.with_did(person, did, people.did_key(did), at_ms=at_ms, event=event)
    return person


class TestIdentitiesOf:
    @pytest.mark.parametrize(
        ("event", "names"),
        [
            ({"userId": "u1"}, [(USER, "u1")]),
            ({"anonymousId": "a1", "userId": "u1"}, [(USER, "u1"), (ANONYMOUS, "a1")]),
            (
                {"userId": "u1", "traits": {"email": " Ada@Example.COM "}},
                [(USER, "u1"), (EMAIL, "ada@example.com")],
            ),
            ({"context": {"traits": {"email": "a@x.io"}}}, [(EMAIL, "a@x.io")]),
            (
                {"traits": {"email": "own@x.io"}, "context": {"traits": {"email": "ctx@x.io"}}},
                [(EMAIL, "own@x.io")],
            ),
            ({"properties": {"email": "a@x.io"}}, [(EMAIL, "a@x.io")]),
        ],
    )
    def test_names_come_strongest_first(self, event, names):
        """
        userId, then anonymousId, then the address, lower-cased, of the traits.
        """
        assert [Identity(*name) for name in names] == list(people.identities_of(event))

    def test_an_address_among_the_properties_names_only_who_has_no_other_name(self):
        """
        It may be somebody else's: the friend to whom a known person sends a gift.
        """
        event = {"userId": "u1", "properties": {"email": "friend@x.io"}}

        assert (Identity(USER, "u1"),) == people.identities_of(event)

    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"userId": "", "anonymousId": None},
            {"userId": 7, "anonymousId": ["a"]},
            {"traits": {"email": "nobody"}},
            {"traits": {"email": None}, "context": {"traits": "x"}},
            {"traits": [], "context": [], "properties": "a@x.io"},
        ],
    )
    def test_what_is_no_text_names_nobody(self, event):
        """
        Segment takes non-empty strings as ids; an address has an @.
        """
        assert () == people.identities_of(event)


class TestWithIdentities:
    def test_names_fill_gaps_and_the_newest_address_counts(self):
        """
        A userId or anonymousId once known stays.
        """
        person = Person(1, user_id="u1", email="old@x.io")
        names = [Identity(USER, "u2"), Identity(ANONYMOUS, "a1"), Identity(EMAIL, "new@x.io")]

        named = people.with_identities(person, names)

        assert ("u1", "a1", "new@x.io") == (named.user_id, named.anonymous_id, named.email)

    def test_nothing_new_is_the_same_person(self):
        """
        So that nothing is written.
        """
        person = Person(1, user_id="u1")

        assert person is people.with_identities(person, [Identity(USER, "u1")])


class TestAddress:
    @pytest.mark.parametrize(
        ("person", "address"),
        [
            (Person(1), None),
            (Person(1, email="name@x.io"), "name@x.io"),
            (
                Person(1, email="n@x.io", traits={"email": "T@x.io"}, trait_at={"email": 1}),
                "t@x.io",
            ),
            (Person(1, email="name@x.io", trait_at={"email": 1}), None),
            (
                Person(1, email="name@x.io", traits={"email": "?"}, trait_at={"email": 1}),
                "name@x.io",
            ),
        ],
    )
    def test_the_trait_goes_before_the_name(self, person, address):
        """
        The trait is as the newest event wrote it, also when that cleared it.
        """
        assert address == person.address


class TestTraitsIn:
    @pytest.mark.parametrize(
        ("event", "traits"),
        [
            ({"type": "identify", "traits": {"a": 1}}, {"a": 1}),
            ({"type": "track", "traits": {"a": 1}}, {}),
            ({"type": "group", "traits": {"name": "Acme"}}, {}),
            ({"type": "track", "context": {"traits": {"a": 1}}}, {"a": 1}),
            (
                {"type": "identify", "traits": {"a": 1}, "context": {"traits": {"a": 2, "b": 3}}},
                {"a": 1, "b": 3},
            ),
            ({"type": "identify", "traits": "x", "context": {"traits": ["y"]}}, {}),
        ],
    )
    def test_traits_come_from_identify_and_from_the_context(self, event, traits):
        """
        An event's own traits go before those of its context; a group's are not the person's.
        """
        assert traits == people.traits_in(event)


WRITES = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("ab"), st.none() | st.integers(0, 3), max_size=2),
        st.integers(0, 50),
    ),
    max_size=6,
    unique_by=lambda write: write[1],
)


class TestWithTraits:
    def test_per_key_the_newest_event_wins(self):
        """
        What comes late writes only what nothing newer wrote.
        """
        person = people.with_traits(Person(1), {"plan": "pro", "city": "Bern"}, 20)

        late = people.with_traits(person, {"plan": "free", "name": "Ada"}, 10)

        assert {"plan": "pro", "city": "Bern", "name": "Ada"} == late.traits

    def test_null_clears_and_an_older_value_does_not_return(self):
        """
        That a trait was cleared is remembered.
        """
        person = people.with_traits(Person(1), {"plan": "pro"}, 10)
        cleared = people.with_traits(person, {"plan": None}, 20)

        assert {} == cleared.traits
        assert {} == people.with_traits(cleared, {"plan": "free"}, 15).traits

    def test_an_unchanged_value_becomes_newer(self):
        """
        Said again later, it is not lost to an event in between that comes late.
        """
        person = people.with_traits(Person(1), {"plan": "pro"}, 10)
        again = people.with_traits(person, {"plan": "pro"}, 30)

        assert {"plan": "pro"} == people.with_traits(again, {"plan": "free"}, 20).traits

    @given(WRITES, st.randoms(use_true_random=False))
    def test_the_order_of_arrival_does_not_matter(self, writes, random):
        """
        The same events in any order, any number of times, leave the same traits.
        """
        shuffled = writes * 2
        random.shuffle(shuffled)
        one, other = Person(1), Person(1)
        for traits, at_ms in sorted(writes, key=lambda write: write[1]):
            one = people.with_traits(one, traits, at_ms)
        for traits, at_ms in shuffled:
            other = people.with_traits(other, traits, at_ms)

        assert one == other


class TestWithZone:
    def test_the_last_zone_seen_is_kept(self):
        """
        From ``context.timezone``; anything that is no text changes nothing.
        """
        person = people.with_zone(Person(1), {"context": {"timezone": "Europe/Zurich"}})

        assert "Europe/Zurich" == person.zone
        for context in ({}, {"timezone": ""}, {"timezone": 3}, None, []):
            assert person is people.with_zone(person, {"context": context})


class TestDidKey:
    def test_each_distinct_did_has_a_key_of_its_own(self):
        """
        Event, count, window and condition all tell.
        """
        texts = ['"A"', '"B"', '"A", 2', '"A", 1, "1d"', '"A", 1, "2d"', '"A", 1, "1d", \'type\'']
        dids = [parse(f"did({text})").dids[0] for text in texts]

        assert len(texts) == len({people.did_key(did) for did in dids})


class TestWithDid:
    def test_the_same_event_counts_once(self):
        """
        Replayed, or read from the log by a fill: its mark is the same.
        """
        person = counting(VIEWED_IN_A_DAY, 10, 20)

        assert person is counting(VIEWED_IN_A_DAY, 10, 20, person=person)

    def test_two_events_of_one_moment_are_two(self):
        """
        Batches carry events of one second, or without any time.
        """
        assert 2 == people.did_count(counting(VIEWED_IN_A_DAY, 10, 10), VIEWED_IN_A_DAY, at_ms=10)

    @given(st.lists(st.integers(0, 100 * DAY_MS), max_size=200))
    def test_what_is_kept_is_bounded(self, times):
        """
        However often somebody looks: no more than a window can need.
        """
        kept = counting(VIEWED_IN_A_DAY, *times).did.get(people.did_key(VIEWED_IN_A_DAY), ())

        assert len(kept) <= VIEWED_IN_A_DAY.at_least + people.MAX_LATE

    def test_marks_can_be_stored(self):
        """
        JSON takes 64 bits; times reach from year 1 to year 9999.
        """
        for at_ms in (-62_135_596_800_000, 253_402_300_799_999):
            mark = people.did_mark(at_ms, 2**60)
            assert mark == orjson.loads(orjson.dumps(mark))


class TestDidCount:
    @pytest.mark.parametrize(
        ("at_ms", "count"),
        [(9, 0), (10, 1), (20, 2), (10 + DAY_MS, 2), (11 + DAY_MS, 1), (21 + DAY_MS, 0)],
    )
    def test_the_window_is_inclusive_at_both_ends(self, at_ms, count):
        """
        By event time; what is later than the moment asked about does not count.
        """
        person = counting(VIEWED_IN_A_DAY, 20, 10)

        assert count == people.did_count(person, VIEWED_IN_A_DAY, at_ms=at_ms)

    @given(st.lists(st.integers(0, 30), max_size=12), st.integers(0, 31))
    def test_for_ever_is_exact_whatever_the_order_of_arrival(self, times, at_ms):
        """
        The earliest events tell from when on it has happened so often.
        """
        person = counting(VIEWED_EVER, *times)
        truth = sum(1 for time in times if time <= at_ms)

        held = people.did_count(person, VIEWED_EVER, at_ms=at_ms) >= VIEWED_EVER.at_least

        assert held == (truth >= VIEWED_EVER.at_least)

    @given(
        st.lists(st.integers(0, 4 * 24), max_size=people.MAX_LATE),
        st.integers(0, 24),
    )
    def test_a_window_is_exact_for_what_is_at_most_a_day_late(self, hours, late):
        """
        Compared with all that ever happened, as long as no more came in between than is kept.
        """
        times = sorted(hour * 3_600_000 for hour in hours)
        at_ms = max(times, default=0) - late * 3_600_000
        person = counting(VIEWED_IN_A_DAY, *times)
        truth = sum(1 for time in times if at_ms - DAY_MS <= time <= at_ms)

        held = people.did_count(person, VIEWED_IN_A_DAY, at_ms=at_ms) >= 3

        assert held == (truth >= 3)

    def test_the_present_event_counts_however_late_it_comes(self):
        """
        It is not kept beside so many newer ones, and still happened.
        """
        once = Did("Viewed", 1, 60.0, None)
        person = counting(once, *range(100 * DAY_MS, 100 * DAY_MS + 50))
        late = people.with_did(person, once, people.did_key(once), at_ms=5, event=99)

        assert 0 == people.did_count(late, once, at_ms=5)
        assert 1 == people.did_count(late, once, at_ms=5, present=people.did_mark(5, 99))


def personas(
    kind: str, place: str, fields: dict[str, object], **changes: object
) -> dict[str, object]:
    """An Engage payload."""
    personas = {"computation_class": "audience", "computation_key": "vip", **changes}
    return {"type": kind, place: fields, "context": {"personas": personas}}


class TestAudienceChange:
    @pytest.mark.parametrize(
        ("event", "change"),
        [
            # Segment docs, "Using Engage data": identify and track payloads
            (personas("identify", "traits", {"vip": True, "email": "a@x.io"}), ("vip", True)),
            (
                personas("track", "properties", {"audience_key": "vip", "vip": False}),
                ("vip", False),
            ),
            (
                personas("identify", "traits", {"vip": True}, computation_class="journey_step"),
                ("vip", True),
            ),
            (personas("track", "properties", {"audience_key": "v2", "v2": True}), ("vip", True)),
            (
                personas("identify", "traits", {"j_o_1": "true"}, computation_key="j_o_1"),
                ("j_o_1", True),
            ),
            (
                personas("identify", "traits", {"j_o_1": "false"}, computation_key="j_o_1"),
                ("j_o_1", False),
            ),
        ],
    )
    def test_a_strict_boolean_under_the_key_states_membership(self, event, change):
        """
        In an identify's traits or a track's properties; journeys' keys may hold it as text.
        """
        assert change == people.audience_change(event)

    @pytest.mark.parametrize(
        "event",
        [
            {"type": "identify", "traits": {"vip": True}},
            personas("identify", "traits", {"vip": 1}),
            personas("identify", "traits", {"vip": "true"}),
            personas("identify", "traits", {"vip": None}),
            personas("identify", "properties", {"vip": True}),
            personas("identify", "traits", {"vip": True}, computation_class="trait"),
            personas("identify", "traits", {"vip": True}, computation_class=["audience"]),
            personas("identify", "traits", {"": True}, computation_key=""),
            personas("identify", "traits", {"vip": True}, computation_key=["vip"]),
            personas("track", "properties", {"audience_key": ["vip"]}),
            personas("track", "properties", {"audience_key": {"a": 1}, "x": True}),
            {"type": "track", "properties": [], "context": {"personas": {}}},
            {"type": "track", "context": {"personas": []}},
        ],
    )
    def test_anything_else_states_nothing(self, event):
        """
        Undetermined is not "left", and no odd shape raises.
        """
        assert people.audience_change(event) is None


class TestWithAudience:
    @given(
        st.lists(
            st.tuples(st.booleans(), st.integers(0, 9)), max_size=6, unique_by=lambda pair: pair[1]
        ),
        st.randoms(use_true_random=False),
    )
    def test_the_newest_statement_wins_in_any_order(self, changes, random):
        """
        Entered and exited can arrive swapped.
        """
        newest = max(changes, key=lambda change: change[1], default=None)
        random.shuffle(changes)
        person = Person(1)
        for member, at_ms in changes:
            person = people.with_audience(person, "vip", at_ms, member=member)

        assert newest == person.audiences.get("vip")


class TestMerge:
    def test_the_known_person_wins_and_the_other_fills_the_gaps(self):
        """
        Names, traits, zone: the winner's stay; a trait the winner cleared stays cleared.
        """
        winner = Person(
            2, user_id="u1", traits={"plan": "pro"}, trait_at={"plan": 5, "city": 6}, zone="UTC"
        )
        loser = Person(
            1,
            anonymous_id="a1",
            email="a@x.io",
            traits={"plan": "free", "city": "Bern", "name": "Ada"},
            trait_at={"plan": 9, "city": 9, "name": 9},
            zone="Europe/Zurich",
            merged=(7,),
        )

        merged = people.merge(winner, loser)

        assert ("u1", "a1", "a@x.io") == (merged.user_id, merged.anonymous_id, merged.email)
        assert {"plan": "pro", "name": "Ada"} == merged.traits
        assert "UTC" == merged.zone
        assert (1, 7) == merged.merged

    @given(st.lists(st.integers(0, 20), max_size=8), st.lists(st.booleans(), min_size=8))
    def test_what_both_did_is_counted_together(self, times, sides):
        """
        As if one person had done it all.
        """
        both = [Person(1), Person(2)]
        for event, at_ms in enumerate(times, 1):
            side = sides[event - 1]
            both[side] = people.with_did(
                both[side],
                VIEWED_IN_A_DAY,
                people.did_key(VIEWED_IN_A_DAY),
                at_ms=at_ms,
                event=event,
            )

        counts = [
            people.did_count(people.merge(*pair), VIEWED_IN_A_DAY, at_ms=20)
            for pair in itertools.permutations(both)
        ]

        assert [len(times)] * 2 == counts

    def test_of_audiences_the_newest_statement_stays(self):
        """
        Whoever it was said of.
        """
        winner = Person(1, audiences={"a": (True, 5), "b": (True, 5)})
        loser = Person(2, audiences={"a": (False, 9), "b": (False, 1), "c": (True, 1)})

        merged = people.merge(winner, loser)

        assert {"a": (False, 9), "b": (True, 5), "c": (True, 1)} == merged.audiences


class TestPartitionOf:
    @given(st.sampled_from(IdKind), st.text())
    def test_every_name_has_a_partition(self, kind, value):
        """
        The same in every process; a partition is one of 256.
        """
        identity = Identity(kind, value)

        assert people.partition_of(identity) == people.partition_of(Identity(kind, value))
        assert 0 <= people.partition_of(identity) < people.PARTITIONS


class TestWithConsent:
    @pytest.mark.parametrize(
        ("said", "consent"),
        [
            ([(5, {"a": True})], {"a": True}),
            ([(5, {"a": True}), (6, {})], {}),
            ([(6, {"b": True}), (5, {"a": True})], {"b": True}),
            ([(5, {"a": True}), (5, {"a": False})], {"a": False}),
            ([(-5, {"a": True})], {"a": True}),
        ],
    )
    def test_the_newest_event_time_wins(self, said, consent):
        """
        All preferences are replaced at once; of one time, what came last.
        """
        person = Person(1)
        for at_ms, preferences in said:
            person = people.with_consent(person, preferences, at_ms)

        assert consent == person.consent

    @given(
        st.none() | st.tuples(st.dictionaries(st.text(max_size=2), st.booleans()), st.integers()),
        st.none() | st.tuples(st.dictionaries(st.text(max_size=2), st.booleans()), st.integers()),
    )
    def test_of_two_people_who_are_one_the_newer_word_counts(self, first, second):
        """
        Whoever stays; of one who never said anything, the other's.
        """
        winner, loser = (
            Person(number) if known is None else people.with_consent(Person(number), *known)
            for number, known in ((1, first), (2, second))
        )

        merged = people.merge(winner, loser)

        known = [one for one in (first, second) if one is not None]
        newest = max(known, key=lambda one: one[1], default=(None, 0))
        assert newest[1] == merged.consent_at
        assert merged.consent is None or (merged.consent, merged.consent_at) in known
