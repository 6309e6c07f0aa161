"""Warnings: legal, and probably not meant."""
# ruff: noqa: E501 - a message is compared whole, on one line

from __future__ import annotations

import pytest

from homing.config.lint import near_misses

EMAIL = f"sendgrid.from = 'a@b.example'\nemail.a.template = 'd-{'0' * 32}'\n"
SENT = EMAIL + """route.r = { when = 'event = "X"', send = 'a' }\nsendgrid.api_key = '${K}'\n"""
JOURNEY = """journey.j = { entry = { when = 'event = "X"' }, step = [{ id = 'a', """

CASES = [
    # What this version does not run
    ("list.vip = {}", []),
    ("audience.a = {}", []),
    ("contacts = {}", []),
    ("suppression.reconcile = '2h'", []),
    ("suppression.reconcile = '5m'\nlist.vip.reconcile = '5m'", []),
    ("suppression.reconcile = '1s'", ["`suppression.reconcile` is under 5 minutes: SendGrid's lists are read nearly without pause, and its rate limit is used up"]),
    ("list.vip.reconcile = '299s'", ["`list.vip.reconcile` is under 5 minutes: SendGrid's lists are read nearly without pause, and its rate limit is used up"]),
    ("sendgrid.reconcile_share = 1", []),
    ("segment.profiles = { space = 's', token = '${UNSET}' }", []),
    ("caps = { marketing = [{ max = 1, per = '1d' }] }", []),
    ("quiet_hours = { from = '21:00', to = '08:00' }", []),
    ("email.a.consent = ['ads']", []),
    ("route.s = { when = 'event = \"X\"', add_to_audience = 'k' }", []),
    (JOURNEY + "delay = '1h' }] }", []),
    (JOURNEY + "delay = '1h' }], consent = ['ads'] }", []),
    (JOURNEY + "upsert_contact = true }] }", []),
    (JOURNEY + "add_to_audience = 'k' }] }", []),
    (JOURNEY + "track = { event = 'E' } }] }", ["`journey.j.step.a.track` is not written: `segment.write_key` is not set"]),
    (JOURNEY + "delay = '1h' }], exit = [{ name = 'x', when = 'event = \"X\"', track = { event = 'E' } }] }", ["`journey.j.exit.x.track` is not written: `segment.write_key` is not set"]),
    # Receiving
    ("segment.source.web = {}", ["`segment.source.web.secrets` is empty: what is posted there is answered 503", "`segment.source.web.token` is not set: arrays that Segment signs over their first element only are answered 401 when they hold more"]),
    ("segment.source.web = { secrets = ['${K}'], batch = 'reject' }", []),
    ("segment.source.web = { secrets = ['${K}'], batch = 'first-element' }", []),
    ("segment.source.web = { secrets = ['${K}'], token = '${K}' }", []),
    ("sendgrid.webhook.x = {}", ["`sendgrid.webhook.x.public_keys` is empty: what is posted there is answered 503"]),
    ("sendgrid.endpoint = 'http://localhost:1'", ["`sendgrid.endpoint` is http: what is sent can be read on the way"]),
    ("segment.write_key = '${UNSET}'", ["expected `segment.write_key` to be found at ${UNSET}, but this environment variable is not set"]),
    # Sending
    ("sendgrid.mode = 'capture'", ['`sendgrid.mode` is "capture": no email leaves, each is kept for reading']),
    ("email.b.template = 'd-00000000000000000000000000000001'", ["`email.b` is sent by no route and no journey"]),
    # Conditions
    ("suppression.opt_out = [{ when = 'type = \"a\" and type = \"b\" or type = \"c\"' }]", None),
    ("suppression.opt_out = [{ when = 'event = \"Email Openned\"' }]", ['`suppression.opt_out[0].when` asks for the event "Email Openned"; elsewhere it is "Email Opened"']),
    ("suppression.opt_out = [{ when = 'did(\"email opened\", 3)' }]", ['`suppression.opt_out[0].when` asks for the event "email opened"; elsewhere it is "Email Opened"']),
]  # fmt: skip


