"""Filters on numbers, lists and anything, by the documentation and LiquidJS's behaviour."""

from __future__ import annotations

import pytest

from homing.core.mapping import compile_mapping

EVENT = {
    "n": 5.0,
    "price": "55.34",
    "none": None,
    "no": False,
    "zero": 0,
    "list": [3, None, "x", 2.5, [1, None]],
    "products": [
        {"name": "Vacuum", "type": "electronics", "stock": {"left": 2}, "ok": True},
        {"name": "Spatula", "type": "kitchen", "price": "1.5", "ok": False},
        {"name": "TV", "type": "electronics", "price": 2},
    ],
    "object": {"b": 5.0, "a": [1]},
}


def filtered(expression):
    return compile_mapping({"@liquid": f"{{{{ {expression} }}}}"}).resolve(EVENT)


class TestNumbers:
    @pytest.mark.parametrize(
        ("expression", "text"),
        [
            ("-17 | abs", "17"),
            ('"-19.86" | abs', "19.86"),
            ("4 | at_least: 5", "5"),
            ("4 | at_most: 3", "3"),
            ("1.2 | ceil", "2"),
            ('"3.5" | ceil', "4"),
            ("1.8 | floor", "1"),
            ("-1.2 | floor", "-2"),
            ("2.7 | round", "3"),
            ("183.357 | round: 2", "183.36"),
            ("2.5 | round", "3"),
            ("-2.5 | round", "-3"),
            ("1234 | round: -2", "1200"),
            ("1.5 | round: 400", "1.5"),
            ("4 | plus: 2", "6"),
            ("183.357 | plus: 12", "195.357"),
            ("0.1 | plus: 0.2", "0.3"),
            ("16 | minus: 4", "12"),
            ("price | times: 3", "166.02"),
            ("183.357 | times: 12", "2200.284"),
            ("3 | modulo: 2", "1"),
            ("-3 | modulo: 2", "1"),
            ("183.357 | modulo: 12", "3.357"),
            ("7 | divided_by: 2", "3.5"),
            ("20 | divided_by: 7, true", "2"),
            ("1 | divided_by: 0", "Infinity"),
            ("-1 | divided_by: 0", "-Infinity"),
            ("0 | divided_by: 0", "NaN"),
            ("5 | modulo: 0", "NaN"),
            ('"1e308" | times: 10', "Infinity"),
            ("missing | plus: 1", "1"),
            ("none | plus: n", "5"),
            ('"x" | times: 5', "0"),
            ("object | plus: 1", "1"),
            ('"12.5" | to_integer', "12.5"),
            ('"x" | to_integer', "NaN"),
            ("1 | divided_by: 0 | ceil", "Infinity"),
            ("1 | divided_by: 0 | minus: n", "Infinity"),
            ("1 | divided_by: 0 | round", "Infinity"),
        ],
    )
    def test_reckoning(self, expression, text):
        """
        Text counts as a number, what is none counts as 0, and decimals come out as written.
        """
        assert text == filtered(expression)


class TestLists:
    @pytest.mark.parametrize(
        ("expression", "text"),
        [
            ('"a,b" | split: "," | join: " and "', "a and b"),
            ("list | join", "3  x 2.5 1,"),
            ('list | join: "-"', "3--x-2.5-1,"),
            ("none | join", ""),
            ("n | join", "5"),
            ("list | first", "3"),
            ("list | last", "1"),
            ('"abc" | first', "a"),
            ("none | first", ""),
            ("list | size", "5"),
            ('"abc" | size', "3"),
            ("object | size", "0"),
            ("missing | size", "0"),
            ("list | sum", "5.5"),
            ('products | sum: "price"', "3.5"),
            ('products | sum: "stock.left"', "2"),
            ("list | compact | size", "4"),
            ('list | push: "z" | last', "z"),
            ('list | unshift: "z" | first', "z"),
            ("list | pop | size", "4"),
            ("list | shift | first", ""),
            ('products | where: "type", "kitchen" | sum: "price"', "1.5"),
            ('products | where: "ok" | size', "1"),
            ('products | where: "ok", true | size', "1"),
            ('products | where: "price", 2 | size', "1"),
            ('products | where: "stock.left", 2 | size', "1"),
            ('"Liquid" | slice: 0', "L"),
            ('"Liquid" | slice: 2, 5', "quid"),
            ('"Liquid" | slice: -3, 2', "ui"),
            ('"Liquid" | slice: -9, 2', ""),
            ('"Liquid" | slice: 0, -1', ""),
            ("list | slice: 1, 2 | json", '[null,"x"]'),
            ("(1..5) | slice: 1, 2", "23"),
            ("(1..3) | join: '+'", "1+2+3"),
        ],
    )
    def test_lists(self, expression, text):
        """
        A single value is a list of one, nothing is an empty list.
        """
        assert text == filtered(expression)


class TestAnything:
    @pytest.mark.parametrize(
        ("expression", "text"),
        [
            ('missing | default: "x"', "x"),
            ('none | default: "x"', "x"),
            ('"" | default: "x"', "x"),
            ('no | default: "x"', "x"),
            ('no | default: "x", allow_false: true', "false"),
            ('zero | default: "x"', "0"),
            ('list | default: "x" | size', "5"),
            ("object | json", '{"b":5,"a":[1]}'),
            ("object | jsonify", '{"b":5,"a":[1]}'),
            ("object | inspect", '{"b":5,"a":[1]}'),
            ("missing | json", ""),
            ("none | json", "null"),
            ("n | raw", "5"),
        ],
    )
    def test_defaults_and_json(self, expression, text):
        """
        Nothing, false and what is empty have a default; 0 has not.
        """
        assert text == filtered(expression)
