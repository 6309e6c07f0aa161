"""What every store promises of the ledger: one send a key, one head a lane, nothing lost."""

from __future__ import annotations

from contextlib import suppress

import pytest
from msgspec.structs import astuple, replace
from tests.support.rows import DAY, HOUR, NOON, Refused, heads, refuse, reserve, send, user

from homing.core import people
from homing.core.digests import address_trace, message_trace
from homing.core.effects import SendFlag, SendRow
from homing.core.journeys.run import exit_origin, origin_of
from homing.core.plans import EmailClass
from homing.ports import Attempt, Store, Tx

LANE = 2


def got(tx: Tx, number: int) -> SendRow:
    """A send that is there."""
    row = tx.sends.get(number)
    assert row is not None
    return row


def save(tx: Tx, number: int, **columns: object) -> SendRow:
    """Change columns of a send."""
    row = replace(got(tx, number), **columns)  # type: ignore[arg-type]
    tx.sends.save(row)
    return row


def fly(tx: Tx, number: int) -> SendRow:
    """Claim a send and write its intent."""
    row = got(tx, number)
    tx.sends.intend(number, now=NOON)
    return row


class TestLookup:
    NEW = send(1, address=None, flags=SendFlag.LOOKUP, lookup=b'{"event":1}')

    async def test_what_it_is_resolved_with_is_kept_until_it_is_filled_in(
        self, store: Store
    ) -> None:
        """
        Then it has an address, found by its trace, and its data; and the rest of the row is saved.
        """

        def job(tx: Tx) -> list[object]:
            tx.sends.reserve(self.NEW, lane=LANE)
            kept = tx.sends.lookup(1)
            row = got(tx, 1)
            row.address, row.flags, row.due_at = "new@x.io", 0, NOON + 5
            tx.sends.fill_in(row, b'{"a":1}')
            return [kept, tx.sends.lookup(1), tx.sends.data(1), row == got(tx, 1)]

        assert [b'{"event":1}', None, b'{"a":1}', True] == await store.write(job)
        key = address_trace("new@x.io")
        traced = await store.write(lambda tx: tx.sends.by_trace(key, limit=5))
        assert [(1, "new@x.io", 1)] == [(row.id, row.address, row.head) for row in traced]

    async def test_a_send_that_goes_elsewhere_leaves_no_trace_where_it_was_to_go(
        self, store: Store
    ) -> None:
        """
        What is sent to an address is found by it, and nothing else.
        """

        def job(tx: Tx) -> list[list[SendRow]]:
            tx.sends.reserve(send(1, address="old@x.io", lookup=b"{}"), lane=LANE)
            tx.sends.add_trace(address_trace("old@x.io"), 1)
            for address in ("new@x.io", None):
                row = got(tx, 1)
                row.address = address
                tx.sends.fill_in(row, b"{}")
            addresses = ("old@x.io", "new@x.io")
            return [tx.sends.by_trace(address_trace(one), limit=5) for one in addresses]

        assert [[], []] == await store.write(job)

    async def test_it_goes_with_the_send(self, store: Store) -> None:
        """
        Erased, pruned, or of nobody: nothing is left of the event.
        """

        def job(tx: Tx) -> list[object]:
            for number in (1, 2, 3):
                new = send(number, origin=number, state="skipped", lookup=b"{}")
                tx.sends.reserve(new, lane=None)
            tx.sends.erase(1)
            tx.sends.prune(NOON + 1, limit=10)
            tx.sends.fill_in(replace(got(tx, 3), id=9), b"{}")
            return [tx.sends.lookup(number) for number in (1, 2, 3, 9)]

        assert [None, None, b"{}", None] == await store.write(job)


