"""Words of messages: what is shown, what is only named, what was probably meant."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from homing.config.problems import Problem, guess, kind_of, shown
from homing.config.secrets import SecretRef


class TestShown:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("2 hours", '"2 hours"'),
            ('say "x"\n', '"say \\"x\\"\\n"'),
            ("é", '"é"'),
            ("x" * 61, '"' + "x" * 59 + '…"'),
            (True, "true"),
            (8400, "8400"),
            (-0.5, "-0.5"),
            (float("nan"), "nan"),
            pytest.param(16**5_000, "a very large number", id="huge"),
            pytest.param(-(16**5_000), "a very large number", id="minus huge"),
            (dt.date(2026, 1, 2), "2026-01-02"),
            (dt.time(9, 5), "09:05:00"),
            ([1], "a list"),
            ({"a": 1}, "a table"),
            (SecretRef("env", "A"), "the reference ${A}"),
        ],
    )
    def test_a_value_reads_as_in_the_file(self, value, text):
        """
        Short, on one line, and tables and lists only named.
        """
        assert text == shown(value)

    @pytest.mark.parametrize(
        "secret",
        ["SG.abc.def", "postgresql://u:secret@h/db", "https://u:secret@x.example", "x://:secret@h"],
    )
    def test_what_looks_like_a_secret_is_not_shown(self, secret):
        """
        A key in the wrong place, or a password in a URL, stays out of logs.
        """
        assert "text (not shown)" == shown(secret)


class TestKindOf:
    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            ("x", "text"),
            (SecretRef("env", "A"), "text"),
            (False, "true or false"),
            (1, "a number"),
            (1.0, "a number"),
            (dt.datetime(2026, 1, 2), "a date or time"),  # noqa: DTZ001 - as TOML has them
            ([], "a list"),
            ({}, "a table"),
        ],
    )
    def test_each_kind_of_toml_has_its_name(self, value, kind):
        """
        Nothing of the value itself is in it.
        """
        assert kind == kind_of(value)


class TestGuess:
    @pytest.mark.parametrize(
        ("name", "known", "text"),
        [
            ("lisen", ["listen", "admin"], ', did you mean "listen"?'),
            ("LISTEN", ["listen"], ', did you mean "listen"?'),
            ("zzz", ["listen"], ""),
            ("x", [], ""),
            ("l" * 100_000, ["listen"], ""),
        ],
    )
    def test_the_nearest_name_is_asked_for(self, name, known, text):
        """
        Only if there is one that is near.
        """
        assert text == guess(name, known)


class TestProblem:
    def test_it_reads_as_place_and_message(self):
        """
        Editors open file:line.
        """
        path = Path("a.toml")

        assert "a.toml:3: m" == str(Problem(path, "k", 3, "m"))
        assert "a.toml: m" == str(Problem(path, "", None, "m"))
