"""SendGrid's suppression lists against our records."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.reconcile_suppressions import (
    LAG_S,
    LISTED,
    OVERLAP_S,
    PAGE,
    TOLD_MS,
    Absence,
    Finding,
    ListName,
    Window,
    absence_of,
    finding_of,
    lifted,
    listed_of,
    return_of,
    scopes_needed,
    was_told,
    window_after,
)
from homing.core.suppression import (
    BOUNCE,
    GLOBAL,
    HARD_SCOPES,
    INVALID,
    SPAM,
    Source,
    Suppression,
    changes_of,
    group_scope,
    settle,
    settled,
)

NEWS = group_scope("newsletter")
GROUPS = {17: "newsletter"}
END_S = 1_700_000_000
NOW_MS = (END_S + LAG_S) * 1000


def record(
    suppressed: bool, at_ms: int, source: Source = Source.SEGMENT, scope: str = GLOBAL
) -> Suppression:
    """Make a record."""
    return Suppression(scope, suppressed, at_ms, source, "test")


def row_change(at_ms: int = 5_000, scope: str = GLOBAL) -> Suppression:
    """Make what a row of a list changes."""
    return Suppression(scope, True, at_ms, Source.SENDGRID, LISTED + "x")


def read(name: ListName, **row: object) -> Suppression | None:
    """Read a row: what it changes."""
    listed = listed_of(name, {"email": "a@x.io", **row}, groups=GROUPS, end_s=END_S)
    assert listed is not None
    return listed.change


class TestWindowAfter:
    def test_it_overlaps_the_one_before_and_leaves_the_last_minute_to_webhooks(self) -> None:
        """Rows may be listed late; what is young is not missed yet."""
        assert Window(END_S - 600 - OVERLAP_S, END_S) == window_after(END_S - 600, now_ms=NOW_MS)

    def test_the_first_has_no_start(self) -> None:
        """It reads all there is."""
        assert Window(None, END_S) == window_after(None, now_ms=NOW_MS)

    @given(last=st.integers(0, 2 * END_S), now=st.integers(0, 2 * END_S))
    def test_windows_leave_no_gap_and_do_not_turn_round(self, last: int, now: int) -> None:
        """Also when the clock was set back."""
        window = window_after(last, now_ms=now * 1000)

        assert window.start_s is not None
        assert 0 <= window.start_s <= max(0, last - OVERLAP_S)
        assert window.start_s <= max(window.end_s, 0)


class TestPath:
    def test_a_page_is_asked_for_within_the_window(self) -> None:
        """As the specification names the parameters."""
        expected = f"/v3/suppression/bounces?limit={PAGE}&offset=1000&start_time=10&end_time=20"

        assert expected == Window(10, 20).path(ListName.BOUNCES, 1000)
        assert "start_time" not in Window(None, 20).path(ListName.UNSUBSCRIBES, 0)

    def test_groups_have_neither_pages_nor_times(self) -> None:
        """They come whole."""
        assert "/v3/asm/suppressions" == Window(10, 20).path(ListName.GROUPS, 500)


class TestListedOf:
    @pytest.mark.parametrize(
        ("name", "row", "scope"),
        [
            # rows as SendGrid's own documentation shows them
            (ListName.UNSUBSCRIBES, {"created": 1443651141}, GLOBAL),
            (ListName.GROUPS, {"created_at": 1410986704, "group_id": 17, "group_name": "N"}, NEWS),
            (ListName.SPAM_REPORTS, {"created": 1454433146, "ip": "10.89.32.5"}, SPAM),
            (ListName.BOUNCES,
             {"created": 1443651125, "reason": "550 5.1.1 The email account that you tried to"
              " reach does not exist.", "status": "5.1.1"}, BOUNCE),
            (ListName.INVALID_EMAILS,
             {"created": 1449953655, "reason": "Mail domain mentioned in email address is unknown"},
             INVALID),
        ],
    )  # fmt: skip
    def test_a_row_suppresses_as_its_event_would(
        self, name: ListName, row: dict[str, object], scope: str
    ) -> None:
        """The same scope, the row's time; the reason says how it came to be known."""
        listed = listed_of(name, {"email": "A@X.io", **row}, groups=GROUPS, end_s=END_S)

        assert listed is not None
        assert listed.change is not None
        (of_event,) = changes_of(listed.event, GROUPS)
        assert (scope, True, Source.SENDGRID) == (
            listed.change.scope, listed.change.suppressed, listed.change.source,
        )  # fmt: skip
        assert (of_event.scope, of_event.at_ms) == (listed.change.scope, listed.change.at_ms)
        assert 1000 * int(str(row.get("created") or row["created_at"])) == listed.change.at_ms
        assert "a@x.io" == listed.event.email
        assert listed.change.reason.startswith(LISTED)

    @pytest.mark.parametrize(
        ("name", "row"),
        [
            (ListName.BLOCKS, {"created": 5, "reason": "550 spam", "status": "5.7.1"}),
            (ListName.GROUPS, {"created_at": 5, "group_id": 99}),
            (ListName.GROUPS, {"created_at": 5}),
            (ListName.GROUPS, {"created_at": 5, "group_id": "seventeen"}),
        ],
    )
    def test_a_block_and_an_unknown_group_suppress_nothing(
        self, name: ListName, row: dict[str, object]
    ) -> None:
        """Nor do their events."""
        listed = listed_of(name, {"email": "a@x.io", **row}, groups=GROUPS, end_s=END_S)

        assert listed is not None
        assert listed.change is None
        assert () == changes_of(listed.event, GROUPS)

    @pytest.mark.parametrize("created", [None, "soon", -1, 1e300, [], True])
    def test_a_row_without_a_usable_time_holds(self, created: object) -> None:
        """It counts as the newest: an opt-in of before does not win over it."""
        change = read(ListName.UNSUBSCRIBES, created=created)

        assert change is not None
        assert END_S * 1000 == change.at_ms

    @given(
        row=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["email", "created", "created_at", "group_id", "reason", "x"]),
                    inner,
                )
            ),
            max_leaves=8,
        ),
        name=st.sampled_from(ListName),
    )
    def test_whatever_comes_is_read_or_is_none(self, row: object, name: ListName) -> None:
        """Nothing of a vendor's answer raises."""
        listed = listed_of(name, row, groups=GROUPS, end_s=END_S)

        assert listed is None or "@" in listed.event.email