class TestWarningsOf:
    @pytest.mark.parametrize(("text", "messages"), CASES, ids=[text[:50] for text, _ in CASES])
    def test_each_slip_has_its_sentence(self, loaded, *, text, messages):
        """
        One warning for each thing, and none for what is sound.
        """
        warnings = [warning.message for warning in loaded(SENT + text, K="x").warnings]

        if messages is None:
            (warning,) = warnings
            assert warning.startswith("`suppression.opt_out[0].when`: ")
        else:
            assert messages == warnings

    def test_a_sound_configuration_has_none(self, loaded):
        """
        Warnings that are always there are not read.
        """
        assert () == loaded(SENT, K="x").warnings

    def test_emails_without_a_key_are_said_to_wait(self, loaded):
        """
        In live mode nothing can leave.
        """
        messages = [w.message for w in loaded(EMAIL).warnings]

        assert "`sendgrid.api_key` is not set: emails wait until it is" in messages

    def test_an_email_that_only_a_journey_sends_is_sent(self, loaded):
        """
        A step, or the exit of a journey, counts like a route.
        """
        journey = """
[email.b]
template = "d-00000000000000000000000000000001"
[journey.j]
entry.when = 'event = "X"'
exit = [{ name = "x", when = 'event = "Y"', send = "b" }]
step = [{ id = "s", send = "a" }]
"""
        messages = [w.message for w in loaded(EMAIL + journey).warnings]

        assert [] == [message for message in messages if "is sent by" in message]

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("", 'to = "properties.email"', 'no address: a path starts with `$.`'),
            ("", 'to = "$.properties.email"', None),
            ("", 'to = "shop@acme.example"', None),
            ("", 'to = "{{ properties.user }}@acme.example"', None),
            ("GOAL", 'value = "properties.total"', 'no number: a path starts with `$.`'),
            ("GOAL", 'value = "$.properties.total"', None),
            ("GOAL", 'value = "$12.50"', None),
            ("GOAL", "value = 5", None),
        ],
    )  # fmt: skip
    def test_a_constant_where_none_can_be_meant(self, loaded, old, new, said):
        """
        The dollar and the dot forgotten: every email without an address, every goal worth nothing.
        """
        text = SENT + f"email.a.{new}\n"
        if old:
            goal = f"""goal = {{ when = 'event = "B"', {new} }}"""
            text = (
                SENT
                + f"""[journey.j]\nentry = {{ when = 'event = "A"' }}\n{goal}
                [[journey.j.step]]\nid = "w"\ndelay = "1h"\n"""
            )
        found = [w.message for w in loaded(text).warnings if "for every event" in w.message]

        assert (said is None) == (not found)
        assert said is None or said in found[0]

    def test_warnings_come_in_the_order_of_the_file(self, loaded):
        """
        A person reads them beside the file.
        """
        lines = [w.line for w in loaded(SENT + "list.v = {}\nlist.a = {}\ncaps = {}").warnings]

        assert sorted(lines) == lines


class TestNearMisses:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("Order Completed", "Order Complete"),
            ("Order Completed", "order_completed"),
            ("Order Completed", "OrderCompleted"),
            ("Order Completed", "Order Compelted"),
            ("Order Completed", "Order Complated"),
            ("Product Added", "Products Added"),
        ],
    )
    def test_a_slip_of_one_letter_or_of_style_is_near(self, *, first, second):
        """
        It is said at the later place.
        """
        (finding,) = near_misses([(("a",), first), (("b",), second)])

        assert ("b",) == finding.loc
        assert f'asks for the event "{second}"; elsewhere it is "{first}"' in finding.message

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("Order Completed", "Order Completed"),
            ("Step 1 Viewed", "Step 2 Viewed"),
            ("Plan A Chosen", "Plan B Chosen"),
            ("Subscribed", "Unsubscribed"),
            ("Signed In", "Signed Up"),
            ("Open", "Opens"),
            ("Order Completed", "Order Cancelled"),
            ("", "a"),
        ],
    )
    def test_two_events_are_two_events(self, *, first, second):
        """
        Numbers, prefixes and short names tell events apart.
        """
        assert [] == list(near_misses([(("a",), first), (("b",), second)]))

    def test_a_name_is_said_once(self):
        """
        Ten spellings give nine sentences, not forty-five.
        """
        names = [(("k", n), f"Order Complete{letter}") for n, letter in enumerate("abcdefghij")]

        assert 9 == len(list(near_misses(names * 2)))
