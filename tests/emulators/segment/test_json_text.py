"""JSON as JavaScript writes it, judged by frozen vectors and, where there is one, by Node."""

import json
import math
import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.emulators.segment.json_text import number_text, stringify

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class TestNumberText:
    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (0, "0"), (-0.0, "0"), (1.0, "1"), (10, "10"), (100.0, "100"), (9.5, "9.5"),
            (-1.25, "-1.25"), (1e-6, "0.000001"), (1e-7, "1e-7"), (1.5e-7, "1.5e-7"),
            (1e20, "100000000000000000000"), (1e21, "1e+21"), (1.2e21, "1.2e+21"),
            (123456789012345680000.0, "123456789012345680000"), (5e-324, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"), (2**53, "9007199254740992"),
            (2**63, "9223372036854776000"), (10**400, "null"), (math.inf, "null"),
            (math.nan, "null"), (0.1 + 0.2, "0.30000000000000004"),
        ],
    )  # fmt: skip
    def test_it_is_javascripts(self, number, text):
        """Shortest digits; an exponent only outside 1e-6 … 1e21; never ``.0``."""
        assert text == number_text(number)

    @given(st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("d", struct.pack("Q", n))[0]))
    def test_it_means_the_same_number(self, number):
        """Whatever the double, reading the text gives it back."""
        if math.isfinite(number):
            assert number == float(number_text(number))


class TestStringify:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ({"b": 1, "a": [True, False, None]}, '{"b":1,"a":[true,false,null]}'),
            ("é😀\u2028\x7f", '"é😀\u2028\x7f"'),
            ("\x01\b\t\n\f\r\"\\/</a>", '"\\u0001\\b\\t\\n\\f\\r\\"\\\\/</a>"'),
            ("\ud800x", '"\\ud800x"'),
            ({"b": 0, "10": 1, "9": 2, "01": 3}, '{"9":2,"10":1,"b":0,"01":3}'),
            ({"4294967295": 1, "4294967294": 2}, '{"4294967294":2,"4294967295":1}'),
        ],
    )  # fmt: skip
    def test_it_is_javascripts(self, value, text):
        """Order, escapes and numeric keys as ``JSON.stringify`` has them."""
        assert text == stringify(value)

    @given(JSON)
    def test_it_is_json(self, value):
        """Reading it back gives the same value."""
        assert value == json.loads(stringify(value), parse_int=float)

    @pytest.mark.parametrize("value", [object(), {1, 2}, b"x", {"a": [object()]}])
    def test_other_values_are_refused(self, value):
        """What is no JSON is a TypeError."""
        with pytest.raises(TypeError):
            stringify(value)

    @pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
    def test_node_writes_the_same(self):
        """A second opinion over awkward values."""
        values = [1e-7, 1e21, 123e-20, -0.0, "\ud800", "\u2028", {"2": 1, "b": 2, "1": 3}, [[], {}]]
        script = "process.stdout.write(JSON.stringify(JSON.parse(process.argv[1])))"

        said = subprocess.run(
            ["node", "-e", script, json.dumps(values)], capture_output=True, check=True
        ).stdout.decode()

        assert said == stringify(values)
