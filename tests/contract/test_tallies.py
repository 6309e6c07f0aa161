"""What statistics are counted from: every store gives the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace
from tests.contract.run_rows import OVER, enter, passage
from tests.support.rows import NOON, send

from homing.core.effects import SendFlag
from homing.core.journeys.run import Run, RunState, origin_of
from homing.core.journeys.statistics import Mailed, Member, Stand
from homing.ports import Store, Tx


def counted(rows: Iterable[Any]) -> Counter[Any]:
    """Equal rows once, with how many there are: a store may count them or leave them apart."""
    found: Counter[Any] = Counter()
    for row in rows:
        found[replace(row, count=1)] += row.count
    return found


def mail(tx: Tx, run: Run, passed: int = 1, **columns: Any) -> None:  # noqa: ANN401
    """Reserve a send of a run, and let become of it what *columns* say."""
    number = tx.sends.next_id()
    origin = origin_of(run.id, passed)
    made = send(number, origin=origin, rule=run.journey, step="remind")
    tx.sends.reserve(made, lane=None)
    row = tx.sends.get(number)
    assert row is not None
    for name, value in columns.items():
        setattr(row, name, value)
    tx.sends.save(row)


class TestTally:
    async def test_runs_by_state_step_and_variant(self, store: Store) -> None:
        """Also those that ended; of other journeys none."""

        def job(tx: Tx) -> Counter[Any]:
            enter(tx)
            enter(tx)
            enter(tx, variant="plain", step="remind", **OVER)
            enter(tx, journey="other")
            return counted(tx.runs.tally("cart"))

        expected = {
            Stand("waiting", "wait", ""): 2,
            Stand("completed", "remind", "plain"): 1,
        }
        assert expected == await store.write(job)


class TestConverted:
    async def test_in_order_a_page_at_a_time(self, store: Store) -> None:
        """Those that wait and those that ended, whichever comes first."""

        def job(tx: Tx) -> list[list[int]]:
            for number in range(6):
                over = OVER if number % 2 else {}
                converted = {} if number == 3 else {"converted_at": NOON, "value": "1.5"}
                enter(tx, **over, **converted)
            enter(tx, journey="other", converted_at=NOON)
            pages = (tx.runs.converted("cart", after=after, limit=3) for after in (0, 3, 6))
            return [[run.id for run in page] for page in pages]

        assert [[1, 2, 3], [5, 6], []] == await store.write(job)


class TestMembers:
    async def test_by_split_and_variant_with_what_came_of_them(self, store: Store) -> None:
        """A run counts once, by its last way; a mail of any step counts."""

        def job(tx: Tx) -> Counter[Any]:
            plain = enter(tx, converted_at=NOON, value="5")
            again = enter(tx, state=RunState.COMPLETED)
            enter(tx)  # came to no split
            lines = [
                passage(plain.id, what="branch", step="which", name="a"),
                passage(plain.id, what="branch", step="other", name="x"),
                passage(again.id, what="branch", step="which", name="a"),
                passage(again.id, what="branch", step="which", name="b"),
                passage(again.id, what="timeout", step="which", name="a"),
            ]
            tx.runs.note(lines)
            mail(tx, plain, 1, state="accepted", mail="processed")
            mail(tx, plain, 2, state="accepted", mail="bounced")
            mail(tx, again, 1, state="accepted", mail="machine_opened")
            mail(tx, again, 2, state="accepted", flags=int(SendFlag.OPENED | SendFlag.CLICKED))
            return counted(tx.runs.members("cart", ["which"]))

        expected = {
            Member("which", "a", converted=True, value="5"): 1,
            Member("which", "b", reached=True, opened=True, clicked=True): 1,
        }
        assert expected == await store.write(job)

    async def test_without_a_split_nobody_is_one(self, store: Store) -> None:
        """Whatever they passed."""

        def job(tx: Tx) -> list[Member]:
            run = enter(tx)
            tx.runs.note([passage(run.id, what="branch", step="which", name="a")])
            return tx.runs.members("cart", [])

        assert [] == await store.write(job)


class TestMailed:
    async def test_sends_of_a_journey_by_what_became_of_them(self, store: Store) -> None:
        """Those of a route of the same name are none of them."""

        def job(tx: Tx) -> Counter[Any]:
            first, second = enter(tx), enter(tx)
            mail(tx, first, state="accepted", mail="delivered", delivered_at=NOON)
            mail(tx, second, state="skipped", reason="suppressed: global")
            tx.sends.reserve(send(tx.sends.next_id(), origin=7, rule="cart"), lane=None)
            return counted(tx.sends.mailed("cart"))

        expected = {
            Mailed("remind", "", "accepted", None, "delivered", delivered=True): 1,
            Mailed("remind", "", "skipped", "suppressed: global", None): 1,
        }
        assert expected == await store.write(job)