class TestReserve:
    async def test_every_column_comes_back(self, store: Store) -> None:
        """
        A reserved send has what was decided, and nothing of what is still to happen.
        """
        new = send(
            1, step="remind", variant="plain", group_id=5, reason="r", flags=SendFlag.TEST,
            expires_at=NOON + DAY,
        )  # fmt: skip

        assert await store.write(lambda tx: tx.sends.reserve(new, lane=LANE))

        expected = SendRow(
            1, 7, 1, "order-confirmation", "remind", "plain", "v1", 1, 1, "u1", "order",
            "transactional", "d-1", "ann@example.com", 5, "reserved", "r", None, 0, NOON, NOON,
            NOON + DAY, None, None, None, None, None, LANE, 1, None, None, 1,
        )  # fmt: skip
        assert expected == await store.write(lambda tx: tx.sends.get(1))
        assert new.data == await store.write(lambda tx: tx.sends.data(1))
        assert b"{}" == await store.write(lambda tx: tx.sends.data(2))

    async def test_the_same_origin_rule_and_step_reserve_once(self, store: Store) -> None:
        """
        A redelivered event, a replay or a crash cannot reserve twice; another step can.
        """

        changes: list[dict[str, object]] = [
            {}, {}, {"step": "b"}, {"rule": "b"}, {"step": "b"}, {"origin": 8},
        ]  # fmt: skip

        def job(tx: Tx) -> list[bool]:
            return [
                tx.sends.reserve(send(tx.sends.next_id(), **{"origin": 9, **change}), lane=LANE)
                for change in changes
            ]

        assert [True, False, True, True, False, True] == await store.write(job)
        assert 5 == await store.write(lambda tx: tx.sends.next_id())

    @pytest.mark.parametrize("reads", [True, False])
    async def test_what_is_undone_leaves_nothing_behind(self, store: Store, *, reads: bool) -> None:
        """
        No data and no trace, whether or not anybody read them meanwhile; others keep theirs.
        """

        def add(tx: Tx) -> int:
            number = tx.sends.next_id()
            reserve(tx, number, lane=LANE, origin=tx.sends.next_id(), data=b"%d" % number)
            tx.sends.add_trace(7, number)
            return number

        def traced(tx: Tx) -> list[tuple[int, bytes]]:
            return [(row.id, tx.sends.data(row.id)) for row in tx.sends.by_trace(7, limit=9)]

        def job(tx: Tx) -> list[tuple[int, bytes]]:
            add(tx)
            with suppress(Refused), tx.savepoint():
                number = add(tx)
                assert not reads or [(2, b"2"), (1, b"1")] == traced(tx)
                refuse(number == 2)
            add(tx)
            return traced(tx)

        both = [(2, b"2"), (1, b"1")]
        assert both == await store.write(job)
        with suppress(Refused):
            await store.write(lambda tx: refuse(add(tx) > 0))
        assert both == await store.write(traced)
        assert 3 == await store.write(add)

    async def test_a_refused_send_is_a_row_in_no_lane(self, store: Store) -> None:
        """
        What the gate refused is in the ledger and never claimed.
        """
        await store.write(
            lambda tx: reserve(tx, 1, lane=None, state="skipped", reason="no_email", address=None)
        )

        row = await store.write(lambda tx: got(tx, 1))
        assert ("skipped", "no_email", None, 0) == (row.state, row.reason, row.lane, row.head)
        assert [] == await store.write(heads)

    async def test_a_row_taken_out_is_the_taker_s_own(self, store: Store) -> None:
        """
        Changing a row changes nothing until it is saved.
        """
        await store.write(lambda tx: reserve(tx, 1, lane=LANE))
        row = await store.write(lambda tx: got(tx, 1))
        row.state, row.due_at = "rejected", 0

        assert "reserved" == (await store.write(lambda tx: got(tx, 1))).state


class TestNextId:
    async def test_a_number_is_never_given_twice(self, store: Store) -> None:
        """
        When retention has taken all it may, the next send still has a new number.
        """

        def fill(tx: Tx) -> None:
            for number in range(1, 4):
                reserve(tx, number, lane=None, state="skipped")

        await store.write(fill)
        for _ in range(9):
            await store.write(lambda tx: tx.sends.prune(NOON + DAY, limit=9))

        assert 4 == await store.write(lambda tx: tx.sends.next_id())


