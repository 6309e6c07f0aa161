"""What is ready, taken together by address and in order."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from homing.core.effects import Effect
from homing.core.marketing.contacts import Contact
from homing.core.marketing.jobs import JobKind
from homing.core.marketing.members import ListMember
from homing.core.marketing.works import (
    ERASE,
    LIST,
    UPSERT,
    Erasure,
    ListChange,
    address_in,
    by_lists,
    contacts_in,
    ids_in,
    list_in,
    ready_of,
)


def effect(number: int, kind: str, address: str, *, lane: int = 1, **more: object) -> Effect:
    """An effect on an address."""
    contact = Contact(address, {"n": str(number)})
    payload: object = contact if kind == UPSERT else Erasure(address)
    if kind == LIST:
        payload = ListChange(str(more.get("on", "vip")), contact, more.get("id"))  # type: ignore[arg-type]
    return Effect(number, kind, lane, 0, 0, None, lane, number, msgspec.json.encode(payload))


def wanted_by(**rows: bool):
    """Whether lists want any address."""

    def wanted(name: str, address: str) -> ListMember | None:
        return ListMember(name, address, 1, rows[name], 1) if name in rows else None

    return wanted


ALL = {"vip": True, "trial": False}


class TestReadyOf:
    def test_what_is_of_one_kind_is_one_work(self) -> None:
        """The contact, and the lists it gets on."""
        effects = [effect(1, UPSERT, "a"), effect(2, LIST, "a"), effect(3, LIST, "a", on="vip")]
        ready = ready_of(effects, wanted_by(**ALL), busy=(), is_due=lambda _: True)
        (work,) = ready.works
        assert (JobKind.UPSERT, [1, 2, 3], {"vip"}) == (work.kind, work.effects, work.lists)

    def test_what_is_of_another_kind_comes_after(self) -> None:
        """Off one list, then onto another, in the order of events; an erasure behind both."""
        effects = [
            effect(1, LIST, "a", on="trial"), effect(2, LIST, "a"), effect(3, ERASE, "a"),
            effect(4, LIST, "a", on="trial"),
        ]  # fmt: skip
        (work,) = ready_of(effects, wanted_by(**ALL), busy=(), is_due=lambda _: True).works
        assert (JobKind.UNLIST, {"trial": [1]}) == (work.kind, work.unlist)
        (work,) = ready_of(effects[2:], wanted_by(**ALL), busy=(), is_due=lambda _: True).works
        assert (JobKind.ERASE, [3]) == (work.kind, work.effects)

    def test_a_persons_second_address_waits_for_the_first(self) -> None:
        """One lane, one order; and who shares that address waits, too."""
        effects = [
            effect(1, UPSERT, "a"), effect(2, UPSERT, "b"), effect(3, UPSERT, "b", lane=2),
            effect(4, UPSERT, "c", lane=3),
        ]  # fmt: skip
        works = ready_of(effects, wanted_by(), busy=(), is_due=lambda _: True).works
        assert ["a", "c"] == [work.address for work in works]

    def test_what_is_busy_or_not_due_holds_up_what_is_behind(self) -> None:
        """By lane and by address."""
        effects = [
            effect(1, UPSERT, "a"), effect(2, UPSERT, "b", lane=2), effect(3, UPSERT, "b", lane=3),
            effect(4, UPSERT, "d", lane=4), effect(5, UPSERT, "e", lane=4),
        ]  # fmt: skip
        ready = ready_of(effects, wanted_by(), busy={"a", 4}, is_due=lambda one: one.id != 2)
        assert [] == ready.works

    def test_of_a_row_that_is_gone_nothing_is_asked(self) -> None:
        """Unless a comparison of the list has seen the contact."""
        effects = [effect(1, LIST, "a"), effect(2, LIST, "b", lane=2, id="c-1")]
        ready = ready_of(effects, wanted_by(), busy=(), is_due=lambda _: True)
        assert [1] == ready.stale
        assert [{"vip": [2]}] == [work.unlist for work in ready.works]

    @given(
        data=st.lists(
            st.tuples(
                st.sampled_from([UPSERT, LIST, ERASE]), st.sampled_from("abc"), st.integers(1, 3),
                st.sampled_from(["vip", "trial", "gone"]), st.booleans(),
            ),
            max_size=12,
        )
    )  # fmt: skip
    def test_nothing_overtakes_and_all_is_done_in_the_end(
        self, data: list[tuple[str, str, int, str, bool]]
    ) -> None:
        """Per lane and per address in order, nothing twice, in as many rounds as need be."""
        late = {number for number, row in enumerate(data, 1) if row[4]}
        left = [
            effect(number, kind, address, lane=lane, on=on)
            for number, (kind, address, lane, on, _) in enumerate(data, 1)
        ]
        done: list[int] = []
        for rounds in range(len(data) + 1):
            due = late if rounds == 0 else set[int]()
            ready = ready_of(
                left, wanted_by(**ALL), busy=(), is_due=lambda one, due=due: one.id not in due
            )
            now = [*ready.stale]
            for work in ready.works:
                now += [*work.effects, *(n for group in work.unlist.values() for n in group)]
            for number in now:
                me = next(one for one in left if one.id == number)
                for other in left:
                    shares = other.lane == me.lane or address_in(other) == address_in(me)
                    if other.id < number and shares and number not in ready.stale:
                        assert other.id in now
            assert len(now) == len(set(now))
            done += now
            left = [one for one in left if one.id not in now]
        assert [] == left
        assert sorted(done) == list(range(1, len(data) + 1))


class TestContactsIn:
    def test_later_effects_write_over_earlier_ones(self) -> None:
        """One contact an address, in order."""
        found = contacts_in([effect(1, UPSERT, "a"), effect(2, LIST, "a"), effect(3, UPSERT, "b")])
        assert {"a": "2", "b": "3"} == {key: one.fields["n"] for key, one in found.items()}


class TestIdsIn:
    def test_only_what_was_seen_has_one(self) -> None:
        """By address."""
        found = ids_in([effect(1, LIST, "a"), effect(2, LIST, "b", id="c-2")])
        assert {"b": "c-2"} == found


class TestListIn:
    def test_a_contact_is_of_no_list(self) -> None:
        """Only what changes one is."""
        assert ["vip", None] == [list_in(effect(1, LIST, "a")), list_in(effect(2, UPSERT, "a"))]


class TestByLists:
    def test_all_of_a_call_get_onto_the_same_lists(self) -> None:
        """One group a set of lists."""
        effects = [
            effect(1, UPSERT, "a"), effect(2, LIST, "b", lane=2), effect(3, UPSERT, "c", lane=3)
        ]  # fmt: skip
        works = ready_of(effects, wanted_by(**ALL), busy=(), is_due=lambda _: True).works
        groups = {key: [work.address for work in group] for key, group in by_lists(works).items()}
        assert {frozenset(): ["a", "c"], frozenset({"vip"}): ["b"]} == groups
