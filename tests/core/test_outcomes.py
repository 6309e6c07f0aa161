"""What an attempt came to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment.analytics.request import parse_retry_after

from homing.core.outcomes import (
    MAX_WAIT_S,
    Answer,
    Delivered,
    Outcome,
    Paused,
    Rejected,
    RetryLater,
    Scope,
    Unknown,
    api_message,
    outcome_of,
    reason_of,
    segment_outcome_of,
    suppression_outcome_of,
    told_wait_s,
)

NOW_MS = 1_700_000_000_000
NOW_S = NOW_MS // 1000

# SendGrid's answers as users quoted them (sendgrid-ruby 489, sendgrid-nodejs 1032).
WRONG_SENDER = (
    b'{"errors":[{"message":"The from address does not match a verified Sender Identity. Mail'
    b' cannot be sent until this error is resolved.","field":"from","help":null}]}'
)
NO_CREDITS = b'{"errors":[{"message":"Maximum credits exceeded","field":null,"help":null}]}'
BAD_ADDRESS = (
    b'{"errors":[{"message":"Does not contain a valid address.","field":'
    b'"personalizations.0.to.0.email","help":"http://sendgrid.com/docs"}]}'
)


def kind_of(status: int, body: bytes = b"") -> Outcome:
    """Judge a mail/send answer of this status."""
    return outcome_of(Answer(headers_sent=True, status=status, body=body), now_ms=NOW_MS)


class TestOutcomeOf:
    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (200, Delivered),
            (202, Delivered),
            (301, Paused),
            (400, Rejected),
            (401, Paused),
            (402, Rejected),
            (403, Paused),
            (404, Paused),
            (405, Paused),
            (408, RetryLater),
            (413, Rejected),
            (415, Rejected),
            (422, Rejected),
            (429, RetryLater),
            (500, RetryLater),
            (501, RetryLater),
            (502, Unknown),
            (503, RetryLater),
            (504, Unknown),
            (520, RetryLater),
            (100, Unknown),
            (0, Unknown),
            (600, Unknown),
            (999, Unknown),
        ],
    )
    def test_a_status_is_what_it_says(self, status: int, expected: type[Outcome]) -> None:
        """The table of SendGrid's answers; a status of no class proves nothing."""
        assert expected is type(kind_of(status))

    def test_accepted_mail_has_its_message_id(self) -> None:
        """Header names do not care for case."""
        for name in ("X-Message-Id", "x-message-id"):
            answer = Answer(headers_sent=True, status=202, headers={name: "LRzXl_NHStOGhQ4kofSm_A"})
            assert Delivered("LRzXl_NHStOGhQ4kofSm_A") == outcome_of(answer, now_ms=NOW_MS)

    def test_a_status_counts_though_the_body_broke_off(self) -> None:
        """202 and a truncated body is accepted: the status was seen."""
        answer = Answer(headers_sent=True, status=202, error="ClientPayloadError")

        assert Delivered() == outcome_of(answer, now_ms=NOW_MS)

    def test_when_nothing_left_it_is_sent_again(self) -> None:
        """DNS, connect and TLS failures cannot have sent mail."""
        answer = Answer(headers_sent=False, error="connection refused")

        assert RetryLater("no connection: connection refused", unreachable=True) == outcome_of(
            answer, now_ms=NOW_MS
        )

    def test_when_the_head_left_and_nothing_came_nobody_knows(self) -> None:
        """A retry here would be the second email."""
        answer = Answer(headers_sent=True, error="timeout")

        assert Unknown("the request left, no answer came: timeout") == outcome_of(
            answer, now_ms=NOW_MS
        )

    @pytest.mark.parametrize(
        "body",
        [
            WRONG_SENDER,
            b'{"errors":[{"message":"no","field":"from.email"}]}',
            b'{"errors":[{"message":"The from address is not yours","field":null}]}',
            b'{"message":"Not a verified Sender Identity"}',
        ],
    )
    def test_a_refused_sender_pauses_its_email_only(self, body: bytes) -> None:
        """The configuration of one email must not stop the others."""
        outcome = kind_of(403, body)

        assert isinstance(outcome, Paused)
        assert Scope.EMAIL == outcome.scope

    @pytest.mark.parametrize(
        "body",
        [
            b'{"errors":[{"message":"access forbidden","field":null}]}',
            b'{"errors":[{"message":"You have exceeded your messaging limits","field":null}]}',
            b"",
            b"<html>",
            b'{"errors":"from"}',
            b'{"errors":[{"field":5,"message":7}]}',
        ],
    )
    def test_another_403_pauses_the_destination(self, body: bytes) -> None:
        """A missing scope concerns every call."""
        outcome = kind_of(403, body)

        assert isinstance(outcome, Paused)
        assert Scope.DESTINATION == outcome.scope

    def test_an_empty_plan_pauses_and_says_so(self) -> None:
        """SendGrid reports an exhausted quota as 401: no mail may be dropped for it."""
        assert Paused("HTTP 401: Maximum credits exceeded") == kind_of(401, NO_CREDITS)

    def test_a_rejection_has_the_words_of_the_api(self) -> None:
        """With the field, for a person to find."""
        assert Rejected(
            "HTTP 400: Does not contain a valid address. (personalizations.0.to.0.email)"
        ) == kind_of(400, BAD_ADDRESS)

    def test_a_failure_burns_an_attempt(self) -> None:
        """Only being throttled does not."""
        outcome = kind_of(500)

        assert isinstance(outcome, RetryLater)
        assert (True, False, None) == (outcome.counts, outcome.unreachable, outcome.after_s)

    def test_throttling_waits_as_told_and_burns_no_attempt(self) -> None:
        """X-RateLimit-Reset is a moment in unix seconds."""
        answer = Answer(
            headers_sent=True, status=429, headers={"X-RateLimit-Reset": str(NOW_S + 20)}
        )

        assert RetryLater("HTTP 429", 20.0, counts=False) == outcome_of(answer, now_ms=NOW_MS)

    def test_a_server_error_waits_for_retry_after_only(self) -> None:
        """Every answer tells when the rate limit is reset; only a 429 means it."""
        headers = {"X-RateLimit-Reset": str(NOW_S + 50), "Retry-After": "7"}
        answer = Answer(headers_sent=True, status=503, headers=headers)
        silent = Answer(headers_sent=True, status=500, headers={"X-RateLimit-Reset": "50"})

        assert RetryLater("HTTP 503", 7.0) == outcome_of(answer, now_ms=NOW_MS)
        assert RetryLater("HTTP 500", None) == outcome_of(silent, now_ms=NOW_MS)

    @given(
        st.builds(
            Answer,
            headers_sent=st.booleans(),
            status=st.none() | st.integers(-1, 1_000),
            headers=st.dictionaries(
                st.sampled_from(["X-RateLimit-Reset", "retry-after", "X-Message-Id"]), st.text()
            ),
            body=st.binary(),
            error=st.none() | st.text(),
        )
    )
    def test_every_answer_has_an_outcome(self, answer: Answer) -> None:
        """No header and no body can make the judgement fail."""
        assert isinstance(outcome_of(answer, now_ms=NOW_MS), Outcome)
        assert not isinstance(segment_outcome_of(answer, now_ms=NOW_MS), Unknown)
        assert not isinstance(suppression_outcome_of(answer, lifting=True, now_ms=NOW_MS), Unknown)


