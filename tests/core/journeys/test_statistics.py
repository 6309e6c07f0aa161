"""What a journey came to: every table is held to a plain count."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.contract.run_rows import run as a_run

from homing.core.effects import SendFlag, SendRow
from homing.core.journeys import experiments
from homing.core.journeys.statistics import (
    JUST_BEFORE_MS,
    Flow,
    Mailed,
    Member,
    Rows,
    Stand,
    Touch,
    reason_kind,
    split_tables,
    step_tables,
    total_of,
    touches_of,
)

NOON = 1_700_000_000_000
STEPS = st.sampled_from(["wait", "remind", ""])
VARIANTS = st.sampled_from(["", "plain", "discount"])
COUNTS = st.integers(1, 5)

WHATS = ["entered", "waiting", "branch", "timeout", "exited", "send", "skipped", "goal"]
flows = st.builds(
    Flow, st.sampled_from(WHATS), STEPS, st.sampled_from(["", "a", "b"]), VARIANTS, COUNTS,
)  # fmt: skip
mails = st.builds(
    Mailed, STEPS, VARIANTS,
    st.sampled_from(["accepted", "skipped", "retry"]),
    st.sampled_from([None, "suppressed: global", "bad_data: x"]),
    st.sampled_from([None, "delivered", "clicked", "machine_opened", "bounced"]),
    st.sampled_from([0, 4, 12, 5]), st.booleans(), COUNTS,
)  # fmt: skip
stands = st.builds(Stand, st.sampled_from(["waiting", "completed"]), STEPS, VARIANTS, COUNTS)
members = st.builds(
    Member, st.sampled_from(["which"]), st.sampled_from(["a", "b"]), st.booleans(),
    st.sampled_from([None, "0.1", "10"]), st.booleans(), st.booleans(), st.booleans(), COUNTS,
)  # fmt: skip


def a_send(number: int, left_at: int | None, **columns: object) -> SendRow:
    """A send of run 1 that left, and was taken."""
    row = SendRow(
        number, 1, -1025, "cart", f"s{number}", None, "v", 1, 1, "u1", "mail", "marketing", None,
        "a@x.io", None, "accepted", None, None, 1, NOON, NOON, NOON, left_at, NOON, None, None,
        None, None, 0, None, None, 0,
    )  # fmt: skip
    for name, value in columns.items():
        setattr(row, name, value)
    return row


class TestStepTables:
    @given(st.lists(flows), st.lists(mails), st.lists(stands))
    def test_each_figure_is_a_plain_count(
        self, told: list[Flow], mailed: list[Mailed], standing: list[Stand]
    ) -> None:
        """Of each row as often as it says."""
        tables = step_tables(Rows(told, standing, mailed))

        for table in (one for one in tables if one.variant is None):
            here = [one for one in told if one.step == table.step]
            sent = [one for one in mailed if one.step == table.step and not one.flags & 1]
            count = {
                what: sum(one.count for one in here if one.what == what)
                for what in ("timeout", "goal", "branch", "exited")
            }
            assert count["timeout"] == table.timed_out
            assert count["goal"] == table.converted
            assert count["branch"] == sum(table.branches.values())
            assert count["exited"] == sum(table.exited.values())
            accepted = sum(one.count for one in sent if one.state == "accepted")
            assert accepted == table.sent
            assert sum(one.count for one in sent if one.flags & 8) == table.clicked
            assert sum(one.count for one in sent) == sum(table.sends.values())

    @given(st.lists(flows), st.lists(mails), st.lists(stands))
    def test_variants_sum_to_the_step(
        self, told: list[Flow], mailed: list[Mailed], standing: list[Stand]
    ) -> None:
        """Nothing is counted twice or lost between them."""
        tables = step_tables(Rows(told, standing, mailed))

        for table in (one for one in tables if one.variant is None):
            parts = [t for t in tables if t.step == table.step and t.variant is not None]
            if parts:
                for name in ("waiting", "delivered", "opened", "clicked", "converted", "sent"):
                    assert getattr(table, name) == sum(getattr(part, name) for part in parts), name

    @given(st.lists(flows), st.lists(mails), st.lists(stands))
    def test_rows_counted_or_apart_are_the_same(
        self, told: list[Flow], mailed: list[Mailed], standing: list[Stand]
    ) -> None:
        """A store may count equal rows, or leave them apart."""
        apart = Rows(
            [replace(one, count=1) for one in told for _ in range(one.count)],
            [replace(one, count=1) for one in standing for _ in range(one.count)],
            [replace(one, count=1) for one in mailed for _ in range(one.count)],
        )

        assert step_tables(apart) == step_tables(Rows(told, standing, mailed))

    def test_a_hold(self) -> None:
        """Five came, one without a wait; two went on, one was bought out, two wait."""
        told = [
            Flow("waiting", "wait", "", "", 4),
            Flow("branch", "wait", "seen", "", 1),
            Flow("timeout", "wait", "", "", 1),
            Flow("restarted", "wait", "changed", "", 7),
            Flow("exited", "wait", "bought", "", 1),
        ]

        (table,) = step_tables(Rows(told, [Stand("waiting", "wait", "", 2)]))

        assert (5, 2, 2, 7) == (table.entered, table.waiting, table.passed, table.restarted)
        assert {"bought": 1} == table.exited
        assert 0.2 == table.drop_off

    def test_a_delay_and_a_send(self) -> None:
        """The end of a delay has no line of its own; a send that was refused was entered."""
        told = [
            Flow("waiting", "later", "", "", 3),
            Flow("send", "remind", "mail", "", 2),
            Flow("skipped", "remind", "no_email", "", 1),
        ]

        later, remind = step_tables(Rows(told), ["later", "remind"])

        assert (3, 3, 0.0) == (later.entered, later.passed, later.drop_off)
        assert (3, {"no_email": 1}) == (remind.entered, remind.skipped)

    def test_a_step_nobody_came_to(self) -> None:
        """Is in the table, and has no rate."""
        (table,) = step_tables(Rows(), ["never"])

        assert (0, None) == (table.entered, table.drop_off)

    def test_by_variant_only_where_there_are_variants(self) -> None:
        """Before the split a run has none, or that of an earlier round."""
        told = [Flow("waiting", "wait", "", "a"), Flow("send", "remind", "mail", "a")]

        tables = step_tables(Rows(told), ["wait", "remind"], {"remind"})

        assert [("wait", None), ("remind", None), ("remind", "a")] == [
            (table.step, table.variant) for table in tables
        ]

    def test_what_was_refused_later_counts_and_what_was_at_once_counts_once(self) -> None:
        """The history has two of three that the ledger skipped, and one that is no send."""
        told = [
            Flow("skipped", "remind", "suppressed: global", "", 2),
            Flow("skipped", "remind", "bad_values", "", 1),
        ]
        mailed = [Mailed("remind", "", "skipped", "suppressed: global", None, count=3)]

        (table,) = step_tables(Rows(told, mails=mailed))

        assert {"suppressed: global": 3, "bad_values": 1} == table.skipped

    def test_a_machine_s_open_is_apart(self) -> None:
        """Unless somebody opened it too."""
        mailed = [
            Mailed("remind", "", "accepted", None, "machine_opened"),
            Mailed("remind", "", "accepted", None, "machine_opened", int(SendFlag.OPENED)),
        ]

        (table,) = step_tables(Rows(mails=mailed))

        assert (1, 1, 2) == (table.machine_opened, table.opened, table.delivered)


class TestSplitTables:
    @given(st.lists(members))
    def test_each_arm_is_a_plain_count_with_the_intervals_of_experiments(
        self, rows: list[Member]
    ) -> None:
        """Runs are the units; the first arm is what the other is compared with."""
        (split,) = split_tables(rows, {"which": ("a", "b")})

        rates = []
        for arm in split.arms:
            own = [row for row in rows if row.variant == arm.variant for _ in range(row.count)]
            reached = [row for row in own if row.reached]
            assert len(own) == arm.runs
            assert sum(row.converted for row in own) == arm.converted.hits
            opened = sum(row.opened for row in reached)
            assert (opened, len(reached)) == (arm.opened.hits, arm.opened.total)
            assert sum((Decimal(row.value) for row in own if row.value), Decimal(0)) == arm.value
            rates.append(experiments.proportion(arm.converted.hits, len(own)))
            assert rates[-1] == arm.converted.rate
        assert split.arms[0].converted.difference is None
        assert experiments.difference(rates[1], rates[0]) == split.arms[1].converted.difference

    def test_a_hold_out_is_an_arm(self) -> None:
        """Nobody was mailed, and some converted all the same."""
        rows = [
            Member("which", "mail", converted=True, value="10", reached=True, count=30),
            Member("which", "mail", reached=True, count=70),
            Member("which", "none", converted=True, value="10", count=10),
            Member("which", "none", count=90),
        ]

        ((mail, none),) = (s.arms for s in split_tables(rows, {"which": ("mail", "none")}))

        assert (100, 30, 0) == (mail.runs, mail.converted.hits, none.opened.total)
        assert none.converted.difference is not None
        assert pytest.approx(-0.2) == none.converted.difference.value
        assert none.converted.difference.high < 0
        assert none.mean_difference is not None
        assert pytest.approx(-2.0) == none.mean_difference.value
        assert (Decimal(300), Decimal(100)) == (mail.value, none.value)

    def test_what_no_kept_version_has_follows(self) -> None:
        """By name."""
        found = split_tables([Member("old", "b"), Member("old", "a")], {"new": ("x",)})

        assert [("new", ["x"]), ("old", ["a", "b"])] == [
            (split.step, [arm.variant for arm in split.arms]) for split in found
        ]


class TestTouchesOf:
    def test_first_last_and_regret(self) -> None:
        """By event time: what left at the very moment left too late."""
        run = a_run(1, converted_at=NOON, value="5", first_touch=1, last_touch=2)
        sends = [
            a_send(1, NOON - JUST_BEFORE_MS - 1),
            a_send(2, NOON - JUST_BEFORE_MS),
            a_send(3, NOON),
            a_send(4, NOON + 1, state="skipped"),
            a_send(5, None, state="reserved"),
        ]

        assert [
            Touch("first", "s1", ""),
            Touch("last", "s2", "", "5"),
            Touch("just_before", "s2", ""),
            Touch("late", "s3", ""),
        ] == list(touches_of(run, sends))

    def test_who_did_not_convert_has_none(self) -> None:
        """Whatever was sent."""
        assert [] == list(touches_of(a_run(1), [a_send(1, NOON)]))


class TestTotalOf:
    @given(st.lists(st.decimals(allow_nan=False, allow_infinity=False)))
    def test_sums_are_exact(self, values: list[Decimal]) -> None:
        """Whatever the numbers: fractions say so."""
        exact = sum(map(Fraction, values), Fraction(0))

        assert exact == Fraction(total_of(map(str, values)))

    @pytest.mark.parametrize("text", ["", "NaN", "Infinity", "x", None, "1e999999999"])
    def test_what_is_no_number_counts_as_nothing(self, text: str | None) -> None:
        """The rest is summed."""
        assert Decimal("2.5") == total_of([text, "2.5"])


class TestReasonKind:
    @pytest.mark.parametrize(
        ("reason", "kind"),
        [
            ("suppressed: group:news", "suppressed: group:news"),
            ("exited: bought", "exited: bought"),
            ("bad_data: at x: y", "bad_data"),
            ("no_email", "no_email"),
            (None, ""),
        ],
    )
    def test_without_what_is_said_of_one_event(self, reason: str | None, kind: str) -> None:
        """There are few kinds."""
        assert kind == reason_kind(reason)


class TestGrouping:
    @given(st.lists(flows))
    def test_rows_of_no_step_are_in_no_table(self, told: list[Flow]) -> None:
        """An entry has no step."""
        tables = step_tables(Rows(told))

        assert {one.step for one in told if one.step} == {table.step for table in tables}
        assert 1 == max(Counter((t.step, t.variant) for t in tables).values(), default=1)
