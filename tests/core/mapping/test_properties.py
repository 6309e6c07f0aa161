"""What holds of every mapping and every event."""

from __future__ import annotations

import contextlib

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from homing.core.mapping import ABSENT, MappingError, MappingFailure, compile_mapping

NAMES = st.sampled_from(["a", "b", "c", "0", "1", "length", "x y", ""])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["$5.00 $5.00", "[1,", '{"a":[1]}', "{{ a }}", "$.a", "2024-01-05", "  ", "😀"]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner),
    max_leaves=20,
)
ROOTS = st.dictionaries(NAMES | st.sampled_from(["send", "timestamp"]), JSON, max_size=5)

STEPS = st.lists(NAMES | st.sampled_from(["a[0]", "b['c']", "[1]"]), max_size=3).map(".".join)
PATHS = STEPS.map("$.{}".format)
FILTERS = st.sampled_from(
    [
        *("upcase", "capitalize", "strip_html", "truncate: 3", 'split: ""', "split: a", "join: b"),
        *("replace: a, b", "slice: 1, 2", "plus: 1", "times: b", "divided_by: 0", "modulo: a"),
        *("round: 2", "floor", "size", "first", "last", "sum", "compact", "json", "default: a"),
        *('where: "a"', 'where: "a", b', "push: c", 'date: "%Y-%m-%d %z %s"', 'date: "%c", a'),
        *('date_to_string: "ordinal"', "url_encode", "url_decode", "base64_encode", "slugify"),
        *("base64_decode", "escape_once", "truncatewords: 2", "append: c", "to_integer", "inspect"),
        *("number_of_words", "remove: a", "replace_first: a, b", "at_least: b", "cgi_escape"),
    ]
)
EXPRESSIONS = st.tuples(
    st.sampled_from(
        ["a", "b.a", "c[0]", "a.size", "missing", "'now'", "(1..3)", "5.0", "nil", "empty"]
    ),
    st.lists(FILTERS, max_size=3),
).map(lambda pair: " | ".join([pair[0], *pair[1]]))
CONDITIONS = st.tuples(
    EXPRESSIONS.map(lambda text: text.split(" |")[0]),
    st.sampled_from(["==", "!=", "<", ">=", "contains"]),
    st.sampled_from(["a", "b", "100", "'a'", "blank", "nil", "true"]),
).map(" ".join)
LIQUID = st.lists(
    st.text(alphabet="xy {}%", max_size=5)
    | EXPRESSIONS.map("{{{{ {} }}}}".format)
    | EXPRESSIONS.map("{{% assign a = {} %}}{{{{ a }}}}".format)
    | CONDITIONS.map("{{% if {} %}}yes{{% else %}}no{{% endif %}}".format),
    max_size=4,
).map("".join)


def one(name, slots):
    return slots.map(lambda value: {name: value})


def slots_of(**slots):
    return st.fixed_dictionaries(slots)


def directives(inner):
    texts = st.sampled_from(["a", "$", "$&", "$'", "é"])
    objects = st.dictionaries(NAMES, inner, max_size=3)
    either = objects | inner
    directions = st.sampled_from(["left", "right"])
    operators = st.sampled_from(["lower", "upper"])
    modes = st.sampled_from(["encode", "decode"])
    branches = {"then": inner, "else": inner}
    return (
        one("@path", PATHS | inner)
        | one("@template", STEPS.map(lambda step: f"{{{{{step}}}}}-{{{{{{{step}}}}}}}"))
        | one("@literal", inner)
        | one("@if", slots_of(exists=inner, **branches) | slots_of(blank=inner, **branches))
        | one("@case", slots_of(operator=operators, value=inner))
        | one("@replace", slots_of(pattern=texts, replacement=texts, value=inner))
        | one("@arrayPath", st.tuples(PATHS | inner, either))
        | one("@merge", slots_of(objects=st.lists(either, max_size=3), direction=directions))
        | one("@flatten", slots_of(value=inner, omitArrays=st.booleans()))
        | one("@json", slots_of(mode=modes, value=inner))
        | one("@transform", slots_of(apply=either, mapping=either))
        | one("@excludeWhenNull", inner)
        | st.lists(inner, max_size=3)
        | objects
    )


SLOTS = st.sampled_from(
    ["@path", "@if", "@liquid", "@merge", "exists", "objects", "value", "@nope", "_metadata"]
)
MAPPINGS = st.recursive(
    PATHS | LIQUID.map(lambda text: {"@liquid": text}) | SCALARS, directives, max_leaves=8
)


class TestEveryMapping:
    @settings(max_examples=150)
    @given(MAPPINGS, ROOTS)
    @example({"@merge": {"objects": ["$.a"]}}, {"a": "😀"})
    @example({"@liquid": "{{ a | url_encode }}"}, {"a": "\ud800"})
    def test_the_result_is_json_or_a_named_failure(self, mapping, root):
        """
        A mapping is refused at load or gives JSON, the same every time, and leaves the event alone.
        """
        before = repr(root)
        try:
            compiled = compile_mapping(mapping)
            result = compiled.resolve(root)
        except (MappingError, MappingFailure):
            return

        assert result is ABSENT or isinstance(orjson.dumps(result), bytes)
        assert repr(compiled.resolve(root)) == repr(result)
        assert before == repr(root)

    @settings(max_examples=100)
    @given(
        st.recursive(
            SCALARS,
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    NAMES
                    | st.sampled_from(
                        [
                            "@path",
                            "@if",
                            "@liquid",
                            "@merge",
                            "exists",
                            "objects",
                            "value",
                            "@nope",
                            "_metadata",
                        ]
                    ),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=15,
        )
    )
    def test_any_value_compiles_or_is_refused(self, value):
        """
        Whatever a configuration holds, nothing but a `MappingError` comes of it at load.
        """
        with contextlib.suppress(MappingError):
            assert isinstance(compile_mapping(value).paths, frozenset)

    @settings(max_examples=100)
    @given(st.text(alphabet="{}%-'\"|:,.[]() \n#aeforsliquidcmt01=<>&", max_size=60), ROOTS)
    def test_any_liquid_renders_or_is_refused(self, text, root):
        """
        Broken templates are errors at load, never at run time and never of the engine's making.
        """
        try:
            result = compile_mapping({"@liquid": text}).resolve(root)
        except (MappingError, MappingFailure):
            return

        assert isinstance(result, str)