class TestSegmentOutcomeOf:
    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (200, Delivered()),
            (204, Delivered()),
            (302, Paused("HTTP 302")),
            (400, Rejected("HTTP 400", Scope.BATCH)),
            (401, Paused("HTTP 401")),
            (403, Paused("HTTP 403")),
            (404, Paused("HTTP 404")),
            (408, RetryLater("HTTP 408")),
            (410, RetryLater("HTTP 410")),
            (413, Rejected("HTTP 413", Scope.BATCH)),
            (422, Rejected("HTTP 422", Scope.BATCH)),
            (429, RetryLater("HTTP 429", counts=False)),
            (460, RetryLater("HTTP 460")),
            (500, RetryLater("HTTP 500")),
            (501, Rejected("HTTP 501", Scope.BATCH)),
            (502, RetryLater("HTTP 502")),
            (504, RetryLater("HTTP 504")),
            (505, Rejected("HTTP 505", Scope.BATCH)),
            (511, Paused("HTTP 511")),
            (599, RetryLater("HTTP 599")),
        ],
    )
    def test_retries_what_segments_library_retries(self, status: int, expected: Outcome) -> None:
        """The classification of segment-analytics-python 2.4.0; set-up faults pause instead."""
        answer = Answer(headers_sent=True, status=status)

        assert expected == segment_outcome_of(answer, now_ms=NOW_MS)

    def test_a_lost_answer_is_simply_repeated(self) -> None:
        """Segment dedupes by messageId."""
        answer = Answer(headers_sent=True, error="timeout")

        assert RetryLater("no answer: timeout") == segment_outcome_of(answer, now_ms=NOW_MS)


