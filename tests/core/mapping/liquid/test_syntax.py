"""Conditions compare as JavaScript does, and filters are checked before they run."""

from __future__ import annotations

import re

import pytest

from homing.core.mapping import MappingError, compile_mapping

EVENT = {
    "n": 5,
    "text": "150",
    "word": "abc",
    "null": None,
    "no": False,
    "list": [1, "a", None],
    "nobody": [],
    "space": " ",
    "object": {"a": 1},
}


def holds(condition):
    template = f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}"
    return "yes" == compile_mapping({"@liquid": template}).resolve(EVENT)


class TestConditions:
    @pytest.mark.parametrize(
        "condition",
        [
            *("n == 5", "n == 5.0", "n != '5'", "n > 4", "n >= 5", "n < 6", "n <= 5.0"),
            *("text > 100", "text < 1000", "'10' < '9'", "word > 'abb'", "word <= 'abc'"),
            *("missing == nil", "missing == null", "null == nil", "missing != 1", "no == false"),
            *("nobody == empty", "nobody == blank", "space == blank", "word != empty"),
            *("word contains 'b'", "text contains 5", "list contains 'a'", "list contains 1"),
            *("n", "nobody", "space", "0", "object == object", "(1..5) contains 3"),
            *("n > 4 and word", "missing or n", "not missing", "not (n > 9)"),
        ],
    )
    def test_these_hold(self, condition):
        """
        Numbers in text count as numbers; only false and nil are false.
        """
        assert holds(condition)

    @pytest.mark.parametrize(
        "condition",
        [
            *("n == '5'", "n > 5", "missing > 0", "missing < 1", "missing >= 0", "null < 1"),
            *("0 > null", "word > 5", "word < 5", "object > 1", "list < 1", "nil <= nil"),
            *("missing", "null", "no", "missing == 1", "missing contains 'a'", "n contains 5"),
            *("object contains 'a'", "word contains missing", "list contains 'b'", "no == nil"),
        ],
    )
    def test_these_do_not(self, condition):
        """
        What is missing or no number is neither above nor below anything, and nothing fails.
        """
        assert not holds(condition)


class TestFilterChecks:
    @pytest.mark.parametrize(
        "name",
        [
            *("array_to_sentence_string", "concat", "find", "find_exp", "find_index"),
            *("find_index_exp", "group_by", "group_by_exp", "has", "has_exp", "map"),
            *("newline_to_br", "reject", "reject_exp", "reverse", "sort", "sort_natural"),
            *("uniq", "where_exp", "type", "sample"),
        ],
    )
    def test_disabled_filters_are_refused_by_name(self, name):
        """
        The list is Segment's, and `sample`, which is chance.
        """
        message = f'`a` to be Liquid, got the filter "{name}", which is disabled'

        with pytest.raises(MappingError, match=re.escape(message)):
            compile_mapping({"a": f"{{{{ x | upcase | {name} }}}}"})

    @pytest.mark.parametrize(
        ("template", "found"),
        [
            ("{{ x | upcas }}", 'the unknown filter "upcas" (did you mean "upcase"?)'),
            ("{{ x | nope }}", 'the unknown filter "nope"'),
            ("{% assign y = x | nope %}{{ y }}", 'the unknown filter "nope"'),
            ("{% if true %}{% capture z %}{{ x | nope }}{% endcapture %}{% endif %}", '"nope"'),
            ("{{ x | append }}", 'the filter "append" with other arguments than it takes'),
            ("{{ x | upcase: 1 }}", 'the filter "upcase" with other arguments'),
            ("{{ x | remove: 'a', 'b' }}", 'the filter "remove" with other arguments'),
            ("{{ x | date: '%Y', now: 'y' }}", 'the filter "date" with other arguments'),
            ("{{ x | replace: 'a', 'b', count: 1 }}", 'the filter "replace" with other arguments'),
        ],
    )
    def test_unknown_filters_and_arguments_are_refused_at_load(self, template, found):
        """
        A mistake is found before the first event, wherever in the template it is.
        """
        with pytest.raises(MappingError, match=re.escape(found)):
            compile_mapping({"@liquid": template})