class TestClaimable:
    async def test_only_the_first_of_a_lane_and_only_when_due(self, store: Store) -> None:
        """
        Heads come by due time, then number; what is behind them waits.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            reserve(tx, 1, lane=10, due_at=NOON + 5)
            reserve(tx, 2, lane=10)
            reserve(tx, 3, lane=11)
            reserve(tx, 4, lane=12)
            reserve(tx, 5, lane=13, due_at=NOON - 1)
            numbers = [row.id for row in tx.sends.claimable(now=NOON, limit=9)]
            later = [row.id for row in tx.sends.claimable(now=NOON + 5, limit=9)]
            two = [row.id for row in tx.sends.claimable(now=NOON + 5, limit=2)]
            return numbers, later, two, tx.sends.next_due()

        assert ([5, 3, 4], [5, 3, 4, 1], [5, 3], NOON - 1) == await store.write(job)

    async def test_transactional_mail_goes_first_and_marketing_if_it_is_wanted(
        self, store: Store
    ) -> None:
        """
        A receipt does not stand in line behind a campaign, however long that has been due.
        """

        def job(tx: Tx) -> tuple[list[int], ...]:
            reserve(tx, 1, lane=10, kind=EmailClass.MARKETING, due_at=NOON - 9)
            reserve(tx, 2, lane=13, kind=EmailClass.TRANSACTIONAL)
            reserve(tx, 3, lane=15, kind=EmailClass.TRANSACTIONAL, due_at=NOON - 1)
            every = [row.id for row in tx.sends.claimable(now=NOON, limit=9)]
            one = [row.id for row in tx.sends.claimable(now=NOON, limit=1)]
            some = [row.id for row in tx.sends.claimable(now=NOON, limit=9, marketing=False)]
            return every, one, some, [tx.sends.next_due() or 0]

        assert ([3, 2, 1], [3], [3, 2], [NOON - 9]) == await store.write(job)

    async def test_nothing_waits_in_an_empty_ledger(self, store: Store) -> None:
        """
        With nothing to do there is no next time.
        """
        assert [] == await store.write(heads)
        assert await store.write(lambda tx: tx.sends.next_due()) is None

    async def test_an_open_intent_is_never_claimed_again(self, store: Store) -> None:
        """
        What is in flight holds its lane and is not due at any time.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            reserve(tx, 1, lane=LANE)
            reserve(tx, 2, lane=LANE)
            fly(tx, 1)
            row = got(tx, 1)
            flying = [one.id for one in tx.sends.in_flight()]
            return heads(tx), flying, row.state, row.attempt, row.in_flight_at, tx.sends.next_due()

        assert ([], [1], "in_flight", 1, NOON, None) == await store.write(job)


