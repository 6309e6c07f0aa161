"""Bodies and signatures of the four products, against vectors made with Node."""

import base64
import hashlib
import hmac
import json

import pytest

from homing.emulators import Destination, Product
from homing.emulators.segment.products import post_of

SECRET = "s3cr3t"
A = {"type": "track", "messageId": "m-1", "userId": "u1", "event": "A", "properties": {"n": 1}}
B = {"type": "track", "messageId": "m-2", "userId": "u2", "event": "B", "properties": {"n": 2}}
#: 1e-7, 0.000001, 1e+21, a lone surrogate, U+2028, an emoji, null: 189 bytes by Node.
ODD_BYTES = base64.b64decode(
    "eyJ0eXBlIjoiaWRlbnRpZnkiLCJtZXNzYWdlSWQiOiJtLTMiLCJ1c2VySWQiOiLDvPCfmIAiLCJ0cmFpdHMiOnsidGlu"
    "eSI6MWUtNywic21hbGwiOjAuMDAwMDAxLCJiaWciOjFlKzIxLCJuZWcwIjowLCJmIjoxMCwibHMiOiJcdWQ4MDAiLCJz"
    "ZXAiOiLigKgiLCJjdGwiOiJcdTAwMDFcYiIsInNsIjoiPC9hPiIsIm51bCI6bnVsbH19"
)
ODD = json.loads(ODD_BYTES)


def destination(product=Product.ACTIONS, **changes):
    return Destination(product, SECRET, **changes)


class TestPostOf:
    @pytest.mark.parametrize(
        ("events", "to", "signature"),
        [
            ([A], destination(), "cc5302e4ad6f54a817138481c528707ae14df0e2"),
            ([A, B], destination(), "cc5302e4ad6f54a817138481c528707ae14df0e2"),
            (
                [A, B],
                destination(signs_whole_batch=True),
                "56c9fc4152a712593cfcf7d98ee6bccccafe68b4",
            ),
            ([A, B], destination(Product.EXTENSIBLE), "cc5302e4ad6f54a817138481c528707ae14df0e2"),
            ([A, B], destination(Product.CLASSIC), "cc5302e4ad6f54a817138481c528707ae14df0e2"),
            ([ODD], destination(), "f85912828bccd1c9ceeb0541075f435fdd3693f9"),
            ([ODD, A], destination(), "f85912828bccd1c9ceeb0541075f435fdd3693f9"),
        ],
    )
    def test_the_signature_is_segments(self, events, to, signature):
        """The frozen vectors, single and batch, today's form and the proposed one."""
        post = post_of(events, to, batch=len(events) > 1)

        assert signature == post.headers["X-Signature"]

    def test_the_bytes_are_javascripts(self):
        """Odd values come out as Node writes them."""
        assert ODD_BYTES == post_of([ODD], destination(), batch=False).body

    @pytest.mark.parametrize(
        ("product", "body"),
        [
            (Product.CLASSIC, [A, B]),
            (Product.ACTIONS, [A, B]),
            (Product.EXTENSIBLE, [{"json": A}, {"json": B}]),
            (Product.AUDIENCES, [A, B]),
        ],
    )
    def test_batches_are_arrays(self, product, body):
        """The extensible product wraps each event."""
        assert body == json.loads(post_of([A, B], destination(product), batch=True).body)

    @pytest.mark.parametrize("product", Product)
    def test_a_single_event_is_the_event(self, product):
        """Not wrapped, whatever the product; a batch of one is an array."""
        assert A == json.loads(post_of([A], destination(product), batch=False).body)
        assert isinstance(json.loads(post_of([A], destination(product), batch=True).body), list)

    def test_headers_say_who_sends(self):
        """User agent by product, token as bearer, no signature without a secret."""
        classic = post_of([A], Destination(Product.CLASSIC, token="t0k"), batch=False).headers
        actions = post_of([A], Destination(Product.ACTIONS), batch=False).headers

        assert ("Segment.io/1.0", "Bearer t0k") == (classic["User-Agent"], classic["Authorization"])
        assert "Segment (Actions)" == actions["User-Agent"]
        assert not {"X-Signature", "Authorization"} & actions.keys()

    def test_extras_are_merged_after_signing(self):
        """So the header does not match the body: a known fault of that product."""
        to = destination(Product.AUDIENCES, extras={"list": 1})

        post = post_of([A], to, batch=False)

        assert {**A, "list": 1} == json.loads(post.body)
        assert "cc5302e4ad6f54a817138481c528707ae14df0e2" == post.headers["X-Signature"]
        digest = hmac.new(SECRET.encode(), post.body, hashlib.sha1).hexdigest()
        assert digest != post.headers["X-Signature"]

    def test_deletes_are_the_classic_products(self):
        """The others do not send them."""
        delete = {"type": "delete", "userId": "u1"}

        assert post_of([delete], destination(Product.CLASSIC), batch=False).body
        with pytest.raises(ValueError, match="does not send delete"):
            post_of([delete], destination(), batch=False)

    def test_methods_are_the_products(self):
        """PUT and PATCH for Actions, POST only for the classic one."""
        assert "PATCH" == post_of([A], destination(method="PATCH"), batch=False).method
        with pytest.raises(ValueError, match="cannot post with PUT"):
            destination(Product.CLASSIC, method="PUT")

    @pytest.mark.parametrize("events", [[], [A, B]])
    def test_one_event_or_a_batch(self, events):
        """Nothing, or several without a batch, is a mistake of the caller."""
        with pytest.raises(ValueError, match="expected one event"):
            post_of(events, destination(), batch=False)