class TestSuppressionOutcomeOf:
    @pytest.mark.parametrize(
        ("status", "lifting", "expected"),
        [
            (201, False, Delivered()),
            (204, True, Delivered()),
            (404, True, Delivered()),
            (404, False, Paused("HTTP 404")),
            (400, False, Rejected("HTTP 400", Scope.BATCH)),
            (401, True, Paused("HTTP 401")),
            (405, False, Paused("HTTP 405")),
            (301, False, Paused("HTTP 301")),
            (408, False, RetryLater("HTTP 408")),
            (429, False, RetryLater("HTTP 429", counts=False)),
            (502, False, RetryLater("HTTP 502")),
            (504, True, RetryLater("HTTP 504")),
        ],
    )
    def test_is_safe_to_repeat(self, status: int, lifting: bool, expected: Outcome) -> None:
        """Twice on the list is once; not on the list is taken off."""
        answer = Answer(headers_sent=True, status=status)

        assert expected == suppression_outcome_of(answer, lifting=lifting, now_ms=NOW_MS)


class TestToldWaitS:
    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"X-RateLimit-Reset": str(NOW_S + 20)}, 20.0),
            ({"x-ratelimit-reset": "20"}, 20.0),
            ({"Retry-After": "7"}, 7.0),
            ({"Retry-After": "7.5"}, 7.5),
            ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
            ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 -0000"}, 30.0),
            ({"X-RateLimit-Reset": str(NOW_S + 20), "Retry-After": "7"}, 20.0),
            ({"X-RateLimit-Reset": "soon", "Retry-After": "7"}, 7.0),
            ({"X-RateLimit-Reset": str(NOW_S - 5)}, 1.0),
            ({"Retry-After": "0"}, 1.0),
            ({"Retry-After": "Tue, 14 Nov 2000 22:13:50 GMT"}, 1.0),
            ({"Retry-After": "99999999"}, MAX_WAIT_S),
            ({"Retry-After": "Tue, 14 Nov 9999 22:13:50 GMT"}, MAX_WAIT_S),
            ({"Retry-After": "nan"}, None),
            ({"Retry-After": "inf"}, None),
            ({"Retry-After": "-1"}, None),
            ({"Retry-After": "later"}, None),
            ({"Retry-After": "Tue, 99 Nov 2023 99:13:50 GMT"}, None),
            ({"Retry-After": ""}, None),
            ({}, None),
        ],
    )
    def test_reads_seconds_moments_and_dates(
        self, headers: dict[str, str], expected: float | None
    ) -> None:
        """Never less than a second, never more than an hour, never a guess."""
        assert expected == told_wait_s(headers, now_ms=NOW_MS)

    @pytest.mark.parametrize("text", ["1", "30", "299", "later", ""])
    def test_agrees_with_segments_library_on_seconds(self, text: str) -> None:
        """A second opinion on Retry-After."""
        response = SimpleNamespace(headers={"Retry-After": text})

        assert parse_retry_after(response) == told_wait_s({"Retry-After": text}, now_ms=NOW_MS)


class TestReasonOf:
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (Answer(headers_sent=True, status=503, body=b"busy"), "HTTP 503: busy"),
            (Answer(headers_sent=True, status=503), "HTTP 503"),
            (Answer(headers_sent=True, status=503, body=b" \n"), "HTTP 503"),
            (Answer(headers_sent=True, error="reset"), "reset"),
            (Answer(headers_sent=True), "no answer"),
        ],
    )
    def test_nothing_stands_after_a_colon_that_was_not_said(self, answer, expected):
        """
        Gateways answer with a status and no body.
        """
        assert expected == reason_of(answer)


class TestApiMessage:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (BAD_ADDRESS, "Does not contain a valid address. (personalizations.0.to.0.email)"),
            (b'{"errors":[{"message":"a"},{"message":"b","field":"c"}]}', "a; b (c)"),
            (b'{"message":"nope"}', "nope"),
            (b'{"error":"nope"}', "nope"),
            (b"Bad\r\n Gateway\x1b[31m", "Bad Gateway [31m"),
            (b"\xff\xfe", "\ufffd\ufffd"),
            (b"", ""),
            (b"{}", "{}"),
            (b'{"errors":[]}', '{"errors":[]}'),
            (b'{"errors":[{"message":null},{"message":"a"},{"field":"b"}]}', "a; (b)"),
        ],
    )
    def test_reads_the_words_of_an_error(self, body: bytes, expected: str) -> None:
        """Three shapes of JSON, else the text itself, on one line."""
        assert expected == api_message(body)

    @pytest.mark.parametrize(
        "body", [b"x" * 10_000_000, b"[" * 100_000, b'{"message":"' + b"y" * 9_000 + b'"}']
    )
    def test_is_short_whatever_came(self, body: bytes) -> None:
        """A page of HTML is no reason."""
        assert 500 >= len(api_message(body))