class TestAccept:
    async def test_the_lane_goes_on(self, store: Store) -> None:
        """
        An accepted send leaves its lane to the next number.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            for number in (1, 2, 3):
                reserve(tx, number, lane=LANE)
            fly(tx, 1)
            taken = tx.sends.accept({1: "x"}, now=NOON + 1, silent_due=NOON + 9)
            after = got(tx, 1)
            again = tx.sends.accept({1: "y"}, now=NOON + 2, silent_due=None)
            return (
                taken, (after.state, after.accepted_at, after.message_id, after.silent_due),
                (after.lane, after.head), heads(tx), again, got(tx, 1).message_id,
            )  # fmt: skip

        expected = {1}, ("accepted", NOON + 1, "x", NOON + 9), (None, 0), [2], set(), "x"
        assert expected == await store.write(job)

    async def test_what_is_not_in_flight_is_not_accepted(self, store: Store) -> None:
        """
        Whoever moved it meanwhile has the last word; a send that is gone is no error.
        """

        def job(tx: Tx) -> set[int]:
            reserve(tx, 1, lane=LANE)
            fly(tx, 1)
            save(tx, 1, state="unknown", unknown_due=5)
            return tx.sends.accept({1: None, 99: None}, now=NOON, silent_due=None)

        assert set() == await store.write(job)

    async def test_message_ids_are_traced(self, store: Store) -> None:
        """
        Of several at once; SendGrid need not have said any.
        """

        def job(tx: Tx) -> list[list[int]]:
            for number in (1, 2, 3):
                reserve(tx, number, lane=LANE + number)
                fly(tx, number)
            tx.sends.accept({1: "x", 2: None, 3: "y"}, now=NOON, silent_due=None)
            traces = (message_trace(name) for name in ("x", "y", ""))
            return [[row.id for row in tx.sends.by_trace(key, limit=9)] for key in traces]

        assert [[1], [3], []] == await store.write(job)


class TestSave:
    async def test_what_may_change_is_written_and_the_rest_stays(self, store: Store) -> None:
        """
        Who it went to and why it was made are never rewritten.
        """
        changes = {
            "state": "accepted", "reason": "x", "due_at": 1, "expires_at": 2, "attempt": 3,
            "unknown_due": 4, "silent_due": 5, "mail": "opened", "accepted_at": 6,
            "delivered_at": 7, "last_event_at": 8, "message_id": "m", "flags": 9, "lane": None,
        }  # fmt: skip

        def job(tx: Tx) -> tuple[SendRow, SendRow]:
            reserve(tx, 1, lane=LANE)
            before = got(tx, 1)
            save(tx, 1, **changes, address="bob@example.com", person=77, tag=1, head=1)
            return replace(before, **changes, head=0), got(tx, 1)  # type: ignore[arg-type]

        expected, found = await store.write(job)
        assert expected == found

    async def test_an_unknown_send_holds_its_lane_and_a_parked_one_frees_it(
        self, store: Store
    ) -> None:
        """
        Nothing of the lane leaves while nobody knows; when a person is to decide, it goes on.
        """

        def job(tx: Tx) -> list[list[int]]:
            reserve(tx, 1, lane=LANE)
            reserve(tx, 2, lane=LANE)
            fly(tx, 1)
            save(tx, 1, state="unknown", unknown_due=5)
            held = heads(tx)
            save(tx, 1, state="parked", lane=None, unknown_due=None)
            return [held, heads(tx)]

        assert [[], [2]] == await store.write(job)

    async def test_a_retry_keeps_its_place(self, store: Store) -> None:
        """
        A send to be tried again is before those behind it, also while it is not due.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            reserve(tx, 1, lane=LANE)
            reserve(tx, 2, lane=LANE)
            fly(tx, 1)
            save(tx, 1, state="retry", due_at=NOON + HOUR, attempt=1)
            return (
                [row.id for row in tx.sends.claimable(now=NOON, limit=9)],
                heads(tx), tx.sends.next_due(),
            )  # fmt: skip

        assert ([], [1], NOON + HOUR) == await store.write(job)

    async def test_one_behind_may_leave_without_moving_the_head(self, store: Store) -> None:
        """
        A send cancelled in the middle of its lane leaves the order of the others.
        """

        def job(tx: Tx) -> list[list[int]]:
            for number in (1, 2, 3):
                reserve(tx, number, lane=LANE)
            save(tx, 2, state="skipped", lane=None)
            before = heads(tx)
            save(tx, 1, state="skipped", lane=None)
            return [before, heads(tx)]

        assert [[1], [3]] == await store.write(job)

    async def test_a_lane_is_not_joined_by_saving(self, store: Store) -> None:
        """
        A row read while it was in its lane does not bring it back there.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            reserve(tx, 1, lane=LANE)
            stale = got(tx, 1)
            save(tx, 1, state="skipped", lane=None)
            tx.sends.save(stale)
            row = got(tx, 1)
            return row.lane, row.head, heads(tx)

        assert (None, 0, []) == await store.write(job)

    async def test_a_stale_row_does_not_stop_its_lane(self, store: Store) -> None:
        """
        A row read before it became the head is still the head after it is saved.
        """

        def job(tx: Tx) -> list[int]:
            reserve(tx, 1, lane=LANE)
            reserve(tx, 2, lane=LANE)
            stale = got(tx, 2)
            save(tx, 1, state="skipped", lane=None)
            tx.sends.save(replace(stale, mail="processed"))
            return heads(tx)

        assert [2] == await store.write(job)

    async def test_a_send_that_is_gone_is_no_error(self, store: Store) -> None:
        """
        Retention may be faster than an answer.
        """

        def job(tx: Tx) -> SendRow | None:
            reserve(tx, 1, lane=None, state="skipped")
            tx.sends.save(replace(got(tx, 1), id=9))
            return tx.sends.get(9)

        assert await store.write(job) is None


class TestDeferred:
    async def test_it_is_asked_of_again_when_it_is_time(self, store: Store) -> None:
        """
        Sends put off come in order of time, then of number, up to a limit; by rule, by number.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            nothing = tx.sends.next_deferred()
            for number, at in ((1, 30), (2, 10), (3, 10), (4, 20), (5, 99)):
                reserve(tx, number, lane=None, rule="odd" if number % 2 else "even")
                save(tx, number, deferred=at)
            reserve(tx, 6, lane=None)
            return (
                nothing, tx.sends.next_deferred(),
                [row.id for row in tx.sends.deferred_due(now=30, limit=9)],
                [row.id for row in tx.sends.deferred_due(now=30, limit=2)],
                [row.id for row in tx.sends.deferred_due(now=9, limit=9)],
                [row.id for row in tx.sends.deferred_of("odd", limit=9)],
                [row.id for row in tx.sends.deferred_of("odd", limit=1)],
                got(tx, 5).deferred,
            )  # fmt: skip

        expected = None, 10, [2, 3, 4, 1], [2, 3], [], [1, 3, 5], [1], 99
        assert expected == await store.write(job)

    async def test_it_is_open_and_not_aside(self, store: Store) -> None:
        """
        Erasure must stop it, but resuming a paused email leaves it where it is.
        """

        def job(tx: Tx) -> list[list[int]]:
            for number in (1, 2):
                reserve(tx, number, lane=None)
            save(tx, 1, deferred=NOON)
            return [
                [row.id for row in tx.sends.aside("order", limit=9)],
                [row.id for row in tx.sends.open_of_person(1)],
                [row.id for row in tx.sends.newest(state="reserved", before=None, limit=9)],
            ]

        assert [[2], [1, 2], [2, 1]] == await store.write(job)

    async def test_back_in_its_lane_it_is_deferred_no_longer(self, store: Store) -> None:
        """
        It leaves with the others there, and is not asked of twice.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            reserve(tx, 1, lane=None)
            row = save(tx, 1, deferred=NOON)
            tx.sends.rejoin(row, lane=LANE)
            return row.deferred, got(tx, 1).deferred, tx.sends.next_deferred(), heads(tx)

        assert (None, None, None, [1]) == await store.write(job)

    async def test_only_what_is_out_of_its_lane_and_may_leave_is_deferred(
        self, store: Store
    ) -> None:
        """
        Whatever a row says of one in its lane or one that has ended.
        """

        def job(tx: Tx) -> list[int | None]:
            reserve(tx, 1, lane=LANE)
            reserve(tx, 2, lane=None)
            reserve(tx, 3, lane=LANE)
            reserve(tx, 4, lane=LANE)
            save(tx, 1, deferred=NOON)
            for state in ("reserved", "retry", "skipped"):
                save(tx, 2, state=state, deferred=NOON)
            save(tx, 3, lane=None, deferred=NOON)
            tx.sends.rejoin(replace(got(tx, 4), deferred=NOON), lane=LANE)
            return [got(tx, number).deferred for number in (1, 2, 3, 4)]

        assert [None, None, NOON, None] == await store.write(job)

    async def test_a_merge_leaves_it_deferred(self, store: Store) -> None:
        """
        It then is the other person's.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            winner, loser = (tx.people.add((user(name),)) for name in ("u1", "u2"))
            reserve(tx, 1, lane=None, person=loser.id)
            save(tx, 1, deferred=NOON)
            tx.people.merge(loser.id, people.merge(winner, loser))
            (row,) = tx.sends.deferred_due(now=NOON, limit=9)
            return row.person, row.deferred

        assert (1, NOON) == await store.write(job)


