"""Lines of keys: what a message needs to point at."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.config.positions import lines_of

SAMPLE = '''
top = 1                                  # line 2
"quoted key".'and this' = [              # line 3
  "a # no comment",
  { x = { y = 5 } },
]
text = """
a = 1
[not.a.table]
\\""" still """""
after = \'\'\'
b = 2\'\'\'

[table.sub]                              # line 14
date = 1979-05-27 07:32:00
[table]
own = [[1, 2], [3]]
[[many]]
k.l = 1
[[many]]
[[many.inner]]
z = 'C:\\'
[many.inner.deep]
z = 1
'''


def places(value, loc=()):
    """
    Walk the values as tomllib sees them: every key and item there is.
    """
    if loc:
        yield loc
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for part, child in children:
        if isinstance(child, dict | list):
            yield from places(child, (*loc, part))
        else:
            yield (*loc, part)


class TestLinesOf:
    @pytest.mark.parametrize(
        ("loc", "line"),
        [
            (("top",), 2),
            (("quoted key", "and this"), 3),
            (("quoted key", "and this", 0), 4),
            (("quoted key", "and this", 1, "x", "y"), 5),
            (("text",), 7),
            (("after",), 11),
            (("table",), 16),
            (("table", "sub"), 14),
            (("table", "sub", "date"), 15),
            (("table", "own", 1, 0), 17),
            (("many", 0), 18),
            (("many", 0, "k", "l"), 19),
            (("many", 1), 20),
            (("many", 1, "inner", 0), 21),
            (("many", 1, "inner", 0, "deep", "z"), 24),
        ],
    )
    def test_each_form_of_toml_is_found_on_its_line(self, loc, line):
        """
        Tables, inline tables, lists, lists of tables and dotted keys all have their line.
        """
        assert line == lines_of(SAMPLE)[loc]

    def test_it_finds_exactly_what_tomllib_finds(self):
        """
        No key is missed, and what stands in text or comments is no key.
        """
        assert set(places(tomllib.loads(SAMPLE))) == set(lines_of(SAMPLE))

    @given(
        st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=8),
            st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x7f"))),
            max_size=5,
        )
    )
    def test_any_text_in_keys_and_values_is_stepped_over(self, table):
        """
        Whatever quotes, brackets and backslashes hold, the next key is found on its line.
        """
        text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in table.items())

        lines = lines_of(text)

        keys = tomllib.loads(text)
        assert {(key,): n for n, key in enumerate(keys, 1)} == {
            loc: line for loc, line in lines.items() if len(loc) == 1
        }

    def test_crlf_counts_one_line(self):
        """
        Files from Windows have the same line numbers.
        """
        assert {("a",): 1, ("b",): 3} == lines_of("a = 1\r\n\r\nb = 2\r\n")

    def test_long_text_is_no_burden(self):
        """
        Megabytes of text, or thousands of items, are read in one pass.
        """
        text = 'a = """' + "x\\n" * 500_000 + '"""\nb = [' + "1," * 50_000 + "]\nc = 1"

        assert 3 == lines_of(text)[("c",)]


def toml(value):
    """
    Write text or a list of it as TOML.
    """
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    escaped = "".join(
        f"\\u{ord(c):04x}" if c < " " else f"\\{c}" if c in '"\\' else c for c in value
    )
    return f'"{escaped}"'
