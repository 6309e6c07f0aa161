"""``homing check`` and ``homing init``."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Command

from homing.cli import check

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


class TestCheck:
    def test_the_example_passes(self, tmp_path: Path, inside: Command) -> None:
        """With warnings of what is not set: exit 0."""
        done = inside(tmp_path, "check", EXAMPLE)

        assert 0 == done.code
        assert "warnings:\n" in done.out
        assert "valid, but serve would refuse it here: 2 emails, 1 route" in done.out
        assert "" == done.err

    def test_what_serve_would_take_can_be_run(self, tmp_path: Path, inside: Command) -> None:
        """Nothing that it needs is missing here."""
        config = tmp_path / "homing.toml"
        config.write_text("sendgrid.mode = 'capture'\n")

        done = inside(tmp_path, "check", config)

        assert 0 == done.code
        assert "can be run: 0 emails, 0 routes" in done.out

    def test_every_error_with_its_line_on_standard_error(
        self, tmp_path: Path, inside: Command
    ) -> None:
        """``file:line: message``, all at once: exit 78."""
        config = tmp_path / "bad.toml"
        config.write_text('[server]\nlisten = 7\nadmn = "x"\n\n[route.a]\nwhen = "event ="\n')

        done = inside(tmp_path, "check", config)

        assert 78 == done.code
        assert "" == done.out
        lines = done.err.splitlines()
        assert "errors:" == lines[0]
        for number in (2, 3, 6):
            assert any(line.startswith(f"{config}:{number}: ") for line in lines), number

    def test_json_has_one_problem_a_line(self, tmp_path: Path, inside: Command) -> None:
        """Errors and warnings alike, on standard output."""
        config = tmp_path / "bad.toml"
        config.write_text("[server]\nlisten = 7\n")

        done = inside(tmp_path, "check", config, "--json")

        assert 78 == done.code
        assert set(check.FIELDS) == set(done.row)
        assert ("error", 2, "server.listen") == (
            done.row["level"], done.row["line"], done.row["key"],
        )  # fmt: skip

    def test_no_file_is_78(self, tmp_path: Path, inside: Command) -> None:
        """Named."""
        done = inside(tmp_path, "check", "absent.toml")

        assert 78 == done.code
        assert "absent.toml" in done.err

    def test_a_template_that_would_fail_in_sent_mail_is_a_warning(
        self, tmp_path: Path, inside: Command
    ) -> None:
        """SendGrid's Handlebars lacks it."""
        (tmp_path / "homing.toml").write_text(
            '[sendgrid]\nmode = "capture"\nfrom = "a@acme.example"\n'
            '[email.x]\nsubject = "{{#if"\nhtml_file = "x.html"\n'
        )
        (tmp_path / "x.html").write_text("{{#with a}}{{/with}}")

        rows = inside(tmp_path, "check", "--json").rows

        keys = {row["key"] for row in rows if "email.x" in row["key"]}
        assert {"email.x", "email.x.subject", "email.x.html_file"} == keys

    def test_events_that_never_came_are_named(self, copy: Path, inside: Command) -> None:
        """With a guess where one that came has nearly that name."""
        config = copy / "homing.toml"
        config.write_text(
            config.read_text()
            + '\n[route.slip]\nwhen = \'event = "Order Complete"\'\nsend = "digest"\n'
            + '\n[route.never]\nwhen = \'event = "Wholly Else"\'\nsend = "digest"\n'
        )

        said = {row["key"]: row["message"] for row in inside(copy, "check", "--json").rows}

        assert 'never came, did you mean "Order Completed"?' in said["route.slip.when"]
        assert said["route.never.when"].endswith("which never came")
        assert not any("route.digest" in key for key in said)

    def test_audiences_that_nobody_is_in_are_named(self, copy: Path, inside: Command) -> None:
        """With a guess where one that is known has nearly that name."""
        config = copy / "homing.toml"
        config.write_text(
            config.read_text()
            + '\n[route.slip]\nwhen = \'in_audience("gold customer")\'\nsend = "digest"\n'
            + '\n[route.never]\nwhen = \'in_audience("wholly else")\'\nsend = "digest"\n'
            + '\n[route.joins]\nwhen = \'in_audience("vip")\'\nadd_to_audience = "vip"\n'
            + '\n[list.gold]\naudience = "gold_customer"\n'
        )

        said = {row["key"]: row["message"] for row in inside(copy, "check", "--json").rows}

        assert 'nobody is in, did you mean "gold_customer"?' in said["route.slip.when"]
        assert said["route.never.when"].endswith("which nobody is in")
        assert "route.joins.when" not in said

    def test_keys_that_no_recorded_event_holds_are_named(self, copy: Path, inside: Command) -> None:
        """Each event that a journey is for is asked whether it has the run's key."""
        config = copy / "homing.toml"
        config.write_text(
            config.read_text()
            + """
[journey.cart]
entry = { when = 'event = "Order Completed"', key = "$.properties.order_id" }
exit = [{ name = "own", when = 'event = "Own"' }]
step = [{ id = "wait", delay = "1h" }]
"""
        )

        done = inside(copy, "check")

        needs = '`journey.cart.exit.own.key` needs a value at "$.properties.order_id"'
        assert f"{needs}: not in the newest event it is for" in done.out
        assert "journey.cart.entry" not in done.out
        assert "1 journey, " in done.out


class TestInit:
    def test_what_it_writes_passes_check_and_can_be_previewed(
        self, tmp_path: Path, inside: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In capture mode, with an email and an event to try."""
        monkeypatch.setenv("SEGMENT_SHARED_SECRET", "x")
        written = inside(tmp_path, "init", "here")
        folder = tmp_path / "here"

        checked = inside(folder, "check")
        shown = inside(
            folder, "preview", "welcome", "--event", "events/signed-up.json", "--json"
        ).row

        assert 0 == written.code
        assert (0, "") == (checked.code, checked.err)
        assert "1 email, 1 route, 1 warning" in checked.out  # nothing leaves in capture mode
        assert ("Welcome, Ada", []) == (shown["subject"], shown["missing"])

    def test_never_overwrites(self, tmp_path: Path, inside: Command) -> None:
        """If anything is in the way, nothing is written."""
        (tmp_path / "emails").mkdir()
        (tmp_path / "emails" / "welcome.txt").write_text("mine")

        done = inside(tmp_path, "init")

        assert 1 == done.code
        assert "there already: " in done.err
        assert "emails/welcome.txt" in done.err
        assert "mine" == (tmp_path / "emails" / "welcome.txt").read_text()
        assert not (tmp_path / "homing.toml").exists()

    def test_a_second_time_changes_nothing(self, tmp_path: Path, inside: Command) -> None:
        """It says what is there."""
        inside(tmp_path, "init", "here")

        assert 1 == inside(tmp_path, "init", "here").code