class TestMarketing:
    async def test_what_may_have_reached_a_person_and_when(self, store: Store) -> None:
        """
        Oldest first, from a moment on; not what SendGrid did not take, nor others' sends.
        """
        states = (
            "reserved", "in_flight", "retry", "unknown", "parked", "accepted", "rejected",
            "skipped", "expired", "dropped",
        )  # fmt: skip

        def job(tx: Tx) -> list[list[tuple[int, int]]]:
            for number, state in enumerate(states, 1):
                reserve(tx, number, lane=None, state=state)
                tx.sends.mark_marketing(1, at=NOON - number, send=number)
            reserve(tx, 11, lane=None, state="accepted")
            tx.sends.mark_marketing(2, at=NOON, send=11)
            reserve(tx, 12, lane=None, state="accepted")
            tx.sends.mark_marketing(1, at=NOON - 6, send=12)
            return [
                [(at, row.id) for at, row in tx.sends.marketing_since(1, since=since)]
                for since in (NOON - 99, NOON - 4, NOON - 1)
            ]

        assert [
            [(NOON - 10, 10), (NOON - 6, 6), (NOON - 6, 12), (NOON - 5, 5), (NOON - 4, 4),
             (NOON - 2, 2)],
            [(NOON - 4, 4), (NOON - 2, 2)],
            [],
        ] == await store.write(job)  # fmt: skip

    async def test_a_send_counts_once_at_the_last_time_it_left(self, store: Store) -> None:
        """
        One that was tried again is not two; the later time is the one that matters to a cap.
        """

        def job(tx: Tx) -> list[tuple[int, SendRow]]:
            reserve(tx, 1, lane=None, state="accepted")
            for at in (NOON, NOON + 5, NOON + 5, NOON + 3):
                tx.sends.mark_marketing(1, at=at, send=1)
            assert [] == tx.sends.marketing_since(1, since=NOON + 6)
            return tx.sends.marketing_since(1, since=NOON)

        ((at, row),) = await store.write(job)
        assert NOON + 5 == at
        assert row == await store.write(lambda tx: tx.sends.get(1))

    async def test_a_merge_unites_them(self, store: Store) -> None:
        """
        What either got counts for the person both became, though the ledger says whom it was for.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            winner, loser = (tx.people.add((user(name),)) for name in ("u1", "u2"))
            for number, person in ((1, 1), (2, 2), (3, 1)):
                reserve(tx, number, lane=None, person=person, state="accepted")
                tx.sends.mark_marketing(person, at=NOON + number, send=number)
            tx.people.merge(loser.id, people.merge(winner, loser))
            tx.sends.mark_marketing(1, at=NOON + 9, send=2)
            return (
                [row.id for _, row in tx.sends.marketing_since(1, since=NOON)],
                tx.sends.marketing_since(2, since=NOON),
            )  # fmt: skip

        assert ([1, 3, 2], []) == await store.write(job)

    async def test_erasure_and_retention_take_the_mark(self, store: Store) -> None:
        """
        Of whom a send left for, nothing stays that it does not say itself.
        """

        def job(tx: Tx) -> list[int]:
            for number in (1, 2, 3, 4):
                reserve(tx, number, lane=None, state="accepted", reserved_at=NOON + number)
                tx.sends.mark_marketing(1, at=NOON, send=number)
            tx.sends.erase(2)
            tx.sends.prune(NOON + 2, limit=9)
            return [row.id for _, row in tx.sends.marketing_since(1, since=NOON)]

        assert [3, 4] == await store.write(job)


class TestRejoin:
    async def test_it_comes_back_in_order_behind_the_head(self, store: Store) -> None:
        """
        Put back, a send waits for the head, and goes before those that were made later.
        """

        def job(tx: Tx) -> list[object]:
            for number in (1, 2, 3, 4):
                reserve(tx, number, lane=LANE)
            save(tx, 1, lane=None, reason="paused: email order")
            fly(tx, 2)
            back = got(tx, 1)
            back.due_at = NOON + 3
            tx.sends.rejoin(back, lane=LANE)
            seen: list[object] = [(back.lane, back.head), heads(tx), got(tx, 1).due_at]
            tx.sends.accept({2: None}, now=NOON, silent_due=None)
            return [*seen, heads(tx)]

        assert [(LANE, 0), [], NOON + 3, [1]] == await store.write(job)

    async def test_into_an_empty_lane_it_is_the_head(self, store: Store) -> None:
        """
        With nobody else there it may leave at once.
        """

        def job(tx: Tx) -> list[object]:
            reserve(tx, 1, lane=None, state="parked")
            row = got(tx, 1)
            row.state = "retry"
            tx.sends.rejoin(row, lane=LANE)
            return [(row.lane, row.head), heads(tx), got(tx, 1).state]

        assert [(LANE, 1), [1], "retry"] == await store.write(job)

    async def test_twice_is_once(self, store: Store) -> None:
        """
        A send that is in its lane already only is saved.
        """

        def job(tx: Tx) -> list[object]:
            reserve(tx, 1, lane=LANE)
            reserve(tx, 2, lane=LANE)
            row = got(tx, 1)
            row.due_at = NOON + 5
            tx.sends.rejoin(row, lane=LANE)
            return [heads(tx), got(tx, 1).due_at]

        assert [[1], NOON + 5] == await store.write(job)


class TestByTrace:
    async def test_the_newest_first_over_generations(self, store: Store) -> None:
        """
        A key leads to all its sends, however many came between; no other key does.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            for number in range(1, 31):
                reserve(tx, number, lane=None, state="skipped")
                tx.sends.add_trace(number % 3 - 1, number)
                tx.sends.add_trace(number % 3 - 1, number)
            found = [row.id for row in tx.sends.by_trace(-1, limit=99)]
            four = [row.id for row in tx.sends.by_trace(0, limit=4)]
            return found, four, tx.sends.by_trace(5, limit=9)

        expected = list(range(30, 0, -3)), [28, 25, 22, 19], []
        assert expected == await store.write(job)

    async def test_what_retention_took_takes_no_room(self, store: Store) -> None:
        """
        As many are found as were asked for, of those that are there.
        """

        def job(tx: Tx) -> list[int]:
            reserve(tx, 1, lane=LANE)
            reserve(tx, 2, lane=None, state="skipped")
            reserve(tx, 3, lane=LANE)
            for number in (1, 2, 3):
                tx.sends.add_trace(1, number)
            tx.sends.prune(NOON + 1, limit=9)
            return [row.id for row in tx.sends.by_trace(1, limit=2)]

        assert [3, 1] == await store.write(job)

    async def test_what_retention_took_is_passed_over(self, store: Store) -> None:
        """
        A trace may outlive its send for a while; it then leads nowhere.
        """

        def fill(tx: Tx) -> None:
            for number in range(1, 8):
                reserve(tx, number, lane=None, state="skipped", reserved_at=NOON + number)
                tx.sends.add_trace(1, number)

        await store.write(fill)
        for _ in range(9):
            await store.write(lambda tx: tx.sends.prune(NOON + 5, limit=2))

        found = await store.write(lambda tx: tx.sends.by_trace(1, limit=9))
        assert [7, 6, 5] == [row.id for row in found]


