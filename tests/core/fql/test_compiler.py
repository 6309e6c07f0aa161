"""What conditions mean: every operator against every kind of value."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from homing.core.fql import Did, parse

VALUES = {
    "text": "a",
    "empty": "",
    "digits": "5",
    "word": "true",
    "five": 5,
    "five_float": 5.0,
    "zero": 0,
    "one": 1,
    "yes": True,
    "no": False,
    "null": None,
    "list": ["a", 5, True, None],
    "object": {"k": 1},
}


def holds(text: str, **values: object) -> bool:
    """Ask a condition about an event with these properties."""
    return parse(text).holds({"type": "track", "event": "E", "properties": values or VALUES})


NAMES = {
    "userId": "u",
    "properties": {
        "products": [{"price": 3}, {"price": 4}],
        "0": "zero",
        "and": 1,
        "null": 2,
        "a.b": 3,
        "with space": {"é": 4},
        "dash-ed_1": 5,
        "1st": 6,
        "quote'd": 7,
        "back\\slash": 8,
    },
    "and": "root",
    "日本": "jp",
}


class Traits:
    """Facts about one person."""

    profile = MappingProxyType({"plan": "pro", "address": {"city": "Paris"}})
    journey = MappingProxyType({"events": {"Cart Modified": {"properties": {"total": 12}}}})

    def did(self, did: Did) -> int:
        """Two of everything."""
        return 2

    def in_audience(self, key: str) -> bool:
        """In one audience."""
        return key == "vip"


class TestTruth:
    @pytest.mark.parametrize("name", [name for name in VALUES if name != "yes"])
    def test_only_true_is_true(self, name):
        """
        A bare path holds if it is literally true, alone and under `and`, `or` and `!`.
        """
        assert not holds(f"properties.{name}")
        assert not holds(f"properties.{name} and true")
        assert not holds(f"properties.{name} or false")
        assert holds(f"!properties.{name}")

    def test_true_is_true(self):
        """
        The one true value holds everywhere.
        """
        assert holds("properties.yes")
        assert holds("properties.yes and (properties.yes)")
        assert holds("properties.no or properties.yes")
        assert not holds("!properties.yes")

    @pytest.mark.parametrize("text", ["all", " all ", "true", "(true)", "!false", "!null", "!(5)"])
    def test_what_selects_everything(self, text):
        """
        The lone word `all`, and constants that are true, hold for any event.
        """
        assert parse(text).holds({})

    @pytest.mark.parametrize("text", ["false", "null", "'x'", "5", "[]", "(all)", "all.x", "!true"])
    def test_what_selects_nothing(self, text):
        """
        Other constants hold for no event; `all` with company is a path.
        """
        assert not parse(text).holds({"type": "track"})

    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("true or false and false", True),
            ("(true or false) and false", False),
            ("false and false or true", True),
            ("!false or true", True),
            ("!(false or true)", False),
            ("!true = false", True),
            ("!(true = false)", True),
            ("(!true) = false", True),
            ("!!true", True),
            ("true and true and false and true", False),
            ("false or false or true or false", True),
            ("false or false or false", False),
            ("true and true and true", True),
        ],
    )
    def test_precedence(self, text, result):
        """
        `!` takes the whole comparison, then `and` binds, then `or`.
        """
        assert result is parse(text).holds({})


class TestEquality:
    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("properties.text = 'a'", True),
            ('properties.text = "a"', True),
            ("'a' = properties.text", True),
            ("(properties.text) = ('a')", True),
            ("properties.text = 'A'", False),
            ("properties.digits = 5", False),
            ("properties.five = 5", True),
            ("properties.five = 5.0", True),
            ("properties.five = +5", True),
            ("properties.five_float = 5", True),
            ("properties.five = properties.five_float", True),
            ("properties.five = '5'", False),
            ("properties.yes = true", True),
            ("properties.one = true", False),
            ("properties.yes = 1", False),
            ("properties.zero = false", False),
            ("properties.no = 0", False),
            ("properties.yes = properties.one", False),
            ("properties.word = true", False),
            ("properties.null = null", True),
            ("properties.missing = null", True),
            ("properties.missing.deeper = null", True),
            ("properties.text.deeper = null", True),
            ("properties.empty = null", False),
            ("properties.zero = null", False),
            ("properties.missing = properties.null", True),
            ("properties.list = ['a', 5, true, null]", True),
            ("properties.list = ['a', 5, 1, null]", False),
            ("properties.list = ['a', 5, true]", False),
            ("properties.list = [properties.text, properties.five, true, null]", True),
            ("[[1], [2]] = [[1], [2]]", True),
            ("[[1], [2]] = [[1], [true]]", False),
            ("properties.object = properties.object", True),
            ("properties.object = properties.list", False),
            ("(properties.text = 'a') = true", True),
        ],
    )
    def test_equal_is_same_kind_and_same_value(self, text, result):
        """
        `=` needs the same kind and the same value, and `!=` is its negation.
        """
        left, _, right = text.rpartition(" = ")

        assert result is holds(text)
        assert result is not holds(f"{left} != {right}")

    def test_objects_are_equal_in_any_order_of_keys(self):
        """
        Two objects are the same if their members are.
        """
        assert holds("properties.a = properties.b", a={"x": 1, "y": [2]}, b={"y": [2], "x": 1})
        assert not holds("properties.a = properties.b", a={"x": 1}, b={"x": True})
        assert not holds("properties.a = properties.b", a={"x": None}, b={"y": None})

    def test_lists_nested_deeper_than_python_recurses_compare(self):
        """
        A value of any depth can be compared.
        """
        deep: list[object] = []
        other: list[object] = []
        for _ in range(50_000):
            deep, other = [deep], [other]

        assert holds("properties.a = properties.b", a=deep, b=other)
        assert not holds("properties.a = properties.b", a=deep, b=[other])


class TestOrder:
    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("properties.five > 4", True),
            ("properties.five > 5", False),
            ("properties.five >= 5", True),
            ("properties.five < 5.5", True),
            ("properties.five <= 4.9", False),
            ("properties.five>4", True),
            ("4<properties.five", True),
            ("properties.zero > -1", True),
            ("properties.zero>-1", True),
        ],
    )
    def test_numbers_are_ordered(self, text, result):
        """
        Integers and decimals compare by value, with or without blanks.
        """
        assert result is holds(text)

    @pytest.mark.parametrize("sign", [">", ">=", "<", "<="])
    @pytest.mark.parametrize(
        "name", [*sorted(set(VALUES) - {"five", "five_float", "zero", "one"}), "gone"]
    )
    def test_nothing_but_numbers_is_ordered(self, name, sign):
        """
        An order that involves anything but numbers is false, either way round.
        """
        assert not holds(f"properties.{name} {sign} 3")
        assert not holds(f"3 {sign} properties.{name}")
        assert not holds(f"properties.{name} {sign} properties.{name}")


class TestMembership:
    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("event in ['D', 'E']", True),
            ("event in ['e']", False),
            ("event in []", False),
            ("properties.five in [5]", True),
            ("properties.five_float in [5]", True),
            ("properties.five in ['5']", False),
            ("properties.one in [true]", False),
            ("properties.yes in [1]", False),
            ("properties.yes in [1, true]", True),
            ("properties.missing in [null]", True),
            ("properties.missing in ['a']", False),
            ("'a' in properties.list", True),
            ("5 in properties.list", True),
            ("1 in properties.list", False),
            ("true in properties.list", True),
            ("null in properties.list", True),
            ("event in ['D', properties.text, event]", True),
            ("properties.list in ['a']", False),
            ("properties.list in [['a', 5, true, null]]", False),
            ("properties.object in ['a']", False),
            ("event in properties.text", False),
            ("'a' in properties.text", False),
            ("'k' in properties.object", False),
            ("null in properties.missing", False),
            ("event in ('E')", False),
            ("event in (['E'])", True),
        ],
    )
    def test_a_scalar_is_in_a_list(self, text, result):
        """
        `in` finds a scalar of the same kind in a list, and nothing in anything else.
        """
        assert result is holds(text)


class TestPaths:
    @pytest.mark.parametrize(
        "text",
        [
            "properties.products.1.price = 4",
            "properties.products.2.price = null",
            "properties.products.-1.price = null",
            "properties.products.length = null",
            "properties.products.00.price = 3",
            "properties.products.99999999999999999999 = null",
            f"properties.products.{'1' * 4_500} = null",
            r"properties.products.\² = null",
            "properties.0 = 'zero'",
            "properties.and = 1",
            "properties.null = 2",
            r"properties.a\.b = 3",
            r"properties.with\ space.\é = 4",
            "properties.dash-ed_1 = 5",
            "properties.1st = 6",
            r"properties.quote\'d = 7",
            r"properties.back\\slash = 8",
            r"\and = 'root'",
            r"\日\本 = 'jp'",
            r"u\serId = 'u'",
            "userId.length = null",
        ],
    )
    def test_a_path_finds_its_value(self, text):
        """
        Names, escaped names and elements of lists are found; what is not there is null.
        """
        assert parse(text).holds(NAMES)

    def test_any_mapping_is_an_object(self):
        """
        Objects need not be dictionaries.
        """
        event = MappingProxyType(
            {"properties": MappingProxyType({"a": MappingProxyType({"b": 1})})}
        )

        assert parse("properties.a.b = 1").holds(event)

    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("profile.plan = 'pro'", True),
            ("profile.address.city = 'Paris'", True),
            ("profile.missing = null", True),
            ("typeof(profile) = 'object'", True),
            (r"journey.events.Cart\ Modified.properties.total > 10", True),
            ("journey.events.Other.properties.total = null", True),
            ("traits.plan = null", True),
            ("profile = 'event'", False),
        ],
    )
    def test_profile_and_journey_come_from_the_facts(self, text, result):
        """
        The two added roots are read from the facts, never from the event.
        """
        event = {"profile": "event", "journey": "event"}

        assert result is parse(text).holds(event, Traits())

    @pytest.mark.parametrize(
        "text", ["profile.plan = null", "journey.id = null", "!did('X')", "!in_audience('vip')"]
    )
    def test_without_facts_nothing_is_known(self, text):
        """
        A condition asked without facts sees no traits, no run, no past and no audience.
        """
        assert parse(text).holds({})


class TestFacts:
    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("did('X')", True),
            ("did('X', 2)", True),
            ("did('X', 3)", False),
            ("!did('X', 3, '7d')", True),
            ("did('X', 2) = true", True),
            ("in_audience('vip')", True),
            ("in_audience('other') or in_audience(\"vip\")", True),
            ("in_audience('VIP')", False),
        ],
    )
    def test_the_facts_are_asked(self, text, result):
        """
        did() compares the facts' count, in_audience() takes the facts' word.
        """
        assert result is parse(text).holds({}, Traits())
