"""Every example can be served, runs as it stands, and does the same each time."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.examples.generate import (
    FOLDER,
    NAMES,
    events,
    lines,
    loaded,
    played,
    readme,
    shell,
    timeline,
)

from homing.config import load

ROOT = FOLDER.parent

THE_TWELVE = {
    "order-confirmation", "application-abandonment", "cart-viewed", "cart-modified",
    "browse-abandonment", "trial-reengagement", "funnel", "onboarding", "high-intent", "win-back",
    "welcome", "onboarding-lists",
}  # fmt: skip

# what `check` may warn of: an example sends nothing until somebody says so
CAPTURE = '`sendgrid.mode` is "capture": no email leaves, each is kept for reading'


def secrets() -> dict[str, str]:
    """Everything that an example asks of the environment."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "SEGMENT_SHARED_SECRET": "secret",
        "SEGMENT_WRITE_KEY": "key",
        "SENDGRID_WEBHOOK_KEY": base64.b64encode(encoded).decode(),
    }


def journey_of(name: str) -> str:
    """The text of an example's journey, without comments."""
    text = (FOLDER / name / "homing.toml").read_text()
    start = text.index("[journey.")
    return "\n".join(
        line for line in text[start:].splitlines() if line.strip() and not line.startswith("#")
    )


def unexpected(stderr: str) -> list[str]:
    """What is told beside the lines, but for the events that start nothing."""
    return [line for line in stderr.splitlines() if not line.startswith("did not enter ")]


class TestEvery:
    def test_there_are_twelve(self) -> None:
        """None is missing, and each is told of on the first page."""
        index = (FOLDER / "README.md").read_text()

        assert set(NAMES) == THE_TWELVE
        assert [] == [name for name in NAMES if f"[{name}]({name}/README.md)" not in index]

    @pytest.mark.parametrize("name", NAMES)
    def test_it_can_be_served_once_its_secrets_are_there(self, name: str) -> None:
        """With them nothing is refused, and all that is warned of is that nothing leaves."""
        whole = load(FOLDER / name / "homing.toml", environ=(environ := secrets()))

        assert () == whole.refusals(environ)
        assert [CAPTURE] == [problem.message for problem in whole.warnings]

    @pytest.mark.parametrize("name", NAMES)
    def test_without_secrets_only_they_are_missing(self, name: str) -> None:
        """`serve` refuses for each of them, and for nothing else."""
        bare = loaded(name)

        refused = [problem.message for problem in bare.refusals({})]
        assert len(set(bare.secrets)) == len(refused)
        assert [] == [message for message in refused if "environment variable" not in message]

    @pytest.mark.parametrize("name", NAMES)
    def test_its_journey_can_be_read_at_a_glance(self, name: str) -> None:
        """It is shorter than forty lines."""
        assert len(journey_of(name).splitlines()) < 40

    def test_json_has_the_lines_that_are_looked_at_here(self) -> None:
        """One object a line, and nothing else, also where the stages have something to log."""
        done = subprocess.run(
            [sys.executable, "-m", "homing", "simulate", "events.jsonl", "--json"],
            cwd=FOLDER / "browse-abandonment", capture_output=True, check=True,
        )  # fmt: skip

        printed = [orjson.loads(line) for line in done.stdout.splitlines()]
        assert list(lines("browse-abandonment")) == printed
        assert not unexpected(done.stderr.decode())

    @pytest.mark.parametrize("name", NAMES)
    def test_the_commands_of_its_page_run_as_they_stand(self, name: str) -> None:
        """From the project's folder, without any secret; they print the timeline, to the byte."""
        (block,) = re.findall(r"```sh\n(.*?)```", (FOLDER / name / "README.md").read_text(), re.S)

        done = shell(block, ROOT)

        assert (0, []) == (done.returncode, unexpected(done.stderr))
        checked, _, played = done.stdout.partition("AT  ")
        assert re.search(r"1 journey, \d warnings?; version \w+\n$", checked)
        assert f"AT  {played}".startswith((FOLDER / name / "timeline.txt").read_text() + "{")

    def test_the_same_events_give_the_same_lines_anywhere(self) -> None:
        """In another zone and language, and with another seed of Python's own hashes."""
        elsewhere = {"TZ": "Asia/Kolkata", "LC_ALL": "C", "PYTHONHASHSEED": "7"}

        assert (FOLDER / "welcome" / "timeline.txt").read_text() == timeline("welcome", elsewhere)

    @pytest.mark.parametrize("name", NAMES)
    def test_every_event_may_come_twice(self, name: str) -> None:
        """At once, and again after all others."""
        twice = [event for event in events(name) for _ in range(2)]

        assert lines(name) == played(name, [*twice, *events(name)])

    @pytest.mark.parametrize("name", NAMES)
    def test_nobody_is_touched_by_what_others_do(self, name: str) -> None:
        """Each person's lines are the same when the others' events never came."""
        for person in {who.removeprefix("anon_") for who in people_in(name)}:
            own = [raw for raw, who in zip(events(name), people_in(name), strict=True)
                   if who.removeprefix("anon_") == person]  # fmt: skip

            alone = played(name, own)

            names = (person, f"anon_{person}")
            assert [line for line in lines(name) if line["person"] in names] == list(alone)

    @pytest.mark.parametrize("name", NAMES)
    def test_its_page_has_the_graph_of_its_journey(self, name: str) -> None:
        """A stale graph fails: ``python -m tests.examples.generate`` draws it anew."""
        assert readme(name) == (FOLDER / name / "README.md").read_text()

    @pytest.mark.parametrize("name", NAMES)
    def test_its_page_tells_of_everybody(self, name: str) -> None:
        """Each person of the timeline, and those to whom nothing happens, is in its table."""
        table = re.findall(r"^\| (.*?) \|", (FOLDER / name / "README.md").read_text(), re.M)[1:]
        told = {who for cell in table for who in cell.split(", ")}

        assert told == {one.removeprefix("anon_") for one in set(people_in(name))}


def people_in(name: str) -> Iterator[str]:
    """Everybody whom the events of an example are about."""
    for event in map(orjson.loads, events(name)):
        address = str(event.get("email", ""))
        yield event.get("userId") or event.get("anonymousId") or address.partition("@")[0]