class TestFindingOf:
    @pytest.mark.parametrize(
        ("known", "finding"),
        [
            (None, Finding.MISSING_HERE),
            (record(True, 1_000), Finding.AGREED),
            (record(True, 9_000), Finding.AGREED),
            (record(False, 4_999), Finding.MISSING_HERE),
            (record(False, 5_000), Finding.MISSING_HERE),  # of the same moment the opt-out wins
            (record(False, 5_001), Finding.BEHIND_THERE),
            (record(False, 5_001, Source.HOMING), Finding.BEHIND_THERE),
            (record(False, 5_001, Source.SENDGRID), Finding.AGREED),
        ],
    )
    def test_the_newer_wins(self, known: Suppression | None, finding: Finding) -> None:
        """A row of five seconds past."""
        assert finding is finding_of(known, row_change())

    @pytest.mark.parametrize("scope", HARD_SCOPES)
    def test_only_an_operator_s_newer_word_stands_against_a_hard_row(self, scope: str) -> None:
        """And SendGrid is told it."""
        row = row_change(scope=scope)

        assert Finding.MISSING_HERE is finding_of(None, row)
        word = record(False, 6_000, Source.OPERATOR, scope)
        assert Finding.BEHIND_THERE is finding_of(word, row)

    @given(
        known=st.none()
        | st.builds(
            Suppression,
            scope=st.just(GLOBAL),
            suppressed=st.booleans(),
            at_ms=st.integers(1, 4),
            source=st.sampled_from(Source),
            reason=st.just(""),
        ),
        at_ms=st.integers(1, 4),
    )
    def test_done_twice_it_is_done_once(self, known: Suppression | None, at_ms: int) -> None:
        """After a row was recorded, the same row agrees."""
        row = row_change(at_ms)
        if finding_of(known, row) is Finding.MISSING_HERE:
            kept = settle(known, row)
            assert kept is not None
            assert kept.suppressed
            assert Finding.AGREED is finding_of(kept, row)

    @given(
        rows=st.lists(
            st.tuples(st.sampled_from([GLOBAL, BOUNCE, NEWS]), st.integers(1, 3)), max_size=4
        ),
        opt_in_ms=st.integers(0, 4),
    )
    def test_the_order_of_rows_does_not_matter(
        self, rows: list[tuple[str, int]], opt_in_ms: int
    ) -> None:
        """Who may be mailed in the end is the same."""
        known = {GLOBAL: record(False, opt_in_ms)}
        results = set()
        for order in permutations(rows):
            records = dict(known)
            for scope, at_ms in order:
                row = row_change(at_ms, scope)
                if finding_of(records.get(scope), row) is Finding.MISSING_HERE:
                    records = settled(records, [row])
            results.add(frozenset(s for s, one in records.items() if one.suppressed))

        assert 1 == len(results)


