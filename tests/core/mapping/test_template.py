"""`@template`: values in text."""

from __future__ import annotations

import pytest

from homing.core.mapping.errors import Refused
from homing.core.mapping.template import compile_template, render_template
from homing.core.mapping.values import ABSENT

ROOT = {
    "traits": {"name": "Mr. Rogers", "html": "<b>&</b>", "tpl": "{{userId}}"},
    "userId": "abc123",
    "n": {
        "false": False,
        "zero": 0,
        "null": None,
        "five": 5.0,
        "big": 1e21,
        "list": [1, None, "x"],
    },
}


class TestCompileTemplate:
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("Hello, {{traits.name}}!", "Hello, Mr. Rogers!"),
            ("Hello, {{traits.fullName}}!", "Hello, !"),
            ("{{traits.name}} ({{ userId }})", "Mr. Rogers (abc123)"),
            ("{{{traits.html}}} {{traits.html}}", "<b>&</b> <b>&</b>"),
            ("{{n.false}}|{{n.zero}}|{{n.null}}|{{n.missing}}", "false|0||"),
            ("{{n.five}} {{n.big}}", "5 1e+21"),
            ("{{traits}} {{n.list}}", "[object Object] 1,,x"),
            ("{{n.list[2]}}{{n.list.length}}", "x3"),
            ("{{$.userId}}|", "|"),
            ("{{}}{{ userId", "{{}}{{ userId"),
            ("{{ }}", "[object Object]"),
            ("{{\nuserId\u00a0}}", "abc123"),
            ("{{{{userId}}}}", "}"),
            ("plain", "plain"),
            ("", ""),
        ],
    )
    def test_values_are_written_as_javascript_does(self, template, text):
        """
        Missing and null are nothing, false and 0 are not, objects are `[object Object]`.
        """
        assert text == compile_template(template).read(ROOT)
        assert text == render_template(ROOT, template)

    def test_a_value_is_not_a_template(self):
        """
        Braces that come from an event stay braces: nobody reads another's fields by them.
        """
        assert "{{userId}} x" == compile_template("{{{traits.tpl}}} x").read(ROOT)

    def test_it_says_what_it_reads(self):
        """
        The paths between the braces are known; without any the text is constant.
        """
        assert {"traits.name", "userId"} == compile_template("{{traits.name}}{{{userId}}}").paths
        assert compile_template("plain").constant
        assert not compile_template("{{userId}}").constant

    def test_an_absent_root_is_an_empty_object(self):
        """
        As with mapping-kit's own default.
        """
        assert "[object Object]" == compile_template("{{ }}{{a}}").read(ABSENT)

    def test_text_without_end_is_refused(self):
        """
        A value of a megabyte, put in ten times, is too much.
        """
        with pytest.raises(Refused, match="longer than"):
            compile_template("{{userId}}" * 10).read({"userId": "x" * 1_000_000})
