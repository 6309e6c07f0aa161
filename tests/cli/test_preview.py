"""``homing preview``, and ``homing send-test`` in capture mode: nothing is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.carts import CONFIG as CARTS
from tests.cli.conftest import EXTRA, HTML, Command, Result

from homing.cli import preview, send_test

CONFIG = """
[sendgrid]
mode = "capture"
from = "Acme <hello@acme.example>"
groups = { newsletter = 12345 }

[email.digest]
template = "d-00000000000000000000000000000002"
group = "newsletter"
cc = ["copy@acme.example"]

[route.digest]
when = 'event = "Digest Due"'
send = "digest"

[route.digest-special]
when = 'event = "Special Due"'

[route.digest-special.send]
email = "digest"
template = "d-00000000000000000000000000000009"
data = { special = "$.properties.x" }
"""
EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Own",
    "userId": "u1",
    "properties": {"colour": "red", "x": "<b>"},
    "context": {"traits": {"email": "Ada@Example.com"}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration with an email of our own and one of SendGrid's, an event, traits."""
    (tmp_path / "homing.toml").write_text(CONFIG + EXTRA)
    (tmp_path / "own.html").write_text(HTML)
    (tmp_path / "own.txt").write_text("Dear {{name}}")
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    (tmp_path / "profile.json").write_text('{"name": "A & B", "plan": "pro"}')
    return tmp_path


@pytest.fixture
def show(folder: Path, inside: Command) -> Command:
    """Runs `homing preview EMAIL --event event.json --json …`."""

    def shown(email: str, *args: object) -> Result:
        return inside(folder, "preview", email, "--event", "event.json", "--json", *args)

    return shown


class TestOwnTemplate:
    def test_is_rendered_as_the_recipient_reads_it(self, show: Command) -> None:
        """HTML escaped, text and subject not."""
        row = show("own", "--profile", "profile.json").row

        assert set(preview.FIELDS) == set(row)
        assert ("own", "Ada@Example.com", "reserved") == (row["rule"], row["to"], row["state"])
        assert ("Hello A & B", "Dear A & B") == (row["subject"], row["text"])
        assert "<p>Dear A &amp; B, <a href='https://acme.example/red'>see</a></p>" == row["html"]

    def test_the_body_is_the_one_that_would_be_posted(self, show: Command) -> None:
        """Text before HTML, as SendGrid wants it; the data stays here."""
        body = show("own", "--profile", "profile.json").row["body"]

        assert ["text/plain", "text/html"] == [part["type"] for part in body["content"]]
        assert "Hello A & B" == body["subject"]
        (personalization,) = body["personalizations"]
        assert [{"email": "Ada@Example.com"}] == personalization["to"]
        assert "own" == personalization["custom_args"]["homing_rule"]
        assert "dynamic_template_data" not in personalization

    def test_variables_used_and_missing_and_links(self, show: Command) -> None:
        """Without traits there is no name."""
        row = show("own").row

        assert ["colour", "name"] == row["used"]
        assert ["name"] == row["missing"]
        assert ["https://acme.example/red"] == row["links"]

    def test_the_html_can_be_written_to_a_file(self, show: Command, folder: Path) -> None:
        """To be opened in a browser."""
        row = show("own", "--html", "out.html").row

        assert row["html"] == (folder / "out.html").read_text()

    def test_a_template_that_cannot_be_rendered_is_65(self, show: Command, folder: Path) -> None:
        """And the rest is shown all the same."""
        (folder / "own.html").write_text("{{#with a}}{{b}}{{/with}}")

        done = show("own")

        assert 65 == done.code
        assert done.row["error"]
        assert "with" in " ".join(done.row["warnings"])

    def test_people_read_it_without_moving_the_cursor(self, folder: Path, inside: Command) -> None:
        """Hostile traits are but text."""
        (folder / "profile.json").write_text('{"name": "\\u001b[2J"}')

        done = inside(
            folder, "preview", "own", "--event", "event.json", "--profile", "profile.json"
        )

        assert "\x1b" not in done.out
        assert "API BODY" in done.out


