"""The signature and the bytes of event posts, judged by the vendor's package and by openssl."""

import base64
import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook

from homing.emulators.sendgrid.event_bytes import body_of, event_bytes
from homing.emulators.sendgrid.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, Signer


def verified(signer, body, headers):
    return EventWebhook(signer.public_key).verify_signature(
        body.decode(), headers[SIGNATURE_HEADER], headers[TIMESTAMP_HEADER]
    )


class TestSigner:
    def test_the_vendors_package_verifies_it(self):
        """The signature is over timestamp and exact bytes."""
        signer = Signer()
        body = body_of([event_bytes({"email": "é@x", "smtp-id": "<1>"}), event_bytes({"n": 1})])

        headers = signer.headers(body, timestamp=1_700_000_000)

        assert "1700000000" == headers[TIMESTAMP_HEADER]
        assert verified(signer, body, headers)
        assert not verified(signer, body.rstrip(), headers)
        assert not verified(signer, json.dumps(json.loads(body)).encode(), headers)

    def test_the_key_looks_like_sendgrids(self):
        """Base64 of a DER SubjectPublicKeyInfo on P-256: 124 characters with a known start."""
        key = Signer().public_key

        assert 124 == len(key)
        assert key.startswith("MFkwEwYH")

    def test_a_given_key_is_used(self):
        """A test can know the key beforehand."""
        private = ec.generate_private_key(ec.SECP256R1())

        assert Signer(private).public_key == Signer(private).public_key

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
    def test_openssl_verifies_it(self, tmp_path):
        """A third opinion on curve, hash and encoding."""
        signer, body = Signer(), b"[{}]\r\n"
        headers = signer.headers(body, timestamp=1)
        (tmp_path / "key.der").write_bytes(base64.b64decode(signer.public_key))
        (tmp_path / "signature").write_bytes(base64.b64decode(headers[SIGNATURE_HEADER]))
        (tmp_path / "signed").write_bytes(b"1" + body)

        said = subprocess.run(
            ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", "key.der",
             "-signature", "signature", "signed"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip

        assert "Verified OK" == said.strip()


class TestBodyOf:
    def test_the_bytes_are_sendgrids(self):
        """Comma and CRLF between objects, CRLF at the end, angle brackets escaped."""
        body = body_of([event_bytes({"smtp-id": "<a@b>"}), event_bytes({"n": 1})])

        assert b'[{"smtp-id":"\\u003ca@b\\u003e"},\r\n{"n":1}]\r\n' == body

    @given(st.lists(st.dictionaries(st.text(), st.text() | st.integers(0, 2**53)), min_size=1))
    def test_they_are_json_all_the_same(self, events):
        """What was put in comes out."""
        assert events == json.loads(body_of([event_bytes(event) for event in events]))
