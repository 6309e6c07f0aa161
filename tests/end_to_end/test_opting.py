"""Section 9 from end to end, case by case: who may not be mailed, and what each side is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.service import World, world
from tests.support.stories import (
    Ahead,
    calls_about_suppression,
    happened,
    home_of,
    identified,
    last_mail,
    mails_to,
    names_home,
    records,
    take,
    verdicts,
)

from homing.emulators import SendGridSettings

EXTRA = """
[email.letter]
template = "d-00000000000000000000000000000004"

[route.letter]
when = 'event = "Letter Due"'
send = "letter"

[email.group-receipt]
template = "d-00000000000000000000000000000005"
class = "transactional"
group = "newsletter"

[route.group-receipt]
when = 'event = "Receipt Due"'
send = "group-receipt"

[route.back]
when = 'event = "Newsletter Joined"'
unsuppress = "newsletter"

[route.complained]
when = 'event = "Complained"'
suppress = "global"
"""

GROUP = "/v3/asm/groups/12345/suppressions"

# the mail that was sent, the track's name, the reason trait, what then refuses a letter
ENDINGS = {
    "unsubscribe1": ("Letter Due", "Unsubscribed", "unsubscribe", "suppressed: global"),
    "spam1": ("Digest Due", "Email Marked as Spam", "spamreport", "suppressed: spam"),
    "bounce1": ("Digest Due", "Email Bounced", "bounce", "suppressed: bounce"),
    "invalid1": ("Letter Due", "Email Dropped", "invalid", "suppressed: invalid"),
    # SendGrid knows more than we: it drops, and says why
    "left-before": ("Letter Due", "Email Dropped", "unsubscribe", "suppressed: global"),
    "bounced-before": ("Letter Due", "Email Dropped", "bounce", "suppressed: bounce"),
    "complained-before": ("Digest Due", "Email Dropped", "spamreport", "suppressed: spam"),
}


@pytest.fixture
async def clock() -> Ahead:
    """SendGrid's clock: its times are whole seconds, two things within one are at one time."""
    return Ahead()


@pytest.fixture
async def w(tmp_path: Path, clock: Ahead) -> AsyncIterator[World]:
    """A world with a letter that belongs to no group, and a receipt that does."""
    settings = SendGridSettings(clock=clock)
    async with world(tmp_path, processes=1, extra=EXTRA, settings=settings) as place:
        yield place


def traits(w: World, user: str) -> dict[str, Any]:
    """What the last identify said that came home."""
    said: dict[str, Any] = home_of(w, user, "identify")[-1]["traits"]
    return said


