"""``homing try``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command, homing

from homing.cli.expressions import Case
from homing.cli.main import run

Answers = Callable[..., list[dict[str, Any]]]

EVENT = {
    "type": "track",
    "event": "Order Completed",
    "properties": {"total": 12.5, "none": None},
    "context": {"personas": {"computation_class": "audience", "computation_key": "vip"}},
}


@pytest.fixture
def event(tmp_path: Path) -> Path:
    """A file with an event."""
    path = tmp_path / "event.json"
    path.write_text(json.dumps(EVENT))
    return path


@pytest.fixture
def answers(tmp_path: Path, inside: Command) -> Answers:
    """Gives what `try --jsonl` says to each line."""

    def answered(*lines: object) -> list[dict[str, Any]]:
        texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        (tmp_path / "lines.jsonl").write_text("\n".join(texts))
        done = inside(tmp_path, "try", "--jsonl", "lines.jsonl")
        assert 0 == done.code, done.err
        return done.rows

    return answered


class TestWhen:
    @pytest.mark.parametrize(
        ("when", "said"),
        [
            ('event = "Order Completed" and properties.total > 10', "true"),
            ("properties.total > 13", "false"),
            ("properties.absent = null", "true"),
            ('did("Order Completed")', "true"),
            ('did("Order Completed", 2)', "false"),
            ('did("Order Completed", 1, "7d", \'properties.total > 13\')', "false"),
            ('profile.plan = "pro"', "true"),
        ],
    )
    def test_prints_true_or_false(
        self, event: Path, when: str, said: str, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        """And exits with 0 either way."""
        profile = event.with_name("profile.json")
        profile.write_text('{"plan": "pro"}')

        code = run(["try", "--when", when, "--profile", str(profile), str(event)])

        assert (0, f"{said}\n".encode()) == (code, capsysbinary.readouterr().out)

    def test_a_bad_condition_is_65_with_a_caret(
        self, event: Path, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        """The column is under the caret."""
        code = run(["try", "--when", "event = ", str(event)])

        assert 65 == code
        assert b"^" in capsysbinary.readouterr().err

    def test_explains(self, event: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
        """Which clause was false, and of what value."""
        run(["try", "--explain", "--when", "properties.total > 13", str(event)])

        said = capsysbinary.readouterr().out.decode()

        assert "false: properties.total > 13 (properties.total is 12.5)" in said

    def test_reads_standard_input(self, tmp_path: Path) -> None:
        """``-`` is a file, too."""
        done = homing(tmp_path, "try", "--when", "a = 1", "-", stdin='{"a": 1}')

        assert (0, "true\n") == (done.code, done.out)


class TestMap:
    @pytest.mark.parametrize(
        ("mapping", "said"),
        [
            ({"@path": "$.properties.total"}, b"12.5\n"),
            ("$.event", b'"Order Completed"\n'),
            ({"a": "$.properties.absent", "b": 1}, b'{"b":1}\n'),
            ({"@path": "$.properties.none"}, b"null\n"),
        ],
    )
    def test_prints_the_value_as_json(
        self, event: Path, mapping: object, said: bytes, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        """As it would be sent."""
        code = run(["try", "--map", json.dumps(mapping), str(event)])

        assert (0, said) == (code, capsysbinary.readouterr().out)

    def test_an_absent_value_prints_nothing(
        self, event: Path, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        """It is not null: standard error says so."""
        code = run(["try", "--map", '"$.nowhere"', str(event)])

        out, err = capsysbinary.readouterr()
        assert (0, b"", b"absent\n") == (code, out, err)

    @pytest.mark.parametrize("mapping", ["{", '{"@nonsense": 1}', '{"@path": "$.a", "b": 1}'])
    def test_a_bad_mapping_is_65(self, event: Path, mapping: str) -> None:
        """Whether it is no JSON or no mapping."""
        assert 65 == run(["try", "--map", mapping, str(event)])


class TestUsage:
    @pytest.mark.parametrize(
        "args",
        [
            ["--when", "a = 1"],
            ["--when", "a = 1", "--map", "1", "EVENT"],
            ["EVENT"],
            ["--jsonl", "--when", "a = 1"],
        ],
    )
    def test_one_question_about_one_event(self, event: Path, args: list[str]) -> None:
        """Anything else is a usage error."""
        assert 2 == run(["try", *(str(event) if arg == "EVENT" else arg for arg in args)])

    @pytest.mark.parametrize("content", ["", "[]", "[{}, {}]", "17", '{"a": NaN}', "{" * 5000])
    def test_an_event_that_is_none_is_65(self, event: Path, content: str) -> None:
        """Said in words, not by a traceback."""
        event.write_text(content)

        assert 65 == run(["try", "--when", "a = 1", str(event)])


class TestJsonl:
    def test_answers_line_by_line(self, answers: Answers) -> None:
        """Results, absent values and errors, each in its line."""
        said = answers(
            {"when": 'event = "A"', "event": {"event": "A"}},
            {"map": "$.properties.x", "event": {"properties": {"x": [1, {"y": None}]}}},
            {"map": "$.properties.x", "event": {}},
            {"map": "$.profile.plan", "event": {}, "profile": {"plan": "pro"}},
            {"when": 'profile.plan = "pro"', "event": {}, "profile": {"plan": "pro"}},
        )

        assert [
            {"result": True},
            {"result": [1, {"y": None}]},
            {"result": None, "absent": True},
            {"result": "pro"},
            {"result": True},
        ] == said

    @pytest.mark.parametrize(
        "line",
        [
            "not json",
            "[]",
            '{"event": {}}',
            '{"when": "a = 1", "map": 1, "event": {}}',
            '{"when": 5, "event": {}}',
            '{"when": "a = ", "event": {}}',
            '{"map": {"@nonsense": 1}, "event": {}}',
            '{"when": "a = 1", "event": []}',
            '{"when": "a = 1", "event": {}, "profile": 3}',
        ],
    )
    def test_a_bad_line_costs_its_neighbours_nothing(self, answers: Answers, line: str) -> None:
        """Its answer is an error; the next line is answered."""
        bad, good = answers(line, {"when": "a = 1", "event": {"a": 1}})

        assert ["error"] == list(bad)
        assert {"result": True} == good

    def test_hostile_text_is_carried_through(self, answers: Answers) -> None:
        """Half surrogates as Node writes them, control characters, astral characters."""
        line = r'{"map": "$.x", "event": {"x": "\ud800 \u001b[31m \ud83d\ude00"}}'

        (said,) = answers(line)

        assert {"result": "\ufffd \x1b[31m 😀"} == said


class TestInAudience:
    @pytest.mark.parametrize(("member", "held"), [(True, True), (False, False), ("true", False)])
    def test_knows_what_this_event_says(self, member: object, held: bool) -> None:
        """Nothing else is known of membership here."""
        case = Case({**EVENT, "properties": {"vip": member}}, {})

        assert held is case.in_audience("vip")
        assert case.in_audience("other") is False
