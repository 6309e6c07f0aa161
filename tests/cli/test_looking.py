"""The commands that look: ``events``, ``people``, ``sends``, ``tail``, ``stats``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from homing.cli import events, people, sends, stats, tail, views
from homing.core.people import Person

NOTHING_MOVES_THE_CURSOR = "\x1b"


class TestStats:
    def test_the_books_balance(self, look: Command) -> None:
        """Received is the sum of what became of it."""
        row = look("stats", "--json").row

        assert set(stats.FIELDS) == set(row)
        events_ = row["events"]
        states = ("pending", "done", "filtered", "quarantined", "dead")
        assert events_["received"] == sum(events_[state] for state in states)
        # Segment's seven, and SendGrid's events in one post or more
        assert row["requests"]["received"] >= 8
        assert 0 == row["requests"]["pending"]

    def test_people_get_a_line_a_count(self, look: Command) -> None:
        """With the book's name before it."""
        assert "sends     accepted" in look("stats").out


class TestEvents:
    def test_the_newest_first_with_the_documented_fields(self, look: Command) -> None:
        """One object a line."""
        rows = look("events", "--json").rows

        assert [set(views.EVENT)] * len(rows) == [set(row) for row in rows]
        numbers = [int(row["id"][1:]) for row in rows]
        assert sorted(numbers, reverse=True) == numbers

    @pytest.mark.parametrize(
        ("args", "ids"),
        [
            (["--state", "quarantined"], ["e7"]),
            (["--name", "Digest Due"], ["e6"]),
            (["--person", "u1", "--name", "Own"], ["e5"]),
            (["--person", "u0"], ["e1"]),
            (["--before", "e3"], ["e2", "e1"]),
            (["--before", "e7", "--limit", "1"], ["e6"]),
            (["--person", "u1", "--before", "e4"], ["e2"]),
        ],
    )
    def test_filters(self, look: Command, args: list[str], ids: list[str]) -> None:
        """Every filter must hold."""
        assert ids == [row["id"] for row in look("events", "--json", *args).rows]

    def test_one_is_shown_with_its_bytes_and_sends(self, look: Command) -> None:
        """By number or by messageId, with or without `show`."""
        (by_number, by_id, bare) = (
            look("events", "show", "e2", "--json").row,
            look("events", "show", "m-1", "--json").row,
            look("events", "e2", "--json").row,
        )

        assert set(events.SHOW_FIELDS) == set(by_number)
        assert by_number == by_id == bare
        assert "m-1" == json.loads(by_number["raw"])["messageId"]
        assert ["order-confirmation"] == [send["email"] for send in by_number["sends"]]

    def test_an_event_of_sendgrids_is_found_by_its_id(self, look: Command) -> None:
        """``sg_event_id`` is what their page shows."""
        row = next(r for r in look("events", "--json").rows if r["type"] == "delivered")

        assert row["id"] == look("events", row["message_id"], "--json").row["event"]["id"]

    @pytest.mark.parametrize("name", ["e999", "nonsense", "e", "e-1", "e" + "9" * 40, "é1"])
    def test_what_is_not_there_is_said(self, look: Command, name: str) -> None:
        """Exit 1."""
        done = look("events", "show", name)

        assert (1, "") == (done.code, done.out)
        assert "no event" in done.err

    def test_a_table_for_people(self, look: Command) -> None:
        """No colour and no box where no terminal is."""
        done = look("events")

        assert done.out.startswith("ID ")
        assert NOTHING_MOVES_THE_CURSOR not in done.out


class TestPeople:
    def test_the_documented_fields(self, look: Command) -> None:
        """One object a line, newest first."""
        rows = look("people", "--json").rows

        assert [set(views.PERSON)] * 3 == [set(row) for row in rows]
        assert ["u2", "u1", "u0"] == [row["user_id"] for row in rows]
        # only u1 was identified with an address; the others' is a trait of their events
        assert [f"u{n}@example.com" for n in (2, 1, 0)] == [row["email"] for row in rows]

    def test_a_cleared_address_is_none(self) -> None:
        """Whatever name the person has."""
        person = Person(1, email="old@x.io", trait_at={"email": 5})

        assert None is views.person_view(person)["email"]

    def test_others_with_an_address_are_named(self, shop: Command) -> None:
        """One of them is shown; how to see another is said."""
        row = shop("people", "home@x.io", "--json").row
        (other,) = row["others"]
        out = shop("people", "home@x.io").out

        assert {"w1", "w2"} == {row["person"]["user_id"], other["user_id"]}
        assert {"id", "user_id", "anonymous_id"} == set(other)
        assert "OTHERS WITH THIS ADDRESS" in out
        assert out.endswith("homing people show USER_ID\n")
        assert [] == shop("people", "w1", "--json").row["others"]

    @pytest.mark.parametrize("who", ["u1", "u1@example.com", "U1@Example.com"])
    def test_one_is_shown_by_any_name(self, look: Command, who: str) -> None:
        """With names, suppressions, events and sends."""
        row = look("people", who, "--json").row

        assert set(people.SHOW_FIELDS) == set(row)
        assert "u1" == row["person"]["user_id"]
        assert [("global", True)] == [(s["scope"], s["suppressed"]) for s in row["suppressions"]]
        assert [set(views.SUPPRESSION)] == [set(s) for s in row["suppressions"]]
        assert {"order-confirmation", "digest"} == {send["email"] for send in row["sends"]}

    def test_an_address_that_is_but_a_trait_leads_to_its_person(self, look: Command) -> None:
        """u2 was never identified with it."""
        assert "u2" == look("people", "u2@example.com", "--json").row["person"]["user_id"]

    def test_hostile_traits_cannot_move_the_cursor(self, look: Command) -> None:
        """u1's name holds an escape sequence."""
        assert NOTHING_MOVES_THE_CURSOR not in look("people", "u1").out + look("people").out

    def test_nobody_is_said(self, look: Command) -> None:
        """Exit 1."""
        assert 1 == look("people", "nobody@example.com").code


