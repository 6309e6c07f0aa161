"""Every log line: what it never shows, and where it goes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from homing import log as logs
from homing.log import Redact

NAMES = {name: value for name, value in vars(logs).items() if name.isupper() and name[0] != "_"}


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What standard error was told; the set-up is undone afterwards."""
    before = structlog.get_config()
    yield lambda: capsys.readouterr().err
    structlog.configure(**before)


def line(text: str, **values: object) -> dict[str, object]:
    """A line after redaction of these secrets: wh-secret-1 and pa$$word."""
    return dict(Redact(["wh-secret-1", "pa$$word", "abc"])(None, "", {"event": text, **values}))


class TestRedact:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("to ada@x.io", "to a…@x.io"),
            ("ada.l+news@mail.x.io, bob@y.io", "a…@mail.x.io, b…@y.io"),
            ('{"email": "ada@x.io"}', '{"email": "a…@x.io"}'),
            ("/v3/asm/suppressions/global/ada%40x.io", None),
            ("key SG.abcdefgh12345.xyz_-9", "key ***"),
            ("Authorization: Bearer abcdef.12345", "Authorization: ***"),
            ("Basic d2s6c2VjcmV0", "***"),
            ("uses wh-secret-1 and pa$$word", "uses *** and ***"),
            ("abc is short", "abc is short"),
            ("nothing to hide", "nothing to hide"),
        ],
    )
    def test_addresses_and_secrets_are_taken_out(self, text, shown):
        """
        What is left still tells which domain, which call.
        """
        redacted = line(text)["event"]

        assert shown is None or shown == redacted
        assert "ada" not in str(redacted)

    def test_values_of_every_kind_are_looked_at(self):
        """
        Lists, objects, errors, paths; numbers and truth stay themselves.
        """
        shown = line(
            "x", a=["ada@x.io"], b={"k": "wh-secret-1"}, c=ValueError("ada@x.io"),
            d=Path("/tmp/wh-secret-1"), e=7, f=1.5, g=True, h=None, i=b"ada@x.io",
        )  # fmt: skip

        assert "ada" not in str(shown)
        assert "wh-secret" not in str(shown)
        assert (7, 1.5, True, None) == (shown["e"], shown["f"], shown["g"], shown["h"])

    def test_other_secrets_from_now_on(self):
        """
        As after a reload.
        """
        redact = Redact(["first-secret"])
        redact.use(["second-secret"])

        assert "first-secret ***" == redact.text("first-secret second-secret")

    @given(st.text(max_size=200))
    def test_no_text_raises_and_no_address_survives(self, text):
        """
        Whatever it is.
        """
        shown = Redact().text(f"{text} somebody@x.io")

        assert "somebody@" not in shown

    def test_a_long_text_takes_no_long_time(self):
        """
        Each run of characters is looked at once.
        """
        text = "a" * 2_000_000

        assert text == Redact().text(text)
        assert "a…@x.io" == Redact().text(text + "@x.io")


class TestSetUp:
    def test_lines_are_json_with_time_and_level(self, lines):
        """
        Into a pipe, or under systemd.
        """
        logs.set_up()
        structlog.get_logger().warning(logs.SEND_LOST, send="1-0", reason="ada@x.io")

        written = json.loads(lines())
        assert ("send.lost", "warning", "a…@x.io") == (
            written["event"], written["level"], written["reason"],
        )  # fmt: skip
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", written["timestamp"])

    def test_the_journal_is_told_each_lines_priority(self, lines):
        """
        As sd-daemon(3) reads it.
        """
        logs.set_up(journal=True, level="debug")
        log = structlog.get_logger()
        log.debug("a")
        log.error("b")
        log.critical("c")

        assert ["<7>", "<3>", "<2>"] == [text[:3] for text in lines().splitlines()]

    def test_below_the_level_nothing_is_written(self, lines):
        """
        The default leaves out what is only for looking closely.
        """
        logs.set_up(level="warning")
        structlog.get_logger().info("a")

        assert "" == lines()

    def test_an_error_is_told_with_where_it_came_from_and_redacted(self, lines):
        """
        A traceback may hold anything.
        """
        logs.set_up()
        try:
            int("ada@x.io")
        except ValueError as error:
            structlog.get_logger().error(logs.STAGE_FAILED, exc_info=error)

        told = lines()
        assert "Traceback" in json.loads(told)["exception"]
        assert "invalid literal" in told
        assert 'int("ada@' not in told
        assert "'ada@" not in told

    def test_a_closed_or_full_standard_error_costs_nothing(self):
        """
        A log line is never worth a delivery.
        """
        script = (
            "import structlog, homing.log as logs; logs.set_up();"
            "log = structlog.get_logger(); [log.error('x' * 9000) for _ in range(20)];"
            "open(__import__('sys').argv[1], 'w').write('done')"
        )
        with Path("/dev/full").open("w") as full:
            for stream in (full, None):
                ran = subprocess.run(
                    [sys.executable, "-c", script, "/dev/stdout"],
                    stderr=stream, stdout=subprocess.PIPE, check=False, close_fds=True,
                )  # fmt: skip
                assert (0, b"done") == (ran.returncode, ran.stdout)


class TestNames:
    def test_each_is_a_noun_and_what_was_done_to_it(self):
        """
        And none is given twice: people search by them.
        """
        assert len(NAMES) == len(set(NAMES.values())) > 20
        for value in NAMES.values():
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", value)

    @pytest.mark.parametrize("name", sorted(NAMES))
    def test_each_is_written_somewhere(self, name):
        """
        No name is left over.
        """
        sources = Path(logs.__file__).parent.rglob("*.py")
        users = [path for path in sources if re.search(rf"\b{name}\b", path.read_text())]

        assert len(users) > 1
