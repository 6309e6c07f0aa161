"""What journeys came to, read from a store."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest
from tests.contract.run_rows import OVER, enter, passage
from tests.support.rows import HOUR, NOON, send

from homing.adapters.memory.state import MemoryState, MemoryTx
from homing.core.journeys.run import Run, origin_of
from homing.core.journeys.statistics import Flow
from homing.ports import Definition
from homing.processes.journey_stats import (
    AT_ONCE,
    Plot,
    converted_runs,
    flows_in,
    plot_of,
    stats_of,
    totals_of,
)
from homing.stages.run_counts import counter


@pytest.fixture
def tx() -> MemoryTx:
    """An empty store."""
    return MemoryState().now


def defined(version: str, *steps: dict[str, object]) -> Definition:
    """A version of a journey as it was written."""
    return Definition("cart", version, orjson.dumps({"step": list(steps)}))


def chance(name: str, *variants: str) -> dict[str, object]:
    """A random split."""
    return {"id": name, "random": [{"name": variant} for variant in variants]}


def mailed(tx: MemoryTx, run: Run, passed: int, left_at: int) -> int:
    """Let a send of a run leave and be taken; its number."""
    number = tx.sends.next_id()
    reserved = send(number, origin=origin_of(run.id, passed), rule="cart", step=f"mail{passed}")
    tx.sends.reserve(reserved, lane=None)
    tx.sends.intend(number, now=left_at)
    row = tx.sends.get(number)
    assert row is not None
    row.state = "accepted"
    tx.sends.save(row)
    return number


class TestFlowsIn:
    def test_counts_of_journeys_alone(self) -> None:
        """Whatever their names hold."""
        counts = {
            counter(("a:b", "send", "s", '"x"', "v")): 3, "events:done": 5, "journeys": 1,
        }  # fmt: skip

        assert {"a:b": [Flow("send", "s", '"x"', "v", 3)]} == flows_in(counts)


class TestTotalsOf:
    def test_since_the_store_was_made_and_waiting_now(self, tx: MemoryTx) -> None:
        """A journey that nobody came to yet is one too."""
        tx.runs.define(Definition("new", "v1", b"{}"))
        enter(tx)
        counts = {
            counter(("cart", "entered", "", "", "")): 4,
            counter(("cart", "goal", "wait", "", "")): 1,
            counter(("cart", "goal", "mail", "a", "a")): 2,
            counter(("cart", "not_entered", "", "once", "")): 7,
        }

        found = totals_of(tx, counts)

        assert ["cart", "new"] == list(found)
        cart = found["cart"]
        assert (4, 1, 3, {"once": 7}) == (
            cart.entered, cart.waiting, cart.converted, cart.not_entered,
        )  # fmt: skip
        assert 0 == found["new"].entered


class TestPlotOf:
    def test_newest_version_first_and_variants_of_all(self) -> None:
        """What is told by variant begins at the first split of a version."""
        versions = [
            Definition("other", "v9", b'{"step": [{"id": "x"}]}'),
            defined("v1", {"id": "old"}, chance("which", "a", "b"), {"id": "mail"}),
            defined("v2", {"id": "wait"}, chance("which", "b", "c"), {"id": "mail"}),
        ]

        assert Plot(
            ("wait", "which", "mail", "old"),
            {"which": ("b", "c", "a")},
            frozenset({"which", "mail"}),
        ) == plot_of(versions, "cart")

    @pytest.mark.parametrize("text", [b"[]", b"{}", b'{"step": [5]}', b"null"])
    def test_what_has_no_steps(self, text: bytes) -> None:
        """Gives none."""
        assert Plot((), {}, frozenset()) == plot_of([Definition("cart", "v1", text)], "cart")


class TestConvertedRuns:
    def test_all_of_them_however_many(self, tx: MemoryTx) -> None:
        """A page at a time."""
        for _ in range(AT_ONCE + 2):
            enter(tx, converted_at=NOON)

        assert list(range(1, AT_ONCE + 3)) == [run.id for run in converted_runs(tx, "cart")]


class TestStatsOf:
    def test_touches_regret_and_exact_value(self, tx: MemoryTx) -> None:
        """One mail an hour before, one that left as the goal was reached: by event time."""
        tx.runs.define(defined("v1", {"id": "mail1"}, {"id": "mail2"}))
        run = enter(tx, converted_at=NOON, value="0.1", first_touch=1, last_touch=1, **OVER)
        mailed(tx, run, 1, NOON - HOUR)
        mailed(tx, run, 2, NOON)
        enter(tx, converted_at=NOON, value="0.2", **OVER)
        enter(tx)

        stats = stats_of(tx, "cart")

        assert (2, Decimal("0.3"), 2 / 3) == (stats.converted, stats.value, stats.rate.value)
        assert {"first": 1, "last": 1, "late": 1} == stats.touches
        assert {"completed": 2, "waiting": 1} == stats.runs
        steps = {step.step: step for step in stats.steps if step.variant is None}
        assert ({"first": 1, "last": 1}, Decimal("0.1")) == (
            steps["mail1"].touches, steps["mail1"].value,
        )  # fmt: skip
        assert {"late": 1} == steps["mail2"].touches

    def test_a_split_whose_version_is_not_kept_is_found_by_its_counts(self, tx: MemoryTx) -> None:
        """A branch that chance took bears the variant's own name."""
        run = enter(tx, variant="a", **OVER)
        tx.runs.note([passage(run.id, what="branch", step="gone", name="a")])
        tx.books.count(counter(("cart", "branch", "gone", "a", "a")))
        tx.books.count(counter(("cart", "branch", "hold", "changed", "a")))

        (split,) = stats_of(tx, "cart").splits

        assert ("gone", ["a"]) == (split.step, [arm.variant for arm in split.arms])