class TestDue:
    async def test_waits_that_are_over_come_by_their_time(self, store: Store) -> None:
        """
        Unknown ones by the clock of evidence, silent ones by the wall clock, each up to a limit.
        """

        def job(tx: Tx) -> list[list[int]]:
            for number, due in ((1, 30), (2, 10), (3, 20), (4, 99)):
                reserve(tx, number, lane=number * 2, state="unknown")
                save(tx, number, unknown_due=due)
                reserve(tx, 10 + number, lane=None, state="accepted")
                save(tx, 10 + number, silent_due=due)
            return [
                [row.id for row in tx.sends.unknown_due(now=30, limit=9)],
                [row.id for row in tx.sends.unknown_due(now=30, limit=1)],
                [row.id for row in tx.sends.silent_due(now=20, limit=9)],
                [row.id for row in tx.sends.silent_due(now=9, limit=9)],
            ]

        assert [[2, 3, 1], [2], [12, 13], []] == await store.write(job)


class TestNewest:
    async def test_every_state_has_its_pages(self, store: Store) -> None:
        """
        Whatever index serves it, a state shows all its rows, newest first, and no other.
        """
        states = (
            "reserved", "in_flight", "retry", "unknown", "parked", "accepted", "rejected",
            "skipped", "expired", "dropped",
        )  # fmt: skip
        in_lane = {"reserved", "in_flight", "retry", "unknown"}

        def fill(tx: Tx) -> None:
            for number in range(1, 41):
                state = states[number % 10]
                lane = number * 2 if state in in_lane else None
                reserve(tx, number, lane=lane, state=state)
            for number in (41, 42):
                reserve(tx, number, lane=None, state="reserved", reason="paused: email order")

        await store.write(fill)

        for place, state in enumerate(states):
            rows = await store.write(
                lambda tx, s=state: tx.sends.newest(state=s, before=None, limit=99)
            )
            expected = [n for n in range(40, 0, -1) if n % 10 == place]
            aside = [42, 41] if state == "reserved" else []
            assert aside + expected == [row.id for row in rows], state
            older = await store.write(
                lambda tx, s=state, b=expected[0]: tx.sends.newest(state=s, before=b, limit=2)
            )
            assert expected[1:3] == [row.id for row in older], state
        everything = await store.write(lambda tx: tx.sends.newest(state=None, before=40, limit=3))
        assert [39, 38, 37] == [row.id for row in everything]


