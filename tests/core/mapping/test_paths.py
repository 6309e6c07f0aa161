"""Paths: the grammar of mapping-kit's `get`."""

from __future__ import annotations

import pytest

from homing.core.mapping.paths import compile_path, compile_steps, read_path
from homing.core.mapping.values import ABSENT

ROOT = {
    "a": {"b": [{"c": 1}, {"c": 2}], "0": "zero", "z": 0, "n": None, "e": "", "f": False},
    "Cart Modified": {"id": 7},
    "$": "dollar",
    "x.y": "never",
    "l": [[1, 2], [3]],
}


class TestCompilePath:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("$.a.b[0].c", 1),
            ("a.b[0].c", 1),
            ("$.a.b.1.c", 2),
            ("$.a['b'][1][\"c\"]", 2),
            ("$.a.b.length", 2),
            ("$.a.0", "zero"),
            ("$.a[0]", "zero"),
            ("$.Cart Modified.id", 7),
            ("$.l[0][1]", 2),
            ("$.l.1.0", 3),
            ("$", "dollar"),
            ("$.x.y", ABSENT),
            ("$.['x.y']", ABSENT),
            ("$.nope", ABSENT),
            ("$.nope.deeper.still", ABSENT),
            ("$.a.b[9].c", ABSENT),
            ("$.a.b[-1]", ABSENT),
            ("$.a[b]", ABSENT),
            ("$.a.z.y", 0),
            ("$.a.n.y", None),
            ("$.a.e.y", ""),
            ("$.a.f.y.x", False),
        ],
    )
    def test_steps_are_names_indexes_and_length(self, path, value):
        """
        Dots and brackets divide, quotes go, and a falsy value on the way is the result.
        """
        assert value == compile_path(path).read(ROOT)
        assert value == read_path(ROOT, path)

    @pytest.mark.parametrize("path", ["$.", "", ".", "..", "$.."])
    def test_no_steps_are_the_whole_root(self, path):
        """
        `$.` alone is the root itself.
        """
        assert ROOT is compile_path(path).read(ROOT)

    @pytest.mark.parametrize(
        ("path", "read"),
        [("$.a.b[0].c", "a.b.0.c"), ("$.", ""), ("a['b']", "a.b"), ("$.a$.b", "a$.b")],
    )
    def test_it_says_what_it_reads(self, path, read):
        """
        The paths of a part have one form, however they were written.
        """
        assert {read} == compile_path(path).paths

    @pytest.mark.parametrize("root", [None, ABSENT, 0, "", "text", [], True])
    def test_any_root_can_be_read(self, root):
        """
        The items of a list are roots too, whatever they are.
        """
        compile_path("$.a.b").read(root)
        compile_path("$.a").read(root)


class TestCompileSteps:
    def test_a_leading_dollar_is_a_name_there(self):
        """
        Inside the braces of a template paths have no `$.`.
        """
        assert ABSENT is compile_steps("$.a").read(ROOT)
        assert 2 == compile_steps("a.b.1.c").read(ROOT)