class TestSendGridToSegment:
    async def test_each_way_to_be_suppressed_comes_home_and_stops_the_next_marketing_send(
        self, w: World
    ) -> None:
        """P3: SendGrid's event becomes a track and an identify; marketing stops, no call goes."""
        listed = w.sendgrid.suppressions
        listed.add("unsubscribes", "left-before@example.com")
        listed.add("bounces", "bounced-before@example.com")
        listed.add("spam_reports", "complained-before@example.com")
        await take(w, *(happened(name, user) for user, (name, *_) in ENDINGS.items()))
        await w.at_rest()
        await take(w, *(happened("Letter Due", user) for user in ENDINGS))
        await w.at_rest()

        for user, (_, track, reason, refusal) in ENDINGS.items():
            assert track in names_home(w, user), user
            said = traits(w, user)
            assert said.pop("email_suppressed_at").endswith("Z")
            left = reason in ("unsubscribe", "spamreport")
            assert {
                "email_subscription_status": "unsubscribed" if left else "subscribed",
                "email_suppressed": True,
                "email_suppressed_reason": reason,
                "email_groups_unsubscribed": [],
            } == said
            assert 1 == len(mails_to(w, user))
            assert ("letter", "skipped", refusal) == verdicts(w, user)[-1]
        assert [] == calls_about_suppression(w)

    async def test_leaving_a_group_stops_that_group_alone_and_coming_back_lifts_it(
        self, w: World, clock: Ahead
    ) -> None:
        """P3: group_unsubscribe covers its group's mail; group_resubscribe lifts it; no echo."""
        await take(w, happened("Digest Due", "ada"))
        await w.at_rest()
        clock.by_s += 1
        w.sendgrid.recipients.unsubscribe(last_mail(w, "ada"))
        await w.at_rest()
        left = traits(w, "ada")
        await take(w, happened("Digest Due", "ada"), happened("Letter Due", "ada"))
        await w.at_rest()
        clock.by_s += 1
        w.sendgrid.recipients.resubscribe(mails_to(w, "ada")[0])
        await w.at_rest()
        back = traits(w, "ada")
        await take(w, happened("Digest Due", "ada"))
        await w.at_rest()

        assert [
            ("digest", "accepted", None),
            ("digest", "skipped", "suppressed: group:newsletter"),
            ("letter", "accepted", None),
            ("digest", "accepted", None),
        ] == verdicts(w, "ada")
        assert ["newsletter"] == left["email_groups_unsubscribed"]
        assert (False, None) == (left["email_suppressed"], left["email_suppressed_reason"])
        assert [] == back["email_groups_unsubscribed"]
        assert {"Unsubscribed From Group", "Resubscribed To Group"} < set(names_home(w, "ada"))
        assert [] == calls_about_suppression(w)

    async def test_a_refused_mail_and_a_group_nobody_configured_suppress_nothing(
        self, w: World
    ) -> None:
        """P3: `blocked` and an unknown group come home as tracks, and as no suppression at all."""
        await take(w, happened("Digest Due", "blocked1"), happened("Digest Due", "ben"))
        await w.at_rest()
        mail = last_mail(w, "ben")
        for kind in ("group_unsubscribe", "dropped"):
            stranger = {
                "event": kind,
                "email": mail.to,
                "asm_group_id": 999,
                "timestamp": int(mail.accepted_at) + 1,
                "sg_message_id": mail.sg_message_id,
                "sg_event_id": f"of-999-{kind}",
                "reason": "Group Unsubscribe",
                **mail.custom_args,
            }
            w.sendgrid.recipients.tell(mail, stranger)
        await w.at_rest()
        for user in ("blocked1", "ben"):
            await take(w, happened("Digest Due", user), happened("Letter Due", user))
        await w.at_rest()

        for user in ("blocked1", "ben"):
            assert {("accepted", None)} == {verdict[1:] for verdict in verdicts(w, user)}
            assert 3 == len(mails_to(w, user))
            assert [] == home_of(w, user, "identify")
            assert {} == records(w, f"{user}@example.com")
        assert "Email Bounced" in names_home(w, "blocked1")
        assert "Unsubscribed From Group" in names_home(w, "ben")
        assert [] == calls_about_suppression(w)