class TestSendGridTemplate:
    def test_the_exact_body_without_the_mail(self, show: Command) -> None:
        """SendGrid has the template."""
        row = show("digest").row

        assert (None, None) == (row["html"], row["used"])
        assert "d-00000000000000000000000000000002" == row["body"]["template_id"]
        assert {"group_id": 12345} == row["body"]["asm"]
        (personalization,) = row["body"]["personalizations"]
        assert [{"email": "copy@acme.example"}] == personalization["cc"]
        assert row["data"] == personalization["dynamic_template_data"]

    @pytest.mark.parametrize("wrap", [False, True])
    def test_a_downloaded_template_is_rendered(
        self, show: Command, folder: Path, wrap: bool
    ) -> None:
        """A version alone, or the template with its versions: the active one."""
        version = {
            "active": 1,
            "subject": "{{colour}} {{x}}",
            "html_content": "<a href='{{unsubscribe}}'>x</a>{{nothing}}",
        }
        old = {"active": 0, "subject": "old", "html_content": "old"}
        found: Any = {"id": "d-2", "versions": [old, version]} if wrap else version
        (folder / "template.json").write_text(json.dumps(found))

        row = show("digest", "--template", "template.json").row

        assert "red &lt;b&gt;" == row["subject"]  # SendGrid escapes subjects
        assert ["nothing"] == row["missing"]
        assert 1 == len(row["links"])
        assert "content" not in row["body"]

    @pytest.mark.parametrize(
        "content", ["{}", "[]", '{"versions": []}', "nonsense", '{"versions": [7]}']
    )
    def test_what_is_no_template_is_65(self, show: Command, folder: Path, content: str) -> None:
        """Said in words."""
        (folder / "template.json").write_text(content)

        done = show("digest", "--template", "template.json")

        assert 65 == done.code
        assert "Traceback" not in done.err


class TestRoute:
    def test_the_first_that_holds_is_taken(self, show: Command, folder: Path) -> None:
        """Its action's data and template over the email's."""
        (folder / "event.json").write_text(json.dumps({**EVENT, "event": "Special Due"}))

        row = show("digest").row

        assert "digest-special" == row["rule"]
        assert {**EVENT["properties"], "email": "Ada@Example.com", "special": "<b>"} == row["data"]
        assert "d-00000000000000000000000000000009" == row["body"]["template_id"]

    def test_another_can_be_named(self, show: Command) -> None:
        """One that sends the email; any other is refused."""
        assert "digest-special" == show("digest", "--route", "digest-special").row["rule"]
        assert 65 == show("digest", "--route", "own").code


class TestRefusals:
    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            ({**EVENT, "context": {}}, "no_email"),
            ({**EVENT, "context": {"traits": {"email": "not an address"}}}, "bad_"),
            ({**EVENT, "properties": {"email": "a@b"}}, "bad_"),
        ],
    )
    def test_what_would_not_leave_says_why(
        self, show: Command, folder: Path, event: dict[str, Any], reason: str
    ) -> None:
        """The gate is the real one."""
        (folder / "event.json").write_text(json.dumps(event))

        row = show("digest").row

        assert "skipped" == row["state"]
        assert row["reason"].startswith(reason)


class TestFixtures:
    def test_every_event_of_a_folder(self, folder: Path, inside: Command) -> None:
        """Each an event, or an event with its person's traits."""
        (folder / "some").mkdir()
        (folder / "some" / "a.json").write_text(json.dumps(EVENT))
        (folder / "some" / "b.json").write_text(
            json.dumps({"event": EVENT, "profile": {"name": "Bea"}})
        )

        rows = inside(folder, "preview", "own", "--fixtures", "some", "--json").rows

        assert [["name"], []] == [row["missing"] for row in rows]
        assert ["some/a.json", "some/b.json"] == [row["fixture"] for row in rows]

    def test_an_empty_folder_is_65(self, folder: Path, inside: Command) -> None:
        """Nothing to preview is a mistake."""
        (folder / "some").mkdir()

        assert 65 == inside(folder, "preview", "own", "--fixtures", "some").code

    def test_one_of_both(self, folder: Path, inside: Command) -> None:
        """No event at all is a usage error."""
        assert 2 == inside(folder, "preview", "own").code


