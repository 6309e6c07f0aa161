"""Who must not be written to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.plans import EmailClass
from homing.core.sendgrid import parse_event
from homing.core.suppression import (
    BOUNCE,
    GLOBAL,
    HARD_SCOPES,
    INVALID,
    SPAM,
    ApiCall,
    Records,
    Source,
    Suppression,
    call_of,
    changes_of,
    group_of,
    group_scope,
    must_leave_group,
    needs_bypass,
    refusal_of,
    scope_of,
    settle,
    settled,
)

NEWS = group_scope("newsletter")
GROUPS = {17: "newsletter"}
MARKETING, TRANSACTIONAL = EmailClass.MARKETING, EmailClass.TRANSACTIONAL

CHANGES = st.builds(
    Suppression,
    scope=st.sampled_from([GLOBAL, SPAM, BOUNCE, NEWS]),
    suppressed=st.booleans(),
    at_ms=st.integers(1, 4),
    source=st.sampled_from(Source),
    reason=st.sampled_from(["a", "b"]),
)


def record(
    scope: str, *, suppressed: bool = True, at_ms: int = 10, source: Source = Source.SENDGRID
) -> Suppression:
    """Make a record of one scope."""
    return Suppression(scope, suppressed, at_ms, source, "test")


def records(*scopes: str) -> Records:
    """Make records that suppress within these scopes."""
    return {scope: record(scope) for scope in scopes}


class TestSettle:
    @pytest.mark.parametrize("source", [Source.SEGMENT, Source.SENDGRID, Source.OPERATOR])
    def test_only_a_newer_opt_in_lifts_an_opt_out(self, source: Source) -> None:
        """Whichever side it comes from; of the same moment the opt-out wins."""
        left = record(GLOBAL, at_ms=10)
        for at_ms, lifted in ((9, False), (10, False), (11, True)):
            opt_in = record(GLOBAL, suppressed=False, at_ms=at_ms, source=source)
            assert (opt_in if lifted else left) == settle(left, opt_in)

    def test_an_older_opt_out_that_comes_late_does_not_win(self) -> None:
        """Order of events, not of arrival."""
        back = record(GLOBAL, suppressed=False, at_ms=11)

        assert back == settle(back, record(GLOBAL, at_ms=10))

    @pytest.mark.parametrize("scope", HARD_SCOPES)
    def test_nothing_automatic_lifts_a_hard_suppression(self, scope: str) -> None:
        """A bounce, a spam report, an invalid address: an operator only."""
        hard = record(scope, at_ms=10)
        for source in Source:
            opt_in = record(scope, suppressed=False, at_ms=99, source=source)
            kept = settle(hard, opt_in)
            assert (opt_in if source is Source.OPERATOR else hard) == kept

    def test_a_lift_of_nothing_leaves_nothing(self) -> None:
        """An automatic lift of a bounce that was never there makes no record."""
        assert settle(None, record(BOUNCE, suppressed=False)) is None

    @given(st.lists(CHANGES, max_size=8), st.randoms(use_true_random=False))
    def test_the_order_of_arrival_does_not_matter(
        self, changes: list[Suppression], random: object
    ) -> None:
        """Any order and any repetition of the same changes end in the same records."""
        shuffled = changes * 2
        random.shuffle(shuffled)  # type: ignore[attr-defined]

        assert settled({}, changes) == settled({}, shuffled)

    @given(CHANGES.map(lambda change: [change]), st.lists(CHANGES, max_size=5))
    def test_records_are_not_written_on(
        self, before: list[Suppression], changes: list[Suppression]
    ) -> None:
        """Settling makes new records."""
        old = settled({}, before)
        copy = dict(old)

        settled(old, changes)

        assert copy == old


class TestChangesOf:
    @pytest.mark.parametrize(
        ("raw", "scope", "suppressed"),
        [
            ({"event": "unsubscribe"}, GLOBAL, True),
            ({"event": "spamreport"}, SPAM, True),
            ({"event": "bounce", "type": "bounce"}, BOUNCE, True),
            ({"event": "group_unsubscribe", "asm_group_id": 17}, NEWS, True),
            ({"event": "group_resubscribe", "asm_group_id": "17"}, NEWS, False),
            ({"event": "dropped", "reason": "Bounced Address"}, BOUNCE, True),
            ({"event": "dropped", "reason": "Unsubscribed Address"}, GLOBAL, True),
            (
                {"event": "dropped", "reason": "Unsubscribed Address", "asm_group_id": 17},
                GLOBAL,
                True,
            ),
            (
                {"event": "dropped", "reason": "Unsubscribed from group", "asm_group_id": 17},
                NEWS,
                True,
            ),
            ({"event": "dropped", "reason": "Spam Reporting Address"}, SPAM, True),
            ({"event": "dropped", "reason": "Invalid"}, INVALID, True),
        ],
    )
    def test_says_what_an_event_changes(
        self, raw: dict[str, object], scope: str, suppressed: bool
    ) -> None:
        """One change, at the event's own time, from SendGrid's side."""
        event = parse_event({"email": "ada@example.com", "timestamp": 5, **raw})

        (change,) = changes_of(event, GROUPS)

        assert (scope, suppressed, 5_000, Source.SENDGRID) == (
            change.scope,
            change.suppressed,
            change.at_ms,
            change.source,
        )
        assert change.reason

    @pytest.mark.parametrize(
        "raw",
        [
            {"event": "bounce", "type": "blocked"},
            {"event": "bounce", "type": "expired"},
            {"event": "group_unsubscribe", "asm_group_id": 99},
            {"event": "group_unsubscribe"},
            {"event": "group_resubscribe", "asm_group_id": 99},
            {"event": "dropped", "reason": "Unsubscribed from group", "asm_group_id": 99},
            {"event": "dropped", "reason": "Spam Content"},
            {"event": "dropped", "reason": "Invalid SMTPAPI header"},
            {"event": "dropped"},
            {"event": "delivered"},
            {"event": "open"},
            {"event": "account_status_change", "type": "compliance_suspend"},
            {"event": "something_new"},
            {"event": "unsubscribe", "email": ""},
        ],
    )
    def test_other_events_change_nothing(self, raw: dict[str, object]) -> None:
        """A block is no bounce; an unknown group becomes no other suppression."""
        event = parse_event({"email": "ada@example.com", "timestamp": 5, **raw})

        assert () == changes_of(event, GROUPS)


class TestRefusalOf:
    @pytest.mark.parametrize(
        ("kind", "group", "known", "expected"),
        [
            (MARKETING, None, (), None),
            (MARKETING, None, (GLOBAL,), "suppressed: global"),
            (MARKETING, "newsletter", (GLOBAL,), "suppressed: global"),
            (MARKETING, "newsletter", (NEWS,), "suppressed: group:newsletter"),
            (MARKETING, "offers", (NEWS,), None),
            (MARKETING, None, (NEWS,), None),
            (MARKETING, None, (BOUNCE,), "suppressed: bounce"),
            (MARKETING, None, (GLOBAL, SPAM, BOUNCE), "suppressed: spam"),
            (MARKETING, None, (INVALID,), "suppressed: invalid"),
            (TRANSACTIONAL, "newsletter", (GLOBAL, NEWS), None),
            (TRANSACTIONAL, None, (BOUNCE,), "suppressed: bounce"),
            (TRANSACTIONAL, None, (SPAM,), "suppressed: spam"),
            (TRANSACTIONAL, None, (INVALID,), "suppressed: invalid"),
        ],
    )
    def test_the_most_restrictive_scope_that_covers_it_refuses(
        self,
        *,
        kind: EmailClass,
        group: str | None,
        known: tuple[str, ...],
        expected: str | None,
    ) -> None:
        """Marketing by all that cover it, transactional mail by hard ones only."""
        assert expected == refusal_of(kind, group, records(*known))

    def test_an_opt_in_refuses_nothing(self) -> None:
        """A record may say that the person came back."""
        assert refusal_of(MARKETING, None, {GLOBAL: record(GLOBAL, suppressed=False)}) is None

    def test_a_group_named_like_a_scope_is_only_a_group(self) -> None:
        """Somebody will call a group "spam"."""
        known = records(group_scope("spam"))

        assert refusal_of(TRANSACTIONAL, None, known) is None
        assert "suppressed: group:spam" == refusal_of(MARKETING, "spam", known)


class TestNeedsBypass:
    @pytest.mark.parametrize(
        ("kind", "known", "bypass", "leave"),
        [
            (TRANSACTIONAL, (), False, False),
            (TRANSACTIONAL, (GLOBAL,), True, False),
            (TRANSACTIONAL, (NEWS,), True, True),
            (TRANSACTIONAL, (GLOBAL, NEWS), True, True),
            (MARKETING, (GLOBAL, NEWS), False, False),
        ],
    )
    def test_transactional_mail_goes_round_opt_outs(
        self, *, kind: EmailClass, known: tuple[str, ...], bypass: bool, leave: bool
    ) -> None:
        """The flag for a global opt-out; for a group's, the group must not be named."""
        known_records = records(*known)

        assert bypass == needs_bypass(kind, "newsletter", known_records)
        assert leave == must_leave_group(kind, "newsletter", known_records)


