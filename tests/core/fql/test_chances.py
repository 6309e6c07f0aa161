"""Whether a condition could be true of an event, whoever's it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.fql.test_properties import CONDITIONS, EVENTS

from homing.core.fql import Did, parse


@dataclass
class Known:
    """Facts of somebody."""

    profile: dict[str, object]
    is_in: bool
    count: int
    journey: dict[str, object] = field(default_factory=dict)

    def did(self, did: Did) -> int:
        """As often as was said."""
        return self.count

    def in_audience(self, key: str) -> bool:
        """As was said."""
        return self.is_in


class TestCouldHold:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("event = 'A'", True),
            ("event = 'B'", False),
            ("event = 'A' and in_audience('vip')", True),
            ("event = 'B' and in_audience('vip')", False),
            ("event = 'B' or in_audience('vip')", True),
            ("event = 'A' and !in_audience('vip')", True),
            ("!(event = 'A' or in_audience('vip'))", False),
            ("!(event = 'A' and in_audience('vip'))", True),
            ("event = 'A' and profile.plan = 'gold'", True),
            ("event = 'A' and profile.a and properties.total > 5", False),
            ("event = 'A' and did('B', 3, '7d')", True),
            ("journey.step = 'x' and event = 'A'", True),
            ("properties.total > profile.limit", True),
        ],
    )
    def test_what_is_asked_of_a_person_may_be_so(self, text: str, expected: bool) -> None:
        """What is asked of the event is not left open."""
        event = {"type": "track", "event": "A", "properties": {"total": 1}}
        assert expected is parse(text).could_hold(event)

    @given(
        text=CONDITIONS, event=EVENTS, is_in=st.booleans(), count=st.integers(0, 3),
        trait=st.sampled_from([None, True, False, 5, "A"]),
    )  # fmt: skip
    def test_what_holds_for_somebody_could_hold(
        self, text: str, event: dict[str, object], is_in: bool, count: int, trait: object
    ) -> None:
        """Whatever is known of them; and where nobody is asked about, it is the answer."""
        condition = parse(text)
        holds = condition.holds(event, Known({"a": trait}, is_in, count))
        assert condition.could_hold(event) or not holds
        if not (condition.dids or condition.audiences or "profile" in text):
            assert holds is condition.could_hold(event)
