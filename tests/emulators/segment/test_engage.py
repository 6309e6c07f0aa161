"""What Engage sends, against the shapes of its documentation; and deletions."""

import json

import pytest

from homing.emulators import Computation, Destination, Product, SegmentWebhookSender, deletion
from homing.emulators.segment.tracking_rules import discard_code

MOMENT = 1_767_607_200.0


class TestComputation:
    def test_an_identify_has_the_documented_shape(self):
        """The boolean under the audience's key, beside the address; who computed it above."""
        audience = Computation("big_spenders", space="spa_1", clock=lambda: MOMENT)

        event = audience.identify("u1", True, email="a@x.io", plan="pro")

        assert {"big_spenders": True, "email": "a@x.io", "plan": "pro"} == event["traits"]
        assert {
            "computation_class": "audience",
            "computation_id": "aud_big_spenders",
            "computation_key": "big_spenders",
            "namespace": "spa_1",
            "space_id": "spa_1",
        } == event["context"]["personas"]
        assert ("identify", "u1", "2026-01-05T10:00:00.000Z") == (
            event["type"], event["userId"], event["timestamp"],
        )  # fmt: skip
        assert event["messageId"].startswith("personas_")
        assert {"All": False, "Webhooks (Actions)": True} == event["integrations"]

    @pytest.mark.parametrize(
        ("value", "name"), [(True, "Audience Entered"), (False, "Audience Exited")]
    )
    def test_a_track_says_it_by_name_too(self, value, name):
        """The key and the boolean in the properties, the address in the context."""
        event = Computation("vip").track("u1", value, email="a@x.io")

        assert (name, {"audience_key": "vip", "vip": value}) == (
            event["event"],
            event["properties"],
        )
        assert {"email": "a@x.io"} == event["context"]["traits"]

    def test_a_trait_has_a_value(self):
        """Any JSON, in both forms."""
        trait = Computation("ltv", "trait")

        identified, tracked = trait.identify("u1", 12.5), trait.track("u1", 12.5)

        assert {"ltv": 12.5} == identified["traits"]
        assert "tra_ltv" == identified["context"]["personas"]["computation_id"]
        assert ("Trait Computed", {"trait_key": "ltv", "ltv": 12.5}) == (
            tracked["event"], tracked["properties"],
        )  # fmt: skip

    def test_a_list_knows_its_id(self):
        """What the receiver answered when the audience was made."""
        event = Computation("vip", external_audience_id="list-1").track("u1", True, at=MOMENT)

        assert "list-1" == event["context"]["personas"]["external_audience_id"]
        assert "2026-01-05T10:00:00.000Z" == event["timestamp"]

    @pytest.mark.parametrize("make", [Computation("vip").identify, Computation("vip").track])
    def test_its_events_are_events_of_segment(self, make):
        """The tracking API's own rules would publish them; each has an id of its own."""
        first, second = make("u1", True, email="a@x.io"), make("u1", True, email="a@x.io")

        assert discard_code(first) is None
        assert first["messageId"] != second["messageId"]


class TestDeletion:
    def test_it_names_a_user_and_nothing_else(self):
        """No address, no traits, and no message id unless one is given."""
        event = deletion("u1", at=MOMENT)

        assert {"type": "delete", "userId": "u1", "timestamp": "2026-01-05T10:00:00.000Z"} == event
        assert "m1" == deletion("u1", messageId="m1")["messageId"]

    async def test_only_the_classic_webhook_sends_it(self, receiver):
        """Signed like all else; the others have no such event."""
        classic = Destination(Product.CLASSIC, secret="s3cret")
        async with SegmentWebhookSender(receiver.url, classic) as segment:
            await segment.deliver(deletion("u1"))

        assert ("delete", "u1") == tuple(
            json.loads(receiver.bodies[0])[k] for k in ("type", "userId")
        )
        assert receiver.requests[0].headers["X-Signature"]
        async with SegmentWebhookSender(receiver.url, Destination(Product.ACTIONS)) as segment:
            with pytest.raises(ValueError, match="delete"):
                await segment.deliver(deletion("u1"))
