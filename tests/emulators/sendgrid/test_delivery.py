"""What becomes of a mail: its events, and the lists it leaves its recipient on."""

import pytest
from tests.support.sendgrid_mail import TEMPLATE, block, mail, template_mail

from homing.emulators import Engagement, Outcome, Pace, SendGridEmulator, SendGridSettings
from homing.emulators.sendgrid.outcomes import outcome_for

LINKED = [{"type": "text/html", "value": '<a href="https://shop.example/">Shop</a>'}]


def told(emulator):
    return [event["event"] for event in emulator.events]


class TestOutcomeFor:
    @pytest.mark.parametrize(
        ("email", "outcome"),
        [
            ("bounce@example.com", Outcome.BOUNCE),
            ("BOUNCE+7@example.com", Outcome.BOUNCE),
            ("bounce-2.x@example.com", Outcome.BOUNCE),
            ("bouncer@example.com", Outcome.DELIVERED),
            ("ada@bounce.example", Outcome.DELIVERED),
            ("7@example.com", Outcome.DELIVERED),
            ("", Outcome.DELIVERED),
        ],
    )
    def test_the_local_part_tells(self, email, outcome):
        """Its leading letters name the fate, whatever follows them."""
        assert outcome is outcome_for(email)


class TestDelivery:
    @pytest.mark.parametrize(
        ("local", "events"),
        [
            ("ada", ["processed", "delivered"]),
            ("bounce", ["processed", "bounce"]),
            ("blocked", ["processed", "bounce"]),
            ("latebounce", ["processed", "delivered", "bounce"]),
            ("deferred", ["processed", "deferred", "deferred", "delivered"]),
            ("expired", ["processed", "deferred", "bounce"]),
            ("invalid", ["dropped"]),
            ("open", ["processed", "delivered", "open"]),
            ("machine", ["processed", "delivered", "open"]),
            ("click", ["processed", "delivered", "open", "click"]),
            ("spam", ["processed", "delivered", "spamreport"]),
            ("unsubscribe", ["processed", "delivered", "unsubscribe"]),
            ("silent", []),
        ],
    )
    async def test_every_fate_has_its_events(self, sendgrid, call, local, events):
        """The address says what happens, in order."""
        await call(sendgrid, "POST", "/v3/mail/send", mail(f"{local}@example.com", content=LINKED))
        await sendgrid.settle()

        assert events == told(sendgrid)
        assert (events or ["accepted"])[-1] == sendgrid.accepted[0].status

    @pytest.mark.parametrize(
        ("local", "name"),
        [
            ("bounce", "bounces"),
            ("latebounce", "bounces"),
            ("blocked", "blocks"),
            ("invalid", "invalid_emails"),
            ("spam", "spam_reports"),
            ("unsubscribe", "unsubscribes"),
        ],
    )
    async def test_a_fate_leaves_a_row(self, sendgrid, call, local, name):
        """The address is on the list that belongs to the event."""
        await call(sendgrid, "POST", "/v3/mail/send", mail(f"{local}@Example.com"))
        await sendgrid.settle()

        assert [f"{local}@example.com"] == [row.email for row in sendgrid.suppressions.rows(name)]

    @pytest.mark.parametrize(
        ("name", "reason", "bypass"),
        [
            ("unsubscribes", "Unsubscribed Address", "bypass_unsubscribe_management"),
            ("bounces", "Bounced Address", "bypass_bounce_management"),
            ("spam_reports", "Spam Reporting Address", "bypass_spam_management"),
            ("invalid_emails", "Invalid", "bypass_list_management"),
        ],
    )
    async def test_suppressed_mail_is_dropped_unless_bypassed(
        self, sendgrid, call, name, reason, bypass
    ):
        """Each list stops mail with its reason; its own bypass lets it through."""
        sendgrid.suppressions.add(name, "ada@example.com")
        settings = {bypass: {"enable": True}}

        await call(sendgrid, "POST", "/v3/mail/send", mail("Ada@example.com"))
        await sendgrid.settle()
        dropped = sendgrid.events[-1]
        await call(sendgrid, "POST", "/v3/mail/send", mail(mail_settings=settings))
        await sendgrid.settle()

        assert ("dropped", reason) == (dropped["event"], dropped["reason"])
        assert ["dropped", "processed", "delivered"] == told(sendgrid)

    async def test_a_bypass_of_one_list_is_none_of_another(self, sendgrid, call):
        """The unsubscribe bypass does not lift a bounce, nor a group's unsubscribe."""
        sendgrid.suppressions.add("bounces", "ada@example.com")
        sendgrid.suppressions.add_to_group(12345, "eva@example.com")
        settings = {"bypass_unsubscribe_management": {"enable": True}}

        for address in ("ada@example.com", "eva@example.com"):
            body = mail(address, mail_settings=settings, asm={"group_id": 12345})
            await call(sendgrid, "POST", "/v3/mail/send", body)
        await sendgrid.settle()

        assert ["dropped", "dropped"] == told(sendgrid)

    async def test_a_block_stops_nothing(self, sendgrid, call):
        """The list of blocks is informational."""
        sendgrid.suppressions.add("blocks", "ada@example.com")

        await call(sendgrid, "POST", "/v3/mail/send", mail())
        await sendgrid.settle()

        assert ["processed", "delivered"] == told(sendgrid)

    async def test_a_group_stops_its_own_mail_only(self, sendgrid, call):
        """Mail without the group, or with another, goes out."""
        sendgrid.suppressions.add_to_group(12345, "ada@example.com")

        await call(sendgrid, "POST", "/v3/mail/send", mail(asm={"group_id": 12345}))
        await call(sendgrid, "POST", "/v3/mail/send", mail())
        await sendgrid.settle()

        assert ["dropped", "processed", "delivered"] == told(sendgrid)

    async def test_a_template_that_fails_is_accepted_then_dropped(self, sendgrid, call):
        """202 first; the error only shows in the event."""
        sendgrid.add_template(TEMPLATE, subject="x", html="{{#if}}")

        answer = await call(sendgrid, "POST", "/v3/mail/send", template_mail({}))
        await sendgrid.settle()

        assert 202 == answer.status
        (event,) = sendgrid.events
        assert "dropped" == event["event"]
        assert "rendering failed" in event["reason"]

    async def test_a_set_fate_goes_before_the_address(self, sendgrid, call):
        """A test decides for any address."""
        sendgrid.outcomes["ada@example.com"] = Outcome.BOUNCE

        await call(sendgrid, "POST", "/v3/mail/send", mail("Ada@example.com"))
        await sendgrid.settle()

        assert ["processed", "bounce"] == told(sendgrid)

    async def test_a_scheduled_mail_waits(self, call):
        """Nothing happens before ``send_at``; a personalization's own goes first."""
        now = [1000.0]
        settings = SendGridSettings(clock=lambda: now[0])
        async with SendGridEmulator(settings=settings) as sendgrid:
            blocks = [block(send_at=1001), block("b@example.com")]
            body = mail(personalizations=blocks, send_at=999)
            await call(sendgrid, "POST", "/v3/mail/send", body)
            await sendgrid.until(lambda: len(sendgrid.events) == 2)
            assert {"b@example.com"} == {event["email"] for event in sendgrid.events}

            now[0] = 1001.0

            await sendgrid.settle()
            assert 4 == len(sendgrid.events)
            assert 1001 == sendgrid.events[2]["send_at"]

    async def test_recipients_engage_by_their_shares(self, call):
        """With every share at 1 everything happens to a delivered mail."""
        everything = Engagement(1.0, 1.0, 1.0, 1.0, 1.0)
        settings = SendGridSettings(engagement=everything, pace=Pace(engaged_after_s=0.001))
        async with SendGridEmulator(settings=settings) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail(content=LINKED))
            await sendgrid.settle()

        assert [
            "processed", "delivered", "open", "open", "click", "unsubscribe", "spamreport"
        ] == told(sendgrid)  # fmt: skip
        assert [True, False] == [
            event["sg_machine_open"] for event in sendgrid.events if event["event"] == "open"
        ]

    async def test_a_seed_repeats_what_recipients_do(self, call):
        """By address and how-manieth mail: in which order they come does not matter."""
        halves = Engagement(opens=0.5, clicks=0.5, unsubscribes=0.5, seed=3)
        settings = SendGridSettings(engagement=halves, pace=Pace(engaged_after_s=0.001))
        addresses = [f"buyer{letter}@example.com" for letter in "abcdefgh"]
        done = []
        for order in (addresses, addresses[::-1]):
            async with SendGridEmulator(settings=settings) as sendgrid:
                for address in order:
                    await call(sendgrid, "POST", "/v3/mail/send", mail(address, content=LINKED))
                await sendgrid.settle()
                done.append({m.to: [step.name for step in m.history] for m in sendgrid.accepted})

        assert done[0] == done[1]
        assert len({tuple(steps) for steps in done[0].values()}) > 2
