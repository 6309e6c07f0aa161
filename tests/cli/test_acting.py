"""The commands that act, on the store of a service that does not run."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from tests.cli.conftest import Command, homing

from homing.cli import act as acts
from homing.cli import alerts, dead, erase, replay


class TestPause:
    def test_everything_or_one(self, act: Command) -> None:
        """And `resume` ends what is paused."""
        everything = act("pause", "--json").rows
        act("resume", "segment")
        rest = act("resume", "--json").rows

        assert [set(acts.PAUSE_FIELDS)] * 4 == [set(row) for row in everything]
        assert ["contacts", "mail", "suppressions"] == [row["name"] for row in rest]
        assert [set(acts.RESUME_FIELDS)] * 3 == [set(row) for row in rest]
        assert [] == act("resume", "--json").rows

    @pytest.mark.parametrize(("name", "code"), [("email/digest", 0), ("email/digst", 65), ("x", 1)])
    def test_a_slip_does_not_look_like_a_pause(self, act: Command, name: str, code: int) -> None:
        """Only what is there can be paused."""
        assert code == act("pause", name).code


class TestAlerts:
    def test_what_stands_is_listed_and_cleared(self, act: Command) -> None:
        """By kind and subject, by kind, or all; a slip clears nothing."""
        act("pause", "mail", "--reason", "trouble")
        standing = act("alerts", "--json").rows

        assert all(set(alerts.FIELDS) >= {"kind"} for _ in standing)
        assert [] == act("alerts", "clear", "nothing", "--json").rows
        assert len(standing) == len(act("alerts", "clear", "--all", "--json").rows)
        assert [] == act("alerts", "list", "--json").rows

    @pytest.mark.parametrize("words", [(), ("refused", "--all")])
    def test_it_must_be_said_which(self, act: Command, words: tuple[str, ...]) -> None:
        """A kind, or all."""
        assert 2 == act("alerts", "clear", *words).code


class TestResolve:
    def test_only_the_unknown_can_be_resolved(self, act: Command) -> None:
        """Exit 1, and why."""
        key = act("sends", "--json", "--state", "accepted").rows[0]["id"]

        done = act("resolve", key, "--as", "resend")

        assert 1 == done.code
        assert "only unknown and parked sends" in done.err

    def test_the_word_is_one_of_three(self, act: Command) -> None:
        """Anything else is a usage error."""
        assert 2 == act("resolve", "1", "--as", "perhaps").code


class TestDead:
    def test_what_could_not_be_used(self, act: Command) -> None:
        """With the reason."""
        row = act("dead", "--json").row

        assert set(dead.FIELDS) == set(row)
        assert ("e7", "event", "quarantined") == (row["id"], row["kind"], row["state"])
        assert [] == act("dead", "list", "--kind", "send", "--json").rows
        assert [] == act("dead", "list", "--reason", "other", "--json").rows
        assert 1 == len(act("dead", "list", "--reason", "NO TYPE", "--json").rows)

    def test_one_is_shown(self, act: Command) -> None:
        """By its kind."""
        assert "e7" == act("dead", "e7", "--json").row["event"]["id"]
        assert 1 == act("dead", "x999").code
        assert 1 == act("dead", "show", "nonsense").code

    def test_a_retry_evaluates_again(self, act: Command) -> None:
        """It is still no event, and so the exit code is 1."""
        done = act("dead", "retry", "e7", "--json")

        assert (1, {"id": "e7", "status": "quarantined"}) == (done.code, done.row)

    def test_what_was_erased_is_not_evaluated_again(self, act: Command) -> None:
        """It says so, and changes nothing."""
        act("erase", "--user", "u1", "--yes")
        before = act("stats", "--json").row

        done = act("dead", "retry", "e2", "--json")

        assert (1, None) == (done.code, done.row["status"])
        assert "event e2: its payload was erased" in done.row["error"]
        assert before == act("stats", "--json").row
        assert {"id": "e2", "status": "erased"} == act("replay", "e2", "--json").row

    def test_given_up_is_dead(self, act: Command) -> None:
        """And leaves the list; a second time is refused."""
        first = act("dead", "drop", "--all", "--yes", "--json")
        again = act("dead", "drop", "e7", "--json")

        assert [{"id": "e7", "status": "dead"}] == first.rows
        assert [] == act("dead", "--json").rows
        assert 1 == again.code
        assert set(dead.DONE_FIELDS) == set(again.row)

    def test_one_refusal_does_not_stop_the_others(self, act: Command) -> None:
        """Each has its answer."""
        done = act("dead", "drop", "e999", "x5", "e7", "--json")

        assert 1 == done.code
        assert [None, None, "dead"] == [row["status"] for row in done.rows]

    def test_all_needs_a_yes_where_nobody_is(self, act: Command) -> None:
        """Nothing is done."""
        assert 2 == act("dead", "drop", "--all").code
        assert 1 == len(act("dead", "--json").rows)

    @pytest.mark.parametrize("args", [(), ("e7", "--all")])
    def test_which_must_be_said(self, act: Command, args: tuple[str, ...]) -> None:
        """Neither nothing, nor both."""
        assert 2 == act("dead", "retry", *args).code


class TestReplay:
    def test_an_event_is_evaluated_again_and_reserves_nothing_twice(self, act: Command) -> None:
        """Under its own id (promise P6)."""
        before = act("sends", "--json").rows

        done = act("replay", "e2", "m-2", "e7", "--json")

        assert [
            {"id": "e2", "status": "done"},
            {"id": "e3", "status": "done"},
            {"id": "e7", "status": "quarantined"},
        ] == done.rows
        assert set(replay.FIELDS) == set(done.rows[0])
        assert before == act("sends", "--json").rows

    def test_what_the_new_configuration_makes_of_it(self, copy: Path, act: Command) -> None:
        """A route that is new reserves now."""
        config = copy / "homing.toml"
        config.write_text(
            config.read_text()
            + '\n[route.late]\nwhen = \'event = "Order Completed"\'\nsend = "digest"\n'
        )

        act("replay", "--name", "Order Completed", "--yes")

        late = act("sends", "--rule", "late", "--json").rows
        assert [("u2", "reserved"), ("u1", "skipped"), ("u0", "reserved")] == [
            (row["person"], row["state"]) for row in late
        ]

    @pytest.mark.parametrize(
        ("args", "ids"),
        [
            (["--state", "quarantined"], ["e7"]),
            (["--reason", "no type"], ["e7"]),
            (["--name", "Own"], ["e5"]),
            (["--since", "90d", "--name", "Digest Due"], ["e6"]),
        ],
    )
    def test_a_dry_run_says_which(self, act: Command, args: list[str], ids: list[str]) -> None:
        """And does nothing."""
        assert ids == [row["id"] for row in act("replay", "--dry-run", "--json", *args).rows]

    @pytest.mark.parametrize(
        "args", [[], ["e1", "--state", "done"], ["--since", "soon"], ["--name", "Own"]]
    )
    def test_usage(self, act: Command, args: list[str]) -> None:
        """Which, and with a yes where nobody is there to ask."""
        assert 2 == act("replay", *args).code

    def test_bytes_that_are_gone(self, copy: Path, act: Command) -> None:
        """Said, not guessed."""
        (copy / "homing.log.db").unlink()

        assert {"id": "e2", "status": "gone"} == act("replay", "e2", "--json").row


class TestErase:
    def test_nothing_of_a_person_is_left_to_see(self, copy: Path, act: Command) -> None:
        """The sends stay without an address; the opt-out survives (a keyed hash)."""
        row = act("erase", "--user", "u1", "--yes", "--json").row

        assert set(erase.FIELDS) == set(row)
        assert ("erased", 1, 2) == (row["status"], row["people"], row["sends"])
        assert 1 == act("people", "u1").code
        assert [None, "u2@example.com", None] == [s["to"] for s in act("sends", "--json").rows]
        test = act(
            "send-test", "digest", "--to", "u1@example.com", "--event", _event(copy), "--json"
        ).row
        assert ("skipped", "suppressed: global") == (test["status"], test["reason"])

    def test_an_address_that_is_but_a_trait(self, act: Command) -> None:
        """u2 goes by it, too."""
        assert 1 == act("erase", "--email", "U2@example.com", "--yes", "--json").row["people"]
        assert 1 == act("people", "u2").code

    def test_twice_does_nothing_more(self, act: Command) -> None:
        """Done is done."""
        act("erase", "--email", "u1@example.com", "--yes")

        again = act("erase", "--email", "u1@example.com", "--yes", "--json")

        assert (0, "repeated") == (again.code, again.row["status"])
        assert [0, 0, 0, 0] == [again.row[n] for n in ("people", "sends", "events", "addresses")]
        assert [0, 1] == [row["people"] for row in act("erase", "--list", "--json").rows]
        said = act("erase", "--email", "u1@example.com", "--yes")
        assert (0, "nothing was found that erasure 1 had not erased already\n") == (
            said.code, said.err,
        )  # fmt: skip

    @pytest.mark.parametrize("named", [("--user", "u1"), ("--email", "u2@example.com")])
    def test_one_erasure_is_one_record(self, act: Command, named: tuple[str, str]) -> None:
        """By whichever name; an address that is but a trait is counted once."""
        row = act("erase", *named, "--yes", "--json").row

        assert ([1], 1, 1) == (row["erasures"], row["people"], row["addresses"])
        assert [1] == [one["people"] for one in act("erase", "--list", "--json").rows]

    @pytest.mark.parametrize(
        "args", [(), ("--user", "u1", "--email", "u1@example.com"), ("--user", "u1")]
    )
    def test_usage(self, act: Command, args: tuple[str, ...]) -> None:
        """Who, and with a yes where nobody is there to ask; nobody is erased."""
        assert 2 == act("erase", *args).code
        assert 0 == act("people", "u1").code


class TestWithoutService:
    def test_there_is_nothing_to_reload(self, act: Command) -> None:
        """Exit 69."""
        assert 69 == act("reload").code

    def test_a_store_that_somebody_holds_is_75(self, copy: Path) -> None:
        """A service that does not answer is not worked around."""
        with (copy / "homing.db.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

            done = homing(copy, "pause", "mail")

        assert 75 == done.code
        assert "Traceback" not in done.err


def _event(folder: Path) -> Path:
    path = folder / "event.json"
    path.write_text('{"type": "track", "event": "Digest Due", "userId": "x"}')
    return path