class TestSendTestCaptured:
    def test_says_that_nothing_left(self, folder: Path, inside: Command) -> None:
        """Exit 0: in capture mode that is what should happen."""
        done = inside(
            folder, "send-test", "own", "--to", "me@example.com", "--event", "event.json", "--json"
        )

        assert 0 == done.code
        assert set(send_test.FIELDS) == set(done.row)
        assert ("captured", "me@example.com") == (done.row["status"], done.row["to"])
        assert "nothing left" in done.row["reason"]

    @pytest.mark.parametrize("to", ["not an address", "a@b", "x" * 400 + "@example.com"])
    def test_an_address_that_sendgrid_would_refuse(
        self, folder: Path, to: str, inside: Command
    ) -> None:
        """Is refused by the gate: exit 1."""
        done = inside(folder, "send-test", "own", "--to", to, "--event", "event.json", "--json")

        assert (1, "skipped") == (done.code, done.row["status"])


class TestOfAJourney:
    @pytest.fixture
    def cart(self, tmp_path: Path) -> Path:
        """A configuration with journeys, an event, and what a run knows."""
        (tmp_path / "homing.toml").write_text(CARTS)
        event = {"type": "track", "event": "Added", "userId": "u1",
                 "properties": {"cart_id": "c1", "total": 7, "email": "a@x.io"}}  # fmt: skip
        (tmp_path / "event.json").write_text(json.dumps(event))
        return tmp_path

    def test_an_email_that_only_a_journey_sends_is_shown_as_its_step_sends_it(
        self, cart: Path, inside: Command
    ) -> None:
        """The event is entry and latest; the step's data lies over the email's; which is said."""
        row = inside(cart, "preview", "reminder", "--event", "event.json", "--json").row

        assert set(preview.FIELDS) == set(row)
        assert ("cart", "remind", "a@x.io") == (row["rule"], row["step"], row["to"])
        assert {"total": 7, "code": "B10", "first": 7} == row["data"]
        assert "as journey cart sends it by step remind" == row["note"]
        (personalization,) = row["body"]["personalizations"]
        assert "remind" == personalization["custom_args"]["homing_step"]

    def test_what_the_run_knows_can_be_said(self, cart: Path, inside: Command) -> None:
        """The latest event is what ``$.`` sees; the variant goes with the send."""
        latest = {"type": "track", "event": "Changed", "userId": "u1", "properties": {"total": 9}}
        known = {"latest": latest, "variant": "mail", "profile": {"email": "p@x.io"}}
        (cart / "context.json").write_text(json.dumps(known))

        args = ("preview", "reminder", "--event", "event.json", "--context", "context.json")
        row = inside(cart, *args, "--journey", "cart", "--json").row

        assert ("p@x.io", {"total": 9, "code": "B10", "first": 7}) == (row["to"], row["data"])
        (personalization,) = row["body"]["personalizations"]
        assert "mail" == personalization["custom_args"]["homing_variant"]

    @pytest.mark.parametrize(
        ("args", "code", "words"),
        [
            (["--journey", "welcome"], 65, "no step of [journey.welcome] sends 'reminder'"),
            (["--journey", "crat"], 65, 'did you mean "cart"?'),
            (["--step", "wait"], 65, "no step 'wait' of any journey sends 'reminder'"),
            (["--journey", "cart", "--route", "digest"], 2, "not both"),
            (["--context", "bad.json"], 65, "no 'entyr' in a run's context"),
            (["--context", "worse.json"], 65, "expected 'entry' to be an object"),
        ],
    )
    def test_what_does_not_fit_is_said(
        self, cart: Path, inside: Command, args: list[str], code: int, words: str
    ) -> None:
        """And nothing is shown."""
        (cart / "bad.json").write_text('{"entyr": {}}')
        (cart / "worse.json").write_text('{"entry": 5}')

        done = inside(cart, "preview", "reminder", "--event", "event.json", *args)

        assert (code, "") == (done.code, done.out)
        assert words in done.err

    def test_a_context_is_of_journeys_alone(self, cart: Path, inside: Command) -> None:
        """A route sees none."""
        (cart / "context.json").write_text("{}")
        args = ("preview", "digest", "--event", "event.json", "--context", "context.json")

        assert 2 == inside(cart, *args).code

    def test_a_route_that_does_not_hold_is_said(self, cart: Path, inside: Command) -> None:
        """With the clause that was false; one that holds needs no word."""
        row = inside(cart, "preview", "digest", "--event", "event.json", "--json").row
        (cart / "due.json").write_text('{"type": "track", "event": "Digest Due", "userId": "u1"}')

        assert row["note"].startswith("route digest does not hold for this event:\n")
        assert 'event is "Added"' in row["note"]
        due = inside(cart, "preview", "digest", "--event", "due.json", "--json").row
        assert due["note"] is None
