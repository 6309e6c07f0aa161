"""May this send leave?"""

from __future__ import annotations

import pytest

from homing.core.gate import Asked, Refusal, refusal_of
from homing.core.plans import Address, Email, EmailClass
from homing.core.suppression import Source, Suppression

MARKETING = Email("digest", Address("us@x.io"), group="newsletter", group_id=7)
TRANSACTIONAL = Email("receipt", Address("us@x.io"), kind=EmailClass.TRANSACTIONAL)


def asked(
    *scopes: str,
    email: Email = MARKETING,
    address: str | None = "ada@x.io",
    now_ms: int = 10,
    expires_at: int = 11,
    lacking: tuple[str, ...] = (),
) -> Asked:
    """A send to an address that is suppressed in these scopes."""
    records = {scope: Suppression(scope, True, 1, Source.SENDGRID) for scope in scopes}
    return Asked(email, address, records, now_ms, expires_at, lacking)


class TestRefusalOf:
    def test_what_nothing_forbids_may_leave(self):
        """
        An address, no suppression that covers it, in time.
        """
        assert refusal_of(asked()) is None
        assert refusal_of(asked("group:other")) is None
        assert refusal_of(asked("global", email=TRANSACTIONAL)) is None

    @pytest.mark.parametrize(
        ("question", "refusal"),
        [
            (asked(address=None), Refusal("skipped", "no_email")),
            (asked(lacking=("marketing", "ads")), Refusal("skipped", "consent: marketing, ads")),
            (asked(lacking=("ads",), email=TRANSACTIONAL), Refusal("skipped", "consent: ads")),
            (asked("global", lacking=("ads",)), Refusal("skipped", "suppressed: global")),
            (asked("global"), Refusal("skipped", "suppressed: global")),
            (asked("group:newsletter"), Refusal("skipped", "suppressed: group:newsletter")),
            (asked("bounce", email=TRANSACTIONAL), Refusal("skipped", "suppressed: bounce")),
            (asked("spam", "global"), Refusal("skipped", "suppressed: spam")),
            (asked(now_ms=11), Refusal("expired", "deliver_within is over")),
        ],
    )
    def test_each_rule_refuses_by_name(self, question, refusal):
        """
        State and reason are what the ledger's row will say.
        """
        assert refusal == refusal_of(question)

    @pytest.mark.parametrize("address", ["", "nobody", "a@b", "a b@x.io", "ü@x.io", "a" * 300])
    def test_an_address_that_sendgrid_would_not_take_is_said(self, address):
        """
        Before it costs a call.
        """
        refusal = refusal_of(asked(address=address))

        assert refusal is not None
        assert "skipped" == refusal.state
        assert refusal.reason.startswith("bad_address: ")

    def test_the_first_rule_that_refuses_gives_the_reason(self):
        """
        No address, then suppression, then time.
        """
        everything = asked("global", address=None, now_ms=99)

        assert Refusal("skipped", "no_email") == refusal_of(everything)
        assert Refusal("skipped", "suppressed: global") == refusal_of(asked("global", now_ms=99))
