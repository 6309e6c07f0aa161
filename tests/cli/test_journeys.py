"""``homing journeys``, and ``homing stats --journey``: see `carts` for who went through what."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from homing.cli import journeys, stats, views
from homing.core.journeys import experiments


class TestList:
    def test_those_of_the_configuration_in_file_order(self, shop: Command) -> None:
        """With what happened in them."""
        rows = shop("journeys", "--json").rows

        assert [set(journeys.FIELDS)] * 2 == [set(row) for row in rows]
        cart, welcome = rows
        counted = ("name", "status", "entered", "waiting", "completed", "exited", "converted")
        assert ("cart", "live", 8, 1, 6, 1, 2) == tuple(cart[name] for name in counted)
        assert ("welcome", "live", 2, 1, 1, 0, 0) == tuple(welcome[name] for name in counted)
        assert {"missing_key": 1, "alive": 1, "too_old": 1} == cart["not_entered"]

    def test_one_that_the_configuration_has_no_more(
        self, carts: Path, tmp_path: Path, inside: Command
    ) -> None:
        """It is told of as long as the store knows of it; a new one has nobody in it."""
        folder = Path(shutil.copytree(carts, tmp_path / "gone"))
        config = folder / "homing.toml"
        config.write_text(config.read_text().replace("journey.welcome", "journey.greeting"))

        rows = {row["name"]: row for row in inside(folder, "journeys", "--json").rows}

        assert ["cart", "greeting", "welcome"] == list(rows)
        assert ("gone", None, 2) == tuple(
            rows["welcome"][name] for name in ("status", "version", "entered")
        )
        assert ("live", 0) == (rows["greeting"]["status"], rows["greeting"]["entered"])
        shown = inside(folder, "journeys", "welcome", "--json").row
        assert ["who", "later", "greet"] == [step["step"] for step in shown["steps"]]

    def test_people_get_a_table(self, shop: Command) -> None:
        """A line a journey."""
        assert shop("journeys").out.startswith("NAME ")


class TestShow:
    def test_each_step_with_who_is_there_and_which_way_they_went(self, shop: Command) -> None:
        """With or without `show`."""
        row, bare = (
            shop("journeys", "show", "cart", "--json").row,
            shop("journeys", "cart", "--json").row,
        )

        assert row == bare
        assert set(journeys.SHOW_FIELDS) == set(row)
        steps = {step["step"]: step for step in row["steps"]}
        assert ["wait", "size", "which", "remind"] == list(steps)
        assert (8, 1, 6) == tuple(steps["wait"][n] for n in ("entered", "waiting", "passed"))
        assert {"bought": 1} == steps["wait"]["exited"]
        assert {
            "changed": {"to": "restart", "taken": 1}, "timeout": {"to": "size", "taken": 6},
        } == steps["wait"]["branches"]  # fmt: skip
        assert {"to": "end", "taken": 2} == steps["which"]["branches"]["none"]
        assert "send email reminder" == steps["remind"]["does"]
        assert {"suppressed: global": 1} == steps["remind"]["skipped"]

    def test_its_rules_and_versions(self, shop: Command) -> None:
        """Entry, exits and goal as they were written."""
        row = shop("journeys", "cart", "--json").row

        assert "$.properties.cart_id" == row["entry"]["key"]
        assert [{"name": "bought", "when": 'event = "Bought"'}] == row["exits"]
        (version,) = row["versions"]
        assert (True, 1) == (version["in_force"], version["waiting"])

    def test_a_name_that_none_has(self, shop: Command) -> None:
        """With a guess at what was meant."""
        done = shop("journeys", "show", "crat")

        assert 65 == done.code
        assert 'did you mean "cart"?' in done.err

    def test_people_read_where_each_branch_leads(self, shop: Command) -> None:
        """And how many went there."""
        assert "timeout -> size: 6" in shop("journeys", "cart").out


class TestRuns:
    @pytest.mark.parametrize(
        ("args", "ids"),
        [
            (["cart"], ["r9", "r8", "r7", "r5"]),
            (["cart", "--state", "waiting"], ["r5"]),
            (["cart", "--person", "u8"], ["r7", "r4"]),
            (["cart", "--person", "u8", "--before", "r7"], ["r4"]),
            (["cart", "--step", "which"], ["r9", "r8"]),
            (["welcome", "--person", "u8"], []),
            (["--state", "waiting"], ["r6", "r5"]),
        ],
    )
    def test_filters(self, shop: Command, args: list[str], ids: list[str]) -> None:
        """Every filter must hold; the newest first."""
        rows = shop("journeys", "runs", "--json", "-n", "4", *args).rows

        assert [set(views.RUN)] * len(rows) == [set(row) for row in rows]
        assert ids == [row["id"] for row in rows]

    def test_a_table_for_people(self, shop: Command) -> None:
        """Of all journeys, with their names."""
        assert "JOURNEY" in shop("journeys", "runs").out
        assert "JOURNEY" not in shop("journeys", "runs", "cart").out


class TestRun:
    @pytest.mark.parametrize("name", ["r4", "4", "SEND"])
    def test_its_history_line_by_line(self, shop: Command, name: str) -> None:
        """By its number, or by a send that it reserved."""
        key = shop("sends", "--person", "u8", "--state", "accepted", "--json").row["id"]
        row = shop("journeys", "run", key if name == "SEND" else name, "--json").row

        assert set(journeys.RUN_FIELDS) == set(row)
        assert set(views.RUN) == set(row["run"])
        assert [set(journeys.HISTORY)] * len(row["history"]) == [set(x) for x in row["history"]]
        assert ["entered", "waiting", "timeout", "branch", "send", "completed", "goal"] == [
            line["what"] for line in row["history"]
        ]
        assert (key, "500.05", "e22") == (
            row["history"][4]["send"], row["history"][6]["value"], row["history"][6]["event"],
        )  # fmt: skip
        assert (key, key) == (row["run"]["first_touch"], row["run"]["last_touch"])
        assert [] == row["waits_for"]

    def test_what_one_that_waits_waits_for(self, shop: Command) -> None:
        """Each branch, its time and each exit; the timer started again."""
        row = shop("journeys", "run", "r5", "--json").row

        assert [("changed", "restart"), ("timeout", "size"), ("exit bought", "end")] == [
            (one["name"], one["to"]) for one in row["waits_for"]
        ]
        assert 1 == row["run"]["restarts"]
        assert "exit bought -> end" in shop("journeys", "run", "r5").out

    @pytest.mark.parametrize("name", ["r999", "r", "nonsense", "r-1", "r" + "9" * 40, "é1", ""])
    def test_what_is_not_there_is_said(self, shop: Command, name: str) -> None:
        """Exit 1."""
        done = shop("journeys", "run", name)

        assert (1, "") == (done.code, done.out)


class TestStats:
    def test_the_books_have_the_journeys(self, shop: Command) -> None:
        """Beside what they had."""
        row = shop("stats", "--json").row

        assert set(stats.FIELDS) == set(row)
        assert {
            "entered": 8, "waiting": 1, "completed": 6, "exited": 1, "converted": 2,
        } == row["journeys"]["cart"]  # fmt: skip

    def test_the_funnel_of_one(self, shop: Command) -> None:
        """Of eight six came to an end, one bought at once, one is under way."""
        row = shop("stats", "--journey", "cart", "--json").row

        named = {name for names in stats.JOURNEY_FIELDS for name in names.split(", ")}
        assert named == set(row)
        assert {"waiting": 1, "completed": 6, "exited": 1} == row["kept"]
        assert "560.15" == row["value"]
        assert {"first": 1, "last": 1} == row["touches"]
        rate = experiments.proportion(2, 8)
        assert (2, 8, rate.low) == tuple(row["conversions"][n] for n in ("hits", "total", "low"))
        steps = {(step["step"], step["variant"]): step for step in row["steps"]}
        remind = steps["remind", None]
        assert (2, 2, 2, 0) == tuple(
            remind[n] for n in ("sent", "delivered", "opened", "machine_opened")
        )
        assert {"accepted": 2, "skipped": 1, "reserved": 1} == remind["sends"]
        assert ("500.05", 0.125) == (remind["value"], steps["wait", None]["drop_off"])
        assert 1 == steps["wait", None]["restarted"]

    def test_variants_are_compared_and_a_hold_out_is_one(self, shop: Command) -> None:
        """Each with its interval, and its difference from the first."""
        (split,) = shop("stats", "--journey", "cart", "--json").row["splits"]

        mail, none = split["variants"]
        assert ("mail", 1, "none", 2) == (
            mail["variant"], mail["runs"], none["variant"], none["runs"],
        )  # fmt: skip
        assert mail["converted"]["difference"] is None
        assert {"value", "low", "high"} == set(none["converted"]["difference"])
        assert (1, 1) == (mail["opened"]["hits"], mail["opened"]["total"])

    def test_people_get_tables(self, shop: Command) -> None:
        """The steps, and each split."""
        said = shop("stats", "--journey", "cart").out

        assert "STEPS" in said
        assert "SPLIT WHICH" in said
        assert "12.5%" in said

    def test_a_name_that_none_has(self, shop: Command) -> None:
        """With a guess at what was meant."""
        done = shop("stats", "--journey", "carts")

        assert 65 == done.code
        assert 'did you mean "cart"?' in done.err