class TestAside:
    async def test_what_stepped_out_of_its_lane_and_may_still_leave(self, store: Store) -> None:
        """
        Sends of a paused email are found oldest first; ended ones and other emails are not.
        """

        def job(tx: Tx) -> list[list[int]]:
            reserve(tx, 1, lane=None, state="retry")
            reserve(tx, 2, lane=None, state="reserved")
            reserve(tx, 3, lane=None, state="parked")
            reserve(tx, 4, lane=None, state="accepted")
            reserve(tx, 5, lane=None, state="retry", email="other")
            reserve(tx, 6, lane=LANE)
            return [
                [row.id for row in tx.sends.aside("order", limit=9)],
                [row.id for row in tx.sends.aside("order", limit=1)],
            ]

        assert [[1, 2], [1]] == await store.write(job)


class TestOpenOfPerson:
    async def test_all_that_may_still_leave_in_both_lanes_and_aside(self, store: Store) -> None:
        """
        What erasure must stop: waiting, in flight, unknown, stepped aside and parked ones.
        """

        def job(tx: Tx) -> list[int]:
            reserve(tx, 1, lane=LANE)
            reserve(tx, 2, lane=LANE + 1)
            reserve(tx, 3, lane=None, person=1, state="parked")
            reserve(tx, 4, lane=None, person=1, state="retry")
            reserve(tx, 5, lane=None, person=1, state="accepted")
            reserve(tx, 6, lane=LANE + 2)
            reserve(tx, 7, lane=LANE, state="unknown")
            return [row.id for row in tx.sends.open_of_person(1)]

        assert [1, 2, 3, 4, 7] == await store.write(job)


class TestOfEvent:
    async def test_all_sends_of_one_cause(self, store: Store) -> None:
        """
        Also refused ones, oldest first.
        """

        def job(tx: Tx) -> list[int]:
            reserve(tx, 1, lane=LANE, origin=9, rule="z")
            reserve(tx, 2, lane=None, origin=9, rule="a", state="skipped")
            reserve(tx, 3, lane=LANE, origin=8)
            return [row.id for row in tx.sends.of_event(9)]

        assert [1, 2] == await store.write(job)


