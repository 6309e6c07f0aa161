"""Bytes that still name somebody are told from bytes that do not."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.erasure import Wanted, pattern_of, struck, wanted
from homing.core.people import Identity, IdKind
from homing.core.splitting import split_events

ANN = wanted(
    [
        Identity(IdKind.USER, "u1"),
        Identity(IdKind.ANONYMOUS, "a-1"),
        Identity(IdKind.EMAIL, "ann@x.io"),
        Identity(IdKind.EMAIL, "ünn+tag@x.io"),
    ]
)
LETTERS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


def named(body: object, of: Wanted = ANN) -> bool:
    """Whether a request of one element names them, the quick look first."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (element,) = split_events(raw).elements
    return of.may_be_in(raw.lower()) and of.are_named_in(element)


class TestWanted:
    @pytest.mark.parametrize(
        "body",
        [
            {"type": "track", "userId": "u1"},
            {"type": "track", "anonymousId": "a-1", "event": {}},
            {"type": "alias", "previousId": "u1"},
            {"type": "nothing", "traits": {"email": "ANN@X.IO"}},
            {"event": "open", "email": "Ann@x.io", "sg_event_id": "1"},
            {"event": "open", "homing_user": "u1"},
            {"context": {"page": {"url": "https://x/?e=ann%40x.io&y=1"}}},
            {"context": [{"Ann@x.io": 1}]},
            {"note": "mail <ann@x.io>, please"},
            {"note": "ann@x.io."},
            {"note": "ÜNN+tag@x.io"},
            {"note": "%C3%BCnn%2Btag%40x.io"},
            b'{"userId": "u1", "broken"',
            b'{"email": "ann\\u0040x.io", nope}',
            b'{"email": "\\u00fcnn+tag@x.io"',
        ],
    )
    def test_what_is_theirs_is_found(self, body: object) -> None:
        """
        By id where an id stands; by address anywhere, in whatever case, escape and shape.
        """
        assert named(body)

    @pytest.mark.parametrize(
        "body",
        [
            {"type": "track", "userId": "u2", "properties": {"friend": "ann@x.io"}},
            {"type": "track", "userId": "U1"},
            {"properties": {"sku": "u1", "id": "a-1"}},
            {"note": "joann@x.io"},
            {"note": "ann@x.io.example"},
            {"note": "ann@x.iot"},
            {"note": "bob.ann@x.io"},
            b'{"userId": "u10", "broken"',
            {},
        ],
    )
    def test_what_is_another_s_is_not(self, body: object) -> None:
        """
        Somebody else's event stays, whatever it says; so does what only looks alike.
        """
        assert not named(body)

    @given(LETTERS, LETTERS.map(lambda text: text.lower()), st.booleans(), st.booleans())
    def test_the_quick_look_never_misses(
        self, user: str, local: str, escaped: bool, encoded: bool
    ) -> None:
        """
        Whatever the name is made of, and however JSON and URLs write it.
        """
        of = wanted([Identity(IdKind.USER, user), Identity(IdKind.EMAIL, f"{local}@x.io")])
        text = quote(f"{local}@x.io") if encoded else f"{local}@x.io"
        for said in ({"userId": user}, {"email": text}):
            raw = json.dumps(said, ensure_ascii=escaped).encode()
            assert of.may_be_in(raw.lower())


class TestStruck:
    def test_names_go_in_whatever_case(self) -> None:
        """
        The longest first; one that may be any word stays.
        """
        names = ["ann@x.io", "x.io", "u1", "[user]"]

        assert "HTTP 400: … is no address … u1" == struck(
            "HTTP 400: ANN@x.io is no address [User] u1", pattern_of(names)
        )
