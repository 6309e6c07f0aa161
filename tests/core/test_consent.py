"""Which of Segment's categories somebody agreed to, and what that forbids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.consent import (
    MAX_CATEGORIES,
    MAX_CATEGORY_CHARS,
    lacking,
    lacking_of_either,
    lacking_of_event,
    preferences_in,
    reason_of,
)

NAMES = st.sampled_from(["marketing", "advertising", "functional", ""])
PREFERENCES = st.none() | st.dictionaries(NAMES, st.booleans())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)


def event(consent: object = ..., **more: object) -> dict[str, object]:
    """A track event; without *consent*, with a context that has none."""
    context = {} if consent is ... else {"consent": consent}
    return {"type": "track", "event": "Ordered", "context": context, **more}


def saying(preferences: object, **more: object) -> dict[str, object]:
    """An event that carries preferences."""
    return event({"categoryPreferences": preferences}, **more)


class TestPreferencesIn:
    @pytest.mark.parametrize(
        ("said", "preferences"),
        [
            ({}, None),
            ({"context": None}, None),
            ({"context": []}, None),
            (event(), None),
            (event(None), None),
            (event([]), None),
            (event({}), None),
            (saying(None), None),
            (saying(["marketing"]), None),
            (saying({}), {}),
            (saying({"marketing": True, "ads": False}), {"marketing": True, "ads": False}),
        ],
    )
    def test_an_event_carries_an_object_of_booleans(self, said, preferences):
        """
        Anything else carries none; an empty object says no to everything.
        """
        assert preferences == preferences_in(said)

    @pytest.mark.parametrize("value", ["true", 1, 1.0, None, [], {"a": True}, "yes"])
    def test_only_true_is_an_agreement(self, value):
        """
        Segment wants booleans: what is none counts as false.
        """
        assert {"marketing": False} == preferences_in(saying({"marketing": value}))

    def test_a_stranger_cannot_make_a_person_grow_without_end(self):
        """
        What is over the bounds is left out: it counts as refused.
        """
        many = {f"c{number}": True for number in range(100_000)}
        long = {"x" * (MAX_CATEGORY_CHARS + 1): True, "ads": True}

        assert MAX_CATEGORIES == len(preferences_in(saying(many)))
        assert {"ads": True} == preferences_in(saying(long))

    @given(JSON)
    def test_whatever_it_is_nothing_but_booleans_come_out(self, value):
        """
        A preference is true or false by name.
        """
        found = preferences_in(saying(value))

        assert found is None or all(
            isinstance(name, str) and isinstance(agreed, bool) for name, agreed in found.items()
        )


class TestLackingOfEvent:
    @pytest.mark.parametrize(
        ("said", "mapped", "missing"),
        [
            # no context, no consent, consent: {} without an integrations object: sends
            ({}, ["marketing"], ()),
            (event(), ["marketing"], ()),
            (event(integrations={"All": True}), ["marketing"], ()),
            (event({}), ["marketing"], ()),
            (event({}, integrations=None), ["marketing"], ()),
            # categoryPreferences: {}: blocked
            (saying({}), ["marketing"], ("marketing",)),
            (saying({}, integrations={}), ["marketing"], ("marketing",)),
            # preferences present: every category must be true, one that is missing is false
            (saying({"marketing": True}), ["marketing"], ()),
            (saying({"marketing": False}), ["marketing"], ("marketing",)),
            (saying({"marketing": True}), ["marketing", "ads"], ("ads",)),
            (saying({"marketing": True, "ads": True}), ["marketing", "ads"], ()),
            (saying({"other": True}), ["marketing", "ads"], ("marketing", "ads")),
            # consent: {} beside an integrations object: blocked
            (event({}, integrations={}), ["marketing"], ("marketing",)),
            (event({}, integrations={"All": True}), ["marketing", "ads"], ("marketing", "ads")),
            # what cannot be read is no agreement
            (saying(None), ["marketing"], ("marketing",)),
            (saying("all"), ["marketing"], ("marketing",)),
            # the column of what is not mapped: always sends, as far as consent goes
            ({}, [], ()),
            (saying({}), [], ()),
            (saying({"marketing": False}), [], ()),
            (event({}, integrations={"All": False}), [], ()),
        ],
    )
    def test_the_table_of_segments_manual(self, said, mapped, missing):
        """
        Enforcement for one destination that is mapped to these categories.
        """
        assert missing == lacking_of_event(mapped, said)


class TestLacking:
    def test_of_whom_nothing_is_known_nothing_is_lacking(self):
        """
        Consent is asked of those who were asked for it.
        """
        assert () == lacking(["marketing"], None)

    @given(st.lists(NAMES), PREFERENCES, st.builds(saying, JSON) | st.builds(event, JSON))
    def test_who_asks_and_who_is_asked_must_both_allow_it(self, required, preferences, said):
        """
        In the order in which the configuration names the categories, each once.
        """
        found = lacking_of_either(required, preferences, said)

        assert set(found) == {
            *lacking(required, preferences),
            *lacking_of_event(required, said),
        }
        assert list(found) == [name for name in dict.fromkeys(required) if name in found]


class TestReasonOf:
    def test_a_reason_names_the_categories(self):
        """
        In the words that the ledger and `why` show.
        """
        assert "consent: marketing, ads" == reason_of(("marketing", "ads"))
