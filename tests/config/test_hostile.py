"""Valid TOML that means nothing: always a ConfigError, and always in our words."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homing.config import ConfigError, load

DESIGN = tomllib.loads((Path(__file__).parent / "data" / "design.toml").read_text())

# Words of pydantic that must not reach anybody.
PYDANTICS_OWN = re.compile(
    r"Input should|Field required|Extra inputs|valid (?:string|dict|integer)"
)


def toml(value):
    """
    Write any value as TOML, on one line.
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool | str):
        # JSON escapes the same characters, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else repr(value)


def document(values):
    """
    Write a table as a TOML file.
    """
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in values.items())


def words(value):
    """
    Collect every key and every text of the example: the vocabulary of plausible nonsense.
    """
    if isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from words(child)
    elif isinstance(value, list):
        for child in value:
            yield from words(child)
    elif isinstance(value, str):
        yield value


VOCABULARY = sorted(
    {*words(DESIGN), "", "consent", "caps", "quiet_hours", "until", "$.x", "${X}", "[key]"}
)
TEXT = st.one_of(
    st.sampled_from(VOCABULARY), st.text(st.characters(codec="utf-8", categories=None), max_size=6)
)
LEAF = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 10**30, 2**63, 0.0, -0.5, 1e308]),
    st.floats(),
    st.dates(),
    st.times(),
    st.datetimes(),
)
NONSENSE = st.recursive(
    LEAF,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


def places(value, loc=()):
    """
    List every place of a value, deepest last.
    """
    yield loc
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for part, child in parts:
        if isinstance(child, dict | list):
            yield from places(child, (*loc, part))
        else:
            yield (*loc, part)


def changed(loc, key, value):
    """
    Put *value* in place of what stands at *loc*, or under a new *key* of the table there.
    """
    result = copy.deepcopy(DESIGN)
    parent = result
    for part in loc[:-1]:
        parent = parent[part]
    here = parent[loc[-1]] if loc else result
    if key is not None and isinstance(here, dict):
        here[key] = value
    elif loc:
        parent[loc[-1]] = value
    return result


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """
    One file, written again and again.
    """
    return tmp_path_factory.mktemp("hostile") / "homing.toml"


def problems_of(path, text):
    """
    Load a text, which may only be refused by ConfigError; returns its problems or warnings.
    """
    path.write_text(text, encoding="utf-8")
    try:
        return load(path, environ={}).warnings
    except ConfigError as error:
        return error.problems or ["a refusal without a problem"]


def check(path, text):
    """
    Load a text, and see that every message makes sense.
    """
    for problem in problems_of(path, text):
        assert not PYDANTICS_OWN.search(problem.message)
        assert "\0" not in str(problem)
        assert len(problem.message) < 2_000


class TestLoad:
    @given(values=st.dictionaries(TEXT, NONSENSE, max_size=6))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_nonsense_is_a_config_error(self, path, *, values):
        """
        Whatever tables there are, the answer is a list of problems.
        """
        check(path, document(values))

    @given(
        loc=st.sampled_from(sorted(places(DESIGN), key=str)),
        key=st.none() | TEXT,
        value=NONSENSE,
    )
    @settings(max_examples=200, deadline=None)
    def test_one_wrong_value_anywhere_is_a_config_error(self, path, *, loc, key, value):
        """
        Any place of a sound file may hold anything at all.
        """
        check(path, document(changed(loc, key, value)))

    @pytest.mark.parametrize(
        "text",
        [
            "a = " + "[" * 60 + "]" * 60,
            "email.a.data" + ".a" * 60 + " = 1",
            "email.a.data.x = " + "[" * 50 + "]" * 50,
            "server.processes = 0x" + "f" * 5_000,
            "email.a.data.x = 0x" + "f" * 5_000,
            "'" + "a" * 100_000 + "' = 1",
            "server.lis" + "t" * 100_000 + " = 1",
            "sendgrid.from = '" + " " * 200_000 + "<'",
            "segment.source.a.secrets = [" + "'x'," * 5_000 + "]",
            "".join(f"email.e{n} = 1\n" for n in range(2_000)),
            "email.a.categories = [" + "'x'," * 50_000 + "]",
            "route.r.when = '" + "(" * 5_000 + "'",
            "route.r.when = '" + "a" * 100_000 + "'",
            'include = ["' + "*/" * 200 + '*.toml"]',
            "sendgrid.groups = { " + ", ".join(f"g{n} = {n + 1}" for n in range(5_000)) + " }",
            "".join(
                f"route.r{n} = {{ when = 'event = \"E{n}\"', send = 'e' }}\n" for n in range(500)
            ),
        ],
        ids=lambda text: text[:24],
    )
    def test_large_and_deep_files_are_answered_soon(self, path, text):
        """
        Size and depth make no crash and no endless wait.
        """
        check(path, text)


class TestDocument:
    @given(values=st.dictionaries(TEXT, NONSENSE, max_size=4))
    @settings(deadline=None)
    def test_what_the_tests_write_is_toml(self, values):
        """
        The nonsense above is valid, so that it tests the configuration and not the reader.
        """
        assert set(values) == set(tomllib.loads(document(values)))