class TestAbsenceOf:
    @pytest.mark.parametrize(
        ("known", "absence"),
        [
            (record(True, END_S * 1000 + 1), Absence.YOUNG),
            (record(True, 1, Source.SENDGRID, GLOBAL), Absence.GONE_THERE),
            (record(True, 1, Source.SENDGRID, NEWS), Absence.LIFTED_THERE),
            *(
                (record(True, 1, source, scope), Absence.MISSING_THERE)
                for source in (Source.SEGMENT, Source.HOMING, Source.OPERATOR)
                for scope in (GLOBAL, NEWS)
            ),
        ],
    )
    def test_what_sendgrid_lacks_depends_on_whose_word_it_was(
        self, known: Suppression, absence: Absence
    ) -> None:
        """Ours is told again; SendGrid's own is followed where it says so."""
        assert absence is absence_of(known, end_s=END_S)


class TestReturnOf:
    def test_it_is_the_event_that_was_missed(self) -> None:
        """It lifts what an older event suppressed."""
        event = return_of("a@x.io", 17, end_s=END_S)

        (change,) = changes_of(event, GROUPS)
        after = lifted(NEWS, end_s=END_S)
        assert (change.scope, change.suppressed, change.at_ms) == (
            after.scope, after.suppressed, after.at_ms,
        )  # fmt: skip
        before = record(True, END_S * 1000 - 1, Source.SENDGRID, NEWS)
        assert after == settle(before, after)


class TestWasTold:
    @pytest.mark.parametrize(
        ("apart_ms", "told"), [(0, True), (TOLD_MS, True), (-TOLD_MS, True), (TOLD_MS + 1, False),
                               (-TOLD_MS - 1, False)]
    )  # fmt: skip
    def test_an_event_of_about_the_row_s_time_was_told_by_it(
        self, apart_ms: int, told: bool
    ) -> None:
        """Further apart they are two things."""
        event = Suppression(GLOBAL, True, 100_000 + apart_ms, Source.SENDGRID, "unsubscribe")

        assert told is was_told(row_change(100_000), event)

    def test_a_return_was_some_time_before_it_was_noticed(self) -> None:
        """Any older event of a return is that one."""
        noticed = lifted(NEWS, end_s=100)
        for at_ms, told in ((1, True), (100_000, True), (100_000 + TOLD_MS + 1, False)):
            event = Suppression(NEWS, False, at_ms, Source.SENDGRID, "group_resubscribe")
            assert told is was_told(noticed, event)

    @pytest.mark.parametrize(
        "known", [None, record(True, 100_000), record(False, 100_000), row_change(100_000)]
    )
    def test_what_an_event_itself_told_is_not_known_by_a_row(
        self, known: Suppression | None
    ) -> None:
        """Nor is the opposite."""
        suppressed = known is None or known.suppressed
        change = Suppression(GLOBAL, suppressed, 100_000, Source.SENDGRID, "e")
        is_row = known is not None and known.reason.startswith(LISTED)

        assert is_row is was_told(known, change)
        opposite = Suppression(GLOBAL, not suppressed, 100_000, Source.SENDGRID, "e")
        assert not was_told(known, opposite)


class TestScopesNeeded:
    def test_each_list_names_its_permission(self) -> None:
        """As they are called in SendGrid's settings of a key."""
        assert "suppression.bounces.read" in scopes_needed(ListName.BOUNCES)
        assert "asm.groups.suppressions.read" in scopes_needed(ListName.GROUPS)
