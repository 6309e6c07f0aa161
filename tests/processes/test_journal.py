import ast
import json
import os
from pathlib import Path

import pytest

from homing.processes import supervisor
from homing.processes.journal import EVENTS, Journal


@pytest.fixture
def pipe():
    """A pipe: (read end, write end)."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


class TestJournal:
    def test_it_writes_one_json_object_a_line(self, pipe):
        """
        Whatever is in the fields, one line stays one line.
        """
        reader, writer = pipe

        Journal(fd=writer).warning("child.died", child="worker", reason="a\nb \udc80 ü")

        (line,) = os.read(reader, 4096).decode().splitlines()
        record = json.loads(line)
        assert {
            "level": "warning",
            "event": "child.died",
            "child": "worker",
        }.items() <= record.items()
        assert "a\nb \udc80 ü" == record["reason"]

    @pytest.mark.parametrize(
        ("level", "start"), [("info", b"<6>{"), ("warning", b"<4>{"), ("error", b"<3>{")]
    )
    def test_in_the_journal_the_priority_comes_first(self, pipe, level, start):
        """
        As sd-daemon(3) wants it.
        """
        reader, writer = pipe

        getattr(Journal.on(writer, to_journal=True), level)("service.ready")

        assert os.read(reader, 4096).startswith(start)

    def test_on_a_terminal_it_is_for_people(self):
        """
        Words, not braces.
        """
        leader, follower = os.openpty()

        Journal.on(follower, to_journal=False).error("service.failed", exit_code=69)

        line = os.read(leader, 4096).decode()
        assert line.endswith(" [error] service.failed exit_code=69\r\n")
        for end in (leader, follower):
            os.close(end)

    def test_a_log_that_nobody_reads_stops_nothing(self, pipe):
        """
        A closed pipe, a descriptor that is none.
        """
        Journal(fd=pipe[0]).info("service.ready")
        Journal(fd=999).info("service.ready")


class TestEvents:
    def test_the_list_names_what_the_supervisor_logs(self):
        """
        No more, no less.
        """
        tree = ast.parse(Path(supervisor.__file__).read_text())
        logged = {
            call.args[0].value
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in {"info", "warning", "error"}
        }

        assert set(EVENTS) == logged