class TestSends:
    def test_the_documented_fields(self, look: Command) -> None:
        """One object a line, newest first."""
        rows = look("sends", "--json").rows

        assert [set(views.SEND)] * 3 == [set(row) for row in rows]
        assert ["skipped", "accepted", "accepted"] == [row["state"] for row in rows]

    @pytest.mark.parametrize(
        ("args", "emails"),
        [
            (["--state", "skipped"], ["digest"]),
            (["--state", "parked"], []),
            (["--email", "digest"], ["digest"]),
            (["--rule", "order-confirmation", "--limit", "1"], ["order-confirmation"]),
            (["--person", "u1"], ["digest", "order-confirmation"]),
            (["--person", "u2@example.com"], ["order-confirmation"]),
            (["--before", "2"], ["order-confirmation"]),
        ],
    )
    def test_filters(self, look: Command, args: list[str], emails: list[str]) -> None:
        """Every filter must hold."""
        assert emails == [row["email"] for row in look("sends", "--json", *args).rows]

    def test_one_is_shown_with_all_that_became_of_it(self, look: Command) -> None:
        """Timeline, attempts, events, data and the exact body."""
        key = look("sends", "--json", "--person", "u2").rows[0]["id"]

        row = look("sends", key, "--json").row

        assert set(sends.SHOW_FIELDS) == set(row)
        whats = [line["what"].split()[0] for line in row["timeline"]]
        assert ["reserved", "attempt", "accepted:", "processed", "delivered"] == whats
        assert {"processed", "delivered"} == {event["type"] for event in row["events"]}
        assert "o2" == row["data"]["order_id"]
        (personalization,) = row["body"]["personalizations"]
        assert [{"email": "u2@example.com"}] == personalization["to"]
        assert row["data"] == personalization["dynamic_template_data"]
        assert key == personalization["custom_args"]["homing_send"]

    def test_a_skipped_one_says_why(self, look: Command) -> None:
        """The reason is a column."""
        assert "suppressed: global" in look("sends", "--state", "skipped").out

    @pytest.mark.parametrize("key", ["999", "1-0000000000", "nonsense"])
    def test_what_is_not_there_is_said(self, look: Command, key: str) -> None:
        """A number with another store's tag is not ours, either."""
        done = look("sends", "show", key)

        assert (1, "") == (done.code, done.out)


class TestTail:
    def test_the_newest_events_and_sends_in_order(self, look: Command) -> None:
        """The last lines of the past, oldest first."""
        rows = look("tail", "--json", "-n", "50").rows

        assert {"event", "send"} == {row["what"] for row in rows}
        assert {"what", *views.EVENT} == set(rows[0])
        assert [f"e{n}" for n in range(1, 12)] == [r["id"] for r in rows if r["what"] == "event"]
        assert "…" in tail.FIELDS

    def test_as_many_as_asked_for(self, look: Command) -> None:
        """None, or a few."""
        assert [] == look("tail", "--json", "-n", "0").rows
        assert 3 == len(look("tail", "--json", "-n", "3").rows)

    def test_a_line_for_people(self, look: Command) -> None:
        """Who, what, and why not."""
        assert "skipped  (suppressed: global)" in look("tail").out


class TestBesideDamage:
    def test_a_log_that_is_gone_is_said(self, copy: Path, act: Command) -> None:
        """The event stays; its bytes do not."""
        (copy / "homing.log.db").unlink()

        row = act("events", "e1", "--json").row

        assert row["raw"] is None
        assert "e1" == row["event"]["id"]


class TestTailOfRuns:
    def test_what_happens_to_runs_is_among_the_rest(self, shop: Command) -> None:
        """With whose it is; in order of time."""
        rows = shop("tail", "--json", "-n", "500").rows

        assert {"event", "send", "run"} == {row["what"] for row in rows}
        runs = [row for row in rows if row["what"] == "run"]
        assert ("r1", "cart", "c1", "u1", "entered") == tuple(
            runs[0][name] for name in ("run", "journey", "key", "person", "happened")
        )
        assert "goal" in {row["happened"] for row in runs}
        assert sorted(row["at"] for row in runs) == [row["at"] for row in runs]

    def test_a_line_for_people(self, shop: Command) -> None:
        """Which run, and what."""
        assert "r10  welcome  u9  completed  who" in shop("tail", "-n", "500").out

    def test_the_last_passage_is_found_wherever_it_is(self) -> None:
        """Also in a store that has none."""
        for known in ([], [1], [5, 900, 10**15]):
            state = Passages(known)
            assert max(known, default=0) == tail.last_passage(state)  # type: ignore[arg-type]


@dataclass
class Passages:
    """A store of nothing but numbers of passages."""

    numbers: list[int]

    @property
    def runs(self) -> Passages:
        """Itself."""
        return self

    def passages_after(self, number: int, *, limit: int) -> list[tuple[int, None]]:
        """The next of them."""
        return [(one, None) for one in self.numbers if one > number][:limit]
