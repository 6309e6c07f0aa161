"""Calls to Segment, and their coming back."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment.analytics import Client
from segment.analytics.version import VERSION

from homing.core.segment_calls import (
    CallRefused,
    CallTooLarge,
    Cause,
    Who,
    anonymous_id_of,
    context_of,
    identify_call,
    is_echo,
    iso,
    track_call,
)
from homing.core.wire import json_bytes

AT_MS = 1_700_000_000_123
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIBRARY = Client("unused", send=False)
CAUSE = Cause("evt-1", "welcome", 0)
ADA = Who("u1", "a1", "ada@example.com")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


class TestTrackCall:
    def test_is_a_whole_message_of_segments_batch(self) -> None:
        """Everything that Segment requires, built by its own library."""
        call = track_call(CAUSE, ADA, event="Welcomed", properties={"n": 1}, at_ms=AT_MS)

        assert {
            "type": "track",
            "event": "Welcomed",
            "userId": "u1",
            "anonymousId": None,
            "properties": {"n": 1},
            "context": {
                "integration": {"name": "Homing"},
                "traits": {"email": "ada@example.com"},
                "library": {"name": "analytics-python", "version": VERSION},
            },
            "integrations": {},
            "timestamp": "2023-11-14T22:13:20.123+00:00",
            "messageId": call["messageId"],
        } == call

    def test_the_same_cause_has_the_same_id(self) -> None:
        """A retry, a replay and a restart make no second event at Segment."""
        first = track_call(CAUSE, ADA, event="A", properties={}, at_ms=AT_MS)
        again = track_call(CAUSE, ADA, event="A", properties={"x": 1}, at_ms=AT_MS + 1)

        assert first["messageId"] == again["messageId"]

    @pytest.mark.parametrize(
        "other", [Cause("evt-2", "welcome"), Cause("evt-1", "other"), Cause("evt-1", "welcome", 1)]
    )
    def test_another_cause_has_another_id(self, other: Cause) -> None:
        """Two actions of one route, or of two, are two calls."""
        ids = {
            track_call(cause, ADA, event="A", properties={}, at_ms=AT_MS)["messageId"]
            for cause in (CAUSE, other)
        }

        assert 2 == len(ids)

    def test_a_track_and_an_identify_never_share_an_id(self) -> None:
        """Segment would drop the second."""
        track = track_call(CAUSE, ADA, event="A", properties={}, at_ms=AT_MS)
        identify = identify_call(CAUSE, ADA, traits={"a": 1}, at_ms=AT_MS)

        assert track["messageId"] != identify["messageId"]
        assert 100 >= len(str(track["messageId"]))

    @given(st.dictionaries(st.text(st.characters(), max_size=5), JSON, max_size=4))
    def test_any_json_can_be_sent_on(self, properties: dict[str, object]) -> None:
        """Odd characters, big numbers and NaN reach the wire as JSON."""
        call = track_call(CAUSE, ADA, event="A", properties=properties, at_ms=AT_MS)

        assert orjson.dumps(call)

    def test_prices_are_numbers(self) -> None:
        """A mapping may compute decimals."""
        call = track_call(CAUSE, ADA, event="A", properties={"p": Decimal("9.50")}, at_ms=AT_MS)

        assert {"p": 9.5} == call["properties"]

    @pytest.mark.parametrize(
        ("who", "expected"),
        [
            (Who("u1", "a1", "x@y.io"), ("u1", None)),
            (Who(None, "a1", "x@y.io"), (None, "a1")),
            (Who("", "", "X@y.io"), (None, hashlib.sha256(b"x@y.io").hexdigest())),
        ],
    )
    def test_writes_to_the_best_known_name(
        self, who: Who, expected: tuple[str | None, str | None]
    ) -> None:
        """userId, else anonymousId, else the hash of the address."""
        call = track_call(CAUSE, who, event="A", properties={}, at_ms=AT_MS)

        assert expected == (call["userId"], call["anonymousId"])

    @pytest.mark.parametrize(
        ("who", "event", "properties"),
        [
            (Who(), "A", {}),
            (ADA, "", {}),
            (ADA, "A", {"x": object()}),
        ],
    )
    def test_what_segment_would_drop_unseen_is_refused(
        self, who: Who, event: str, properties: dict[str, object]
    ) -> None:
        """Segment answers 200 and discards: the reason must come from us."""
        with pytest.raises(CallRefused):
            track_call(CAUSE, who, event=event, properties=properties, at_ms=AT_MS)

    def test_a_call_too_large_is_refused(self) -> None:
        """32 KB a call."""
        with pytest.raises(CallTooLarge, match="32 KB"):
            track_call(CAUSE, ADA, event="A", properties={"x": "y" * 40_000}, at_ms=AT_MS)

    def test_a_call_nested_without_end_is_refused(self) -> None:
        """The library recurses; its stack must not be ours."""
        deep: object = 1
        for _ in range(5_000):
            deep = [deep]

        with pytest.raises(CallRefused):
            track_call(CAUSE, ADA, event="A", properties={"x": deep}, at_ms=AT_MS)

    @pytest.mark.parametrize("at_ms", [10**18, -(10**18)])
    def test_a_time_no_calendar_has_is_refused(self, at_ms: int) -> None:
        """Rather than a message that cannot be built."""
        with pytest.raises(CallRefused):
            track_call(CAUSE, ADA, event="A", properties={}, at_ms=at_ms)


# plain text and what the library escapes most: DEL and beyond ASCII
LIKELY = st.text(st.sampled_from("aé\u007f\u20ac\U0001f600 "), max_size=2_500)
AGREED = Who("u1", None, "", {"marketing": True, "ads": False})
PEOPLE = st.sampled_from([ADA, AGREED, Who(None, "a1", "x@y.io"), Who(email="x@y.io")])


class TestTheLibrarysForm:
    """Second opinion: segment-analytics-python itself, with its sending off."""

    @given(
        PEOPLE, st.integers(-(10**12), 10**14),
        st.dictionaries(st.text(max_size=5), JSON | LIKELY, max_size=4),
    )  # fmt: skip
    def test_a_track_is_what_the_library_makes(
        self, who: Who, at_ms: int, properties: dict[str, object]
    ) -> None:
        """Whatever it holds, to the last key; and it is refused when the library refuses."""
        plain = orjson.loads(json_bytes(properties))
        user, anonymous = (who.user_id, None) if who.user_id else (None, who.anonymous_id)
        if not (user or anonymous):
            anonymous = anonymous_id_of(who.email)
        fields = {
            "user_id": user, "anonymous_id": anonymous, "event": "A", "properties": plain,
            "context": context_of(who), "timestamp": EPOCH + timedelta(milliseconds=at_ms),
        }  # fmt: skip
        try:
            call = track_call(CAUSE, who, event="A", properties=properties, at_ms=at_ms)
        except CallTooLarge:
            with pytest.raises(RuntimeError, match="limit"):
                LIBRARY.track(**fields, message_id="m")
            return

        assert LIBRARY.track(**fields, message_id=call["messageId"]) == (True, call)

    @given(PEOPLE, st.dictionaries(st.text(max_size=5), JSON | LIKELY, max_size=4))
    def test_an_identify_is_what_the_library_makes(
        self, who: Who, traits: dict[str, object]
    ) -> None:
        """The same form, with traits."""
        plain = orjson.loads(json_bytes(traits))
        known = {"user_id": who.user_id} if who.user_id else {
            "anonymous_id": who.anonymous_id or anonymous_id_of(who.email)
        }  # fmt: skip
        call = identify_call(CAUSE, who, traits=traits, at_ms=AT_MS)

        made = LIBRARY.identify(
            **known, traits=plain, context=context_of(who), message_id=call["messageId"],
            timestamp=EPOCH + timedelta(milliseconds=AT_MS),
        )  # fmt: skip
        assert (True, call) == made

    @pytest.mark.parametrize("char", ["a", "\u007f", "é", "\U0001f600", '"'])
    def test_the_limit_is_the_librarys_to_the_byte(self, char: str) -> None:
        """Escaped and with spaces, as the library measures: 32,768 bytes go, one more does not."""

        def size(n: int) -> int:
            call = {**track_call(CAUSE, ADA, event="A", properties={}, at_ms=AT_MS)}
            return len(json.dumps({**call, "properties": {"x": char * n}}))

        most = max(n for n in range(33_000) if size(0) + n * (size(1) - size(0)) <= 32_768)

        assert track_call(CAUSE, ADA, event="A", properties={"x": char * most}, at_ms=AT_MS)
        with pytest.raises(CallTooLarge):
            track_call(CAUSE, ADA, event="A", properties={"x": char * (most + 1)}, at_ms=AT_MS)

    def test_a_call_shares_nothing_with_another(self) -> None:
        """What one reader changes is not another's."""
        context = context_of(ADA)
        first = track_call(CAUSE, ADA, event="A", properties={}, at_ms=AT_MS)
        first["context"]["traits"] = "mine"  # type: ignore[index]
        first["integrations"]["All"] = False  # type: ignore[index]

        again = track_call(CAUSE, ADA, event="A", properties={}, at_ms=AT_MS)
        assert (context["traits"], {}) == (again["context"]["traits"], again["integrations"])  # type: ignore[index]