class TestSegmentToSendGrid:
    async def test_opting_out_and_in_is_told_to_sendgrid_and_not_back_to_segment(
        self, w: World
    ) -> None:
        """P3, P4: an opt-out, then a newer opt-in, reach SendGrid's lists in order, no echo."""
        listed = w.sendgrid.suppressions
        await take(
            w,
            identified("cyd", email="Cyd+1@Example.com"),
            identified("cyd", email_opt_out=True, at_s=1),
            happened("Newsletter Left", "dan", at_s=1),
        )
        await w.at_rest()
        assert listed.find("unsubscribes", "cyd+1@example.com")
        assert listed.in_group(12345, "dan@example.com")
        assert listed.find("unsubscribes", "dan@example.com") is None
        # an older wish that comes late changes nothing
        await take(w, identified("cyd", email_opt_out=False, at_s=-60))
        await take(w, identified("cyd", email_opt_out=False, at_s=5))
        await take(w, happened("Newsletter Joined", "dan", at_s=5))
        await w.at_rest()

        assert [
            ("POST", "/v3/asm/suppressions/global", {"recipient_emails": ["cyd+1@example.com"]}),
            ("DELETE", "/v3/asm/suppressions/global/cyd%2B1@example.com", None),
        ] == [call for call in calls_about_suppression(w) if "global" in call[1]]
        assert [
            ("POST", GROUP, {"recipient_emails": ["dan@example.com"]}),
            ("DELETE", f"{GROUP}/dan@example.com", None),
        ] == [call for call in calls_about_suppression(w) if "groups" in call[1]]
        assert listed.find("unsubscribes", "cyd+1@example.com") is None
        assert not listed.in_group(12345, "dan@example.com")
        assert [] == home_of(w, "cyd", "identify")
        # our own route's opt-in is news for both sides
        assert [[]] == [
            call["traits"]["email_groups_unsubscribed"] for call in home_of(w, "dan", "identify")
        ]

    async def test_a_route_that_suppresses_tells_both_sides(self, w: World) -> None:
        """P3: what Homing itself decides is new to SendGrid and to Segment."""
        await take(w, happened("Complained", "eve"), happened("Letter Due", "eve"))
        await w.at_rest()

        assert [("letter", "skipped", "suppressed: global")] == verdicts(w, "eve")
        assert w.sendgrid.suppressions.find("unsubscribes", "eve@example.com")
        said = traits(w, "eve")
        assert (True, "unsubscribed") == (
            said["email_suppressed"],
            said["email_subscription_status"],
        )

    async def test_a_bounce_is_lifted_by_no_opt_in(self, w: World) -> None:
        """P3: after a hard bounce a newer opt-in changes nothing, also for transactional mail."""
        await take(w, happened("Letter Due", "bounce2"))
        await w.at_rest()
        await take(w, identified("bounce2", email_opt_out=False, at_s=60))
        await take(w, happened("Order Completed", "bounce2", total=1))
        await take(w, happened("Letter Due", "bounce2"))
        await w.at_rest()

        assert [
            ("letter", "accepted", None),
            ("order-confirmation", "skipped", "suppressed: bounce"),
            ("letter", "skipped", "suppressed: bounce"),
        ] == verdicts(w, "bounce2")
        assert w.sendgrid.suppressions.find("bounces", "bounce2@example.com")

    async def test_three_hundred_opt_outs_of_one_batch_send_nothing_and_leave_at_once(
        self, w: World
    ) -> None:
        """P3: what stands behind a send in the log is known before it leaves, in a long batch."""
        users = [f"kim{n}" for n in range(300)]
        due = [happened("Digest Due", user) for user in users]
        out = [identified(u, email=f"{u}@example.com", email_opt_out=True) for u in users]
        assert 200 == (await w.sender.deliver(*due, *out)).status
        await w.at_rest(10)

        assert [] == list(w.sendgrid.accepted)
        assert {"skipped": len(users)} == w.states()
        assert len(users) == len(w.sendgrid.suppressions.rows("unsubscribes"))


class TestTransactional:
    async def test_a_receipt_reaches_who_unsubscribed_from_everything_or_its_group(
        self, w: World
    ) -> None:
        """P3: transactional mail goes with bypass_unsubscribe_management, and without the group."""
        await take(
            w,
            identified("fay", email="fay@example.com", email_opt_out=True),
            happened("Newsletter Left", "gus"),
        )
        await w.at_rest()
        for user in ("fay", "gus", "hal"):
            await take(w, happened("Order Completed", user, total=1), happened("Receipt Due", user))
        await w.at_rest()

        def bypasses(user: str) -> list[bool]:
            mails = mails_to(w, user)
            key = "bypass_unsubscribe_management"
            return [mail.body.mail_settings.is_on(key) for mail in mails]

        assert [True, True] == bypasses("fay")
        assert [False, True] == bypasses("gus")
        assert [False, False] == bypasses("hal")
        for user in ("fay", "gus", "hal"):
            assert 2 == names_home(w, user).count("Email Delivered"), user