class TestOfRun:
    async def test_all_sends_of_a_run_and_no_other_s(self, store: Store) -> None:
        """
        From its first step to its exit, also refused ones, oldest first.
        """

        def job(tx: Tx) -> list[list[int]]:
            origins = (
                exit_origin(5), origin_of(5, 1), origin_of(5, 1_000), origin_of(6, 1),
                exit_origin(4), 5, 5 * 1_024, origin_of(5, 0),
            )  # fmt: skip
            for number, origin in enumerate(origins, 1):
                reserve(tx, number, lane=None, state="skipped", origin=origin)
            return [[row.id for row in tx.sends.of_run(number)] for number in (4, 5, 6, 7)]

        assert [[5], [1, 2, 3, 8], [4], []] == await store.write(job)


class TestAttempts:
    async def test_they_come_in_order(self, store: Store) -> None:
        """
        What each attempt came to is kept by send.
        """
        first, second = Attempt(1, NOON, "retry", "503"), Attempt(2, NOON + 1, "reject", "400: no")

        def job(tx: Tx) -> None:
            tx.sends.add_attempt(1, first)
            tx.sends.add_attempt(2, first)
            tx.sends.add_attempt(1, second)

        await store.write(job)

        assert [first, second] == await store.write(lambda tx: tx.sends.attempts(1))
        assert [] == await store.write(lambda tx: tx.sends.attempts(3))


class TestErase:
    async def test_nothing_of_the_person_stays_on_the_row(self, store: Store) -> None:
        """
        Address, user, data, what the API said, and the trace by the address go; the rest stays.
        """
        trace = address_trace("ann@example.com")

        def job(tx: Tx) -> tuple[object, ...]:
            for number in (1, 2):
                reserve(tx, number, lane=None, state="rejected", reason="400: ann@example.com")
                tx.sends.add_trace(trace, number)
                tx.sends.add_attempt(number, Attempt(1, NOON, "reject", "400: ann@example.com"))
            before = got(tx, 1)
            tx.sends.erase(1)
            tx.sends.erase(99)
            expected = replace(before, address=None, user="", reason="erased")
            return (
                astuple(expected) == astuple(got(tx, 1)), tx.sends.data(1), tx.sends.attempts(1),
                [row.id for row in tx.sends.by_trace(trace, limit=9)], got(tx, 2).address,
            )  # fmt: skip

        expected = True, b"{}", [Attempt(1, NOON, "reject", "")], [2], "ann@example.com"
        assert expected == await store.write(job)


class TestPrune:
    async def test_what_is_open_stays_however_old(self, store: Store) -> None:
        """
        Retention takes only sends whose life on our side is over, with their data and attempts.
        """
        ended = ("accepted", "rejected", "skipped", "expired", "dropped")
        still_open = ("reserved", "retry", "in_flight", "unknown", "parked")

        def fill(tx: Tx) -> None:
            for number in range(1, 41):
                state = (ended + still_open)[number % 10]
                lane = number * 2 if state in still_open[:4] and number % 20 < 10 else None
                reserve(tx, number, lane=lane, state=state, reserved_at=NOON + number)
                tx.sends.add_attempt(number, Attempt(1, NOON, "x", "y"))

        await store.write(fill)

        for _ in range(60):
            await store.write(lambda tx: tx.sends.prune(NOON + 30, limit=2))

        rows = await store.write(lambda tx: tx.sends.newest(state=None, before=None, limit=99))
        left = [n for n in range(40, 0, -1) if n % 10 >= 5 or n >= 30]
        assert left == [row.id for row in rows]
        attempted = await store.write(
            lambda tx: [number for number in range(1, 41) if tx.sends.attempts(number)]
        )
        assert left[::-1] == attempted
        with_data = await store.write(
            lambda tx: [number for number in range(1, 41) if tx.sends.data(number) != b"{}"]
        )
        assert left[::-1] == with_data

    async def test_some_at_a_time(self, store: Store) -> None:
        """
        A turn takes no more than it was told, and says when nothing is left.
        """

        def fill(tx: Tx) -> None:
            for number in range(1, 12):
                reserve(tx, number, lane=None, state="skipped")

        await store.write(fill)

        gone = [await store.write(lambda tx: tx.sends.prune(NOON + 1, limit=4)) for _ in range(5)]
        assert 10 == sum(gone)
        assert max(gone) <= 4
        assert 0 == gone[-1]