class TestIdentifyCall:
    def test_writes_traits(self) -> None:
        """With nulls, which clear."""
        call = identify_call(CAUSE, ADA, traits={"plan": "pro", "old": None}, at_ms=AT_MS)

        assert ("identify", {"plan": "pro", "old": None}) == (call["type"], call["traits"])


class TestIsEcho:
    def test_knows_our_own_calls(self) -> None:
        """By id or by integration: a destination may change one of them."""
        call = track_call(CAUSE, ADA, event="A", properties={}, at_ms=AT_MS)

        assert is_echo(call)
        assert is_echo({**call, "messageId": "other"})
        assert is_echo({**call, "context": {}})

    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"messageId": None, "context": None},
            {"messageId": 5, "context": []},
            {"messageId": "ajs-1", "context": {"integration": "Homing"}},
            {"messageId": "my-homing-1", "context": {"integration": {"name": "Other"}}},
        ],
    )
    def test_others_are_no_echo(self, event: dict[str, object]) -> None:
        """Whatever their shape."""
        assert not is_echo(event)


class TestAnonymousIdOf:
    def test_is_the_hash_that_segments_own_source_uses(self) -> None:
        """SHA-256 of the lower-cased address (openssl agrees)."""
        # printf ada@example.com | openssl dgst -sha256
        expected = "b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72"

        assert expected == anonymous_id_of(" Ada@Example.com ")

    def test_any_text_has_one(self) -> None:
        """Half a surrogate pair, too."""
        assert 64 == len(anonymous_id_of("\ud800@x"))


class TestIso:
    def test_writes_milliseconds_in_utc(self) -> None:
        """The form of Segment's own timestamps."""
        assert "2023-11-14T22:13:20.123Z" == iso(AT_MS)
