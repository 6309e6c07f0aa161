"""``homing plan`` and ``homing simulate --from-store``, of a store with people under way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.carts import CONFIG
from tests.cli.conftest import Result, homing

# of NOON, long before any test: all that was recorded
ALL = "3650d"
# in processes of their own: a simulation sets up logging, which would last longer than one test
Plan = Callable[..., Result]


@pytest.fixture
def plan(carts: Path, tmp_path: Path) -> Plan:
    """Plans the configuration with some words changed."""

    def planned(*changes: tuple[str, str], options: tuple[str, ...] = ("--json",)) -> Result:
        text = CONFIG
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        changed = tmp_path / "new.toml"
        changed.write_text(text)
        return homing(carts, "plan", changed, "--since", ALL, *options)

    return planned


def part(done: Result, name: str) -> list[dict[str, Any]]:
    assert 0 == done.code, done.err
    return [row for row in done.rows if row["part"] == name]


class TestStructure:
    def test_nothing_is_changed_by_the_same_meaning(self, plan: Plan) -> None:
        """Layout and the way a duration is written do not count."""
        done = plan(('hold = "2h"', 'hold     = "120m"'))

        assert [] == part(done, "runs")
        changed = [row for row in part(done, "structure") if row["section"] == "journey"]
        # what its runs do is the same; how it is written is not
        assert [("cart", "policy")] == [(row["name"], row["change"]) for row in changed]
        for row in part(done, "behaviour"):
            assert row["old"] == row["new"]
            assert 0 == row["more"] + row["fewer"] + row["moved"] + row["other"]

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ('id = "remind"\nsend', 'id = "nudge"\nsend', ("journey", "cart", "changed")),
            ("[email.spare]", "[email.other]", ("email", "spare", "removed")),
            ("[email.spare]", "[email.other]", ("email", "other", "added")),
            ("max = 1, per", "max = 2, per", ("caps", "", "changed")),
            ("[journey.cart]\n", "[journey.cart]\npriority = 3\n", ("journey", "cart", "policy")),
        ],
    )  # fmt: skip
    def test_what_is_changed_is_named(
        self, plan: Plan, old: str, new: str, expected: tuple[str, str, str]
    ) -> None:
        """Added, removed, changed, or of a journey its policy alone."""
        changes = [(old, new)]
        if "nudge" in new:
            changes.append(('then = "remind"', 'then = "nudge"'))
        found = part(plan(*changes), "structure")

        assert expected in [(row["section"], row["name"], row["change"]) for row in found]

    def test_steps_of_a_changed_journey(self, plan: Plan) -> None:
        """By id: added, removed, and of another kind."""
        done = plan(('id = "later"\ndelay = "1d"', 'id = "soon"\nuntil = { time = "09:00" }'),
                    ('then = "later"', 'then = "soon"'))  # fmt: skip
        (row,) = (row for row in part(done, "structure") if row["name"] == "welcome")

        assert {"added": ["soon"], "removed": ["later"], "other_kind": []} == row["steps"]


class TestRuns:
    def test_where_runs_wait_and_what_each_way_does_with_them(self, plan: Plan) -> None:
        """They stay, move, or are blocked: the step where they wait is gone."""
        longer = plan(('hold = "2h"', 'hold = "3h"'), ('delay = "1d"', 'delay = "2d"'))
        gone = plan(('id = "wait"', 'id = "pause"'))

        rows = {(row["journey"], row["step"]): row for row in part(longer, "runs")}
        assert {("cart", "wait"), ("welcome", "later")} == set(rows)
        for row in rows.values():
            assert row["waiting"] >= 1
            assert ("stay", "move", "end") == (row["drain"], row["migrate"], row["archive"])
        (row,) = part(gone, "runs")
        assert ("cart", "blocked") == (row["journey"], row["migrate"])

    def test_a_removed_journeys_runs_stay_or_end(self, plan: Plan) -> None:
        """There is nothing that they could move to."""
        welcome = CONFIG[CONFIG.index("[journey.welcome]") :]
        (row,) = part(plan((welcome, "")), "runs")

        assert ("welcome", "blocked", "end") == (row["journey"], row["migrate"], row["archive"])


class TestBehaviour:
    def test_emails_that_come_at_another_time(self, plan: Plan) -> None:
        """Recorded events, played through both."""
        found = {row["email"]: row for row in part(plan(('hold = "2h"', 'hold = "1h"')),
                                                   "behaviour")}  # fmt: skip
        row = found["reminder"]

        assert row["moved"] >= 1
        example = row["examples"][0]
        assert example["old"]["at"] > example["new"]["at"]
        assert {"what", "person", "key", "old", "new"} == set(example)

    def test_more_fewer_and_other(self, plan: Plan) -> None:
        """Who would get one email more, who none, who one with other words."""
        every = 'then = "remind" },\n    { name = "none", weight = 50, then = "remind" }'
        old = 'then = "remind" },\n    { name = "none", weight = 50, then = "end" }'
        more = {row["email"]: row for row in part(plan((old, every)), "behaviour")}
        fewer = {row["email"]: row for row in part(plan(("total > 100'", "total > 9000'")),
                                                    "behaviour")}  # fmt: skip
        other = {row["email"]: row for row in part(plan(('code = "B10"', 'code = "B20"')),
                                                    "behaviour")}  # fmt: skip

        assert more["reminder"]["more"] >= 1
        assert more["reminder"]["new"] > more["reminder"]["old"]
        assert fewer["reminder"]["fewer"] + fewer["reminder"]["moved"] >= 1
        assert other["reminder"]["other"] == other["reminder"]["old"]

    def test_it_can_be_left_out(self, plan: Plan) -> None:
        """Of a large log it takes a while."""
        done = plan(options=("--json", "--no-behaviour"))

        assert [] == part(done, "behaviour")


class TestPlan:
    def test_for_people(self, plan: Plan) -> None:
        """Three parts under their headings, examples in words."""
        said = plan(('hold = "2h"', 'hold = "1h"'), options=()).out

        for word in ("STRUCTURE", "RUNS", "BEHAVIOUR", "moved: "):
            assert word in said

    def test_a_file_that_was_changed_in_its_place(self, carts: Path, tmp_path: Path) -> None:
        """Its journeys are compared with those that the store knows."""
        folder = Path(shutil.copytree(carts, tmp_path / "shop"))
        config = folder / "homing.toml"
        config.write_text(CONFIG.replace('hold = "2h"', 'hold = "3h"'))
        done = homing(folder, "plan", config, "--json", "--since", ALL)

        assert [("journey", "cart", "changed")] == [
            (row["section"], row["name"], row["change"]) for row in part(done, "structure")
        ]
        assert "this is the configuration file itself" in done.err
        (row,) = (row for row in part(done, "behaviour") if row["email"] == "reminder")
        assert row["moved"] >= 1

    def test_an_invalid_file_is_refused(self, carts: Path, tmp_path: Path) -> None:
        """As `check` refuses it."""
        (tmp_path / "new.toml").write_text("[journey.x]\n")

        assert 78 == homing(carts, "plan", tmp_path / "new.toml").code


class TestSimulateFromStore:
    def test_recorded_events_are_played(self, carts: Path) -> None:
        """The same each time, to the byte."""
        first, second = (homing(carts, "simulate", "--from-store", "--json") for _ in range(2))

        assert 0 == first.code
        assert first.out == second.out
        assert {"entered", "send", "goal"} <= {row["what"] for row in first.rows}

    @pytest.mark.parametrize(
        "args", [(), ("--from-store", "events.jsonl"), ("events.jsonl", "--since", "1d")]
    )
    def test_one_source_of_events(self, carts: Path, args: tuple[str, ...]) -> None:
        """A file, or the store."""
        assert 2 == homing(carts, "simulate", *args).code

    def test_only_the_newest(self, carts: Path) -> None:
        """All were recorded long ago."""
        assert "" == homing(carts, "simulate", "--from-store", "--since", "1d", "--json").out