class TestCallOf:
    @pytest.mark.parametrize(
        ("scope", "suppressed", "source", "expected"),
        [
            (
                GLOBAL,
                True,
                Source.SEGMENT,
                ApiCall("POST", "/v3/asm/suppressions/global", {"recipient_emails": ["a+b@x.io"]}),
            ),
            (
                GLOBAL,
                False,
                Source.SEGMENT,
                ApiCall("DELETE", "/v3/asm/suppressions/global/a%2Bb%40x.io"),
            ),
            (
                NEWS,
                True,
                Source.HOMING,
                ApiCall(
                    "POST", "/v3/asm/groups/17/suppressions", {"recipient_emails": ["a+b@x.io"]}
                ),
            ),
            (
                NEWS,
                False,
                Source.OPERATOR,
                ApiCall("DELETE", "/v3/asm/groups/17/suppressions/a%2Bb%40x.io"),
            ),
            (
                BOUNCE,
                False,
                Source.OPERATOR,
                ApiCall("DELETE", "/v3/suppression/bounces/a%2Bb%40x.io"),
            ),
            (BOUNCE, True, Source.HOMING, None),
            (SPAM, True, Source.OPERATOR, None),
            (group_scope("gone"), True, Source.SEGMENT, None),
            (group_scope("gone"), False, Source.SEGMENT, None),
            (GLOBAL, True, Source.SENDGRID, None),
            (NEWS, False, Source.SENDGRID, None),
        ],
    )
    def test_writes_the_call_of_the_manual(
        self, *, scope: str, suppressed: bool, source: Source, expected: ApiCall | None
    ) -> None:
        """Never for an unknown group, never back to the side it came from."""
        change = record(scope, suppressed=suppressed, source=source)

        assert expected == call_of(change, "a+b@x.io", {"newsletter": 17})

    def test_an_address_cannot_leave_its_place_in_the_path(self) -> None:
        """Slashes and dots of a hostile address are encoded."""
        change = record(GLOBAL, suppressed=False, source=Source.SEGMENT)

        call = call_of(change, "../../user?x=1#@x.io", {})

        assert call is not None
        assert "/v3/asm/suppressions/global/..%2F..%2Fuser%3Fx%3D1%23%40x.io" == call.path


class TestScopes:
    @pytest.mark.parametrize("name", ["newsletter", "spam", "group:x", ""])
    def test_a_groups_name_survives(self, name: str) -> None:
        """There and back."""
        assert name == group_of(group_scope(name))

    def test_configured_scopes_are_global_or_a_group(self) -> None:
        """As in the configuration."""
        assert [GLOBAL, NEWS, "group:bounce"] == [
            scope_of(s) for s in ("global", "newsletter", "bounce")
        ]
        assert [None] * 4 == [group_of(scope) for scope in (GLOBAL, SPAM, BOUNCE, INVALID)]


def test_a_story_ends_suppressed_whatever_the_order() -> None:
    """Left, came back, reported spam: the report stays."""
    story = [
        record(GLOBAL, at_ms=1),
        record(GLOBAL, suppressed=False, at_ms=2, source=Source.SEGMENT),
        record(SPAM, at_ms=3),
        record(SPAM, suppressed=False, at_ms=4, source=Source.SEGMENT),
    ]
    forth: Records = {}
    back: Records = {}
    for change in story:
        forth = settled(forth, [change])
    for change in reversed(story):
        back = settled(back, [change])

    assert forth == back
    assert "suppressed: spam" == refusal_of(TRANSACTIONAL, None, forth)
