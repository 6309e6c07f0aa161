"""
Signatures, against second opinions.

Segment's vectors were made with Node's ``JSON.stringify``; other digests come from the openssl
command. SendGrid's are made by openssl and judged by the official SDK as well.
"""

from __future__ import annotations

import base64
import hmac
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook

from homing.core.errors import HomingError
from homing.core.verify import (
    FIRST_ELEMENT_BYTES,
    BadSignature,
    Refusal,
    SendGridVerifier,
    Signed,
    UnusableKey,
    token_matches,
    verify_segment,
)

SECRET = b"s3cr3t"
A = b'{"type":"track","messageId":"m-1","userId":"u1","event":"A","properties":{"n":1}}'
B = b'{"type":"track","messageId":"m-2","userId":"u2","event":"B","properties":{"n":2}}'
# 1e-7, 0.000001, 1e+21, half a surrogate pair, a literal U+2028, an emoji, null
ODD = base64.b64decode(
    "eyJ0eXBlIjoiaWRlbnRpZnkiLCJtZXNzYWdlSWQiOiJtLTMiLCJ1c2VySWQiOiLDvPCfmIAiLCJ0cmFpdHMiOnsidGlu"
    "eSI6MWUtNywic21hbGwiOjAuMDAwMDAxLCJiaWciOjFlKzIxLCJuZWcwIjowLCJmIjoxMCwibHMiOiJcdWQ4MDAiLCJz"
    "ZXAiOiLigKgiLCJjdGwiOiJcdTAwMDFcYiIsInNsIjoiPC9hPiIsIm51bCI6bnVsbH19"
)
OF_A = "cc5302e4ad6f54a817138481c528707ae14df0e2"
OF_BATCH = "56c9fc4152a712593cfcf7d98ee6bccccafe68b4"
OF_ODD = "f85912828bccd1c9ceeb0541075f435fdd3693f9"

EMPTY_KEY_OF_A = hmac.new(b"", A, "sha1").hexdigest()  # openssl refuses an empty key

FROZEN = [
    (A, OF_A, Signed.WHOLE),
    (b"[%s,%s]" % (A, B), OF_A, Signed.FIRST_OF_MANY),
    (b"[%s,%s]" % (A, B), OF_BATCH, Signed.WHOLE),
    (b'[{"json":%s},{"json":%s}]' % (A, B), OF_A, Signed.FIRST_OF_MANY),
    (ODD, OF_ODD, Signed.WHOLE),
    (b"[%s,%s]" % (ODD, A), OF_ODD, Signed.FIRST_OF_MANY),
]


def openssl(*arguments: str, stdin: bytes) -> bytes:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the openssl command for a second opinion")
    return subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, check=True
    ).stdout


def hmac_by_openssl(body: bytes, secret: bytes = SECRET) -> str:
    made = openssl("dgst", "-sha1", "-mac", "HMAC", "-macopt", f"hexkey:{secret.hex()}", stdin=body)
    return made.decode().rsplit(" ", 1)[1].strip()


def refusal_of(body: bytes, signature: str | None, *secrets: bytes) -> Refusal:
    with pytest.raises(BadSignature) as caught:
        verify_segment(body, signature=signature, secrets=secrets or (SECRET,))
    return caught.value.reason


class TestVerifySegment:
    def test_the_odd_vector_is_the_published_one(self):
        """
        The bytes that re-serialising would change are all there.
        """
        assert 189 == len(ODD)

    @pytest.mark.parametrize(("body", "signature", "signed"), FROZEN)
    def test_frozen_vectors_pass(self, body, signature, signed):
        """
        The six requests of Segment's products, as Node signed them.
        """
        assert signed == verify_segment(body, signature=signature, secrets=[SECRET])

    @pytest.mark.parametrize("body", [A, b"", b"\xff\x00not json", b'{"a": 1}\r\n', b"[]"])
    def test_openssl_agrees_on_whole_bodies(self, body):
        """
        Any bytes are signed as they are.
        """
        signature = hmac_by_openssl(body)

        assert Signed.WHOLE == verify_segment(body, signature=signature, secrets=[SECRET])

    def test_openssl_agrees_on_an_odd_secret(self):
        """
        Secrets are bytes: longer than a block, with zeros and non-ASCII.
        """
        secret = bytes(range(256))

        assert Signed.WHOLE == verify_segment(
            A, signature=hmac_by_openssl(A, secret), secrets=[secret]
        )

    @pytest.mark.parametrize(
        ("body", "signed"),
        [
            (b"[%s]" % A, Signed.ONLY_ELEMENT),
            (b" [\n %s \t]\r\n" % A, Signed.ONLY_ELEMENT),
            (b'[{"json":%s}]' % A, Signed.ONLY_ELEMENT),
            (b'[{ "json" : %s }]' % A, Signed.ONLY_ELEMENT),
            (b"[%s,%s]" % (A, B), Signed.FIRST_OF_MANY),
            (b"[%s] " % A + B, Signed.FIRST_OF_MANY),
            (b"[%s" % A, Signed.FIRST_OF_MANY),
            (b"[%s]]" % A, Signed.FIRST_OF_MANY),
            (b"[%s,]" % A, Signed.FIRST_OF_MANY),
        ],
    )
    def test_what_follows_the_first_element_counts(self, body, signed):
        """
        Only a closing bracket leaves nothing unsigned.
        """
        found = verify_segment(body, signature=OF_A, secrets=[SECRET])

        assert signed == found
        assert (signed is Signed.ONLY_ELEMENT) == found.alone

    def test_any_active_secret_passes(self):
        """
        During a rotation both the old and the new secret are accepted, in either form.
        """
        for body, signature, signed in FROZEN:
            secrets = [b"new", SECRET]
            assert signed == verify_segment(body, signature=signature, secrets=secrets)

    def test_upper_case_digits_pass(self):
        """
        Hex is compared as bytes.
        """
        assert Signed.WHOLE == verify_segment(A, signature=OF_A.upper(), secrets=[SECRET])

    @pytest.mark.parametrize(
        ("signature", "reason"),
        [
            (None, Refusal.MISSING),
            ("", Refusal.MISSING),
            ("sha1=" + OF_A, Refusal.MALFORMED),
            (OF_A[:-1], Refusal.MALFORMED),
            (OF_A + "\n", Refusal.MALFORMED),
            ("é" * 40, Refusal.MALFORMED),
            ("٣" * 40, Refusal.MALFORMED),
            ("\udcff" * 40, Refusal.MALFORMED),
            ("0" * 40, Refusal.MISMATCH),
            (OF_BATCH, Refusal.MISMATCH),
        ],
    )
    def test_other_signatures_are_refused_with_the_reason(self, signature, reason):
        """
        Missing, malformed and wrong are told apart for the counters; the answer is 401 for all.
        """
        assert reason == refusal_of(A, signature)
        assert 401 == BadSignature(reason).status
        assert isinstance(BadSignature(reason), HomingError)
        assert f"signature {reason}" == str(BadSignature(reason))

    @pytest.mark.parametrize(
        "body",
        [
            b"[%s,%s]" % (B, A),
            b"[[%s]]" % A,
            b'{"json":%s}' % A,
            b'[{"json":%s,"type":"track"}]' % A,
            b'[{"data":%s}]' % A,
            b"%s%s" % (A, B),
            A + b" ",
            A.replace(b"1}", b"1.0}"),
            b"",
            b"[",
            b"[" * 100,
        ],
    )
    def test_a_signature_covers_only_what_it_should(self, body):
        """
        The signed event elsewhere in the body, or changed by a byte, vouches for nothing.
        """
        assert Refusal.MISMATCH == refusal_of(body, OF_A)

    def test_an_empty_secret_vouches_for_nothing(self):
        """
        An unset variable must not let everybody in.
        """
        assert Refusal.MISMATCH == refusal_of(A, EMPTY_KEY_OF_A, b"")
        assert Refusal.MISMATCH == refusal_of(b"[%s]" % A, EMPTY_KEY_OF_A, b"")

    def test_without_secrets_nothing_passes(self):
        """
        No secret, no trust.
        """
        with pytest.raises(BadSignature):
            verify_segment(A, signature=OF_A, secrets=[])

    def test_depth_64_of_the_first_element_is_scanned_and_65_is_not(self):
        """
        Deeper first elements are taken for unsigned.
        """
        inner = b'{"a":' * 63 + b"{}" + b"}" * 63
        deeper = b'{"a":%s}' % inner

        for element, passes in [(inner, True), (deeper, False)]:
            signature = hmac_by_openssl(element)
            body = b"[%s,1]" % element
            if passes:
                assert Signed.FIRST_OF_MANY == verify_segment(
                    body, signature=signature, secrets=[SECRET]
                )
            else:
                assert Refusal.MISMATCH == refusal_of(body, signature)

    def test_a_first_element_beyond_its_bound_is_not_looked_for(self):
        """
        A stranger cannot have megabytes scanned.
        """
        element = b'{"a":"%s"}' % (b"x" * FIRST_ELEMENT_BYTES)

        assert Refusal.MISMATCH == refusal_of(b"[%s]" % element, hmac_by_openssl(element))

    @pytest.mark.parametrize(
        "start",
        [
            b"[" * 64,
            b"[{" + b"[],",
            b'[["",',
            b'[{"',
            b"[ ",
            b'[{"json":"",',
            b'[{"a":"\\',
            b"[{},",
        ],
    )
    def test_eight_hostile_megabytes_are_refused(self, start):
        """
        Whatever the body repeats, the scan ends.
        """
        body = start + start[-3:] * (8 * 1024 * 1024 // 3)

        assert Refusal.MISMATCH == refusal_of(body, OF_A)

    @given(
        st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())),
        st.lists(st.just({"other": 1}), max_size=2),
        st.booleans(),
        st.booleans(),
    )
    @settings(deadline=None)
    def test_whatever_node_would_sign_passes(self, event, others, wrap, ascii_only):  # drawn
        """
        Any event at the front of any array passes, and the verdict knows whether it is alone.
        """
        event = json.loads(json.dumps(event).replace("\\ud", "\\u0"))
        elements = [json.dumps(each, ensure_ascii=ascii_only).encode() for each in [event, *others]]
        signature = hmac.new(SECRET, elements[0], "sha1").hexdigest()
        body = b",".join(b'{"json":%s}' % each if wrap else each for each in elements)

        found = verify_segment(b"[%s]" % body, signature=signature, secrets=[SECRET])

        assert (not others) == found.alone

    @given(st.binary(max_size=200), st.text(max_size=45) | st.from_regex(r"[0-9a-f]{40}"))
    def test_garbage_is_refused(self, body, signature):
        """
        Nothing but our error ever leaves.
        """
        assert isinstance(refusal_of(body, signature), Refusal)


class TestTokenMatches:
    @pytest.mark.parametrize(
        ("header", "token", "expected"),
        [
            ("Bearer s3cr3t", "s3cr3t", True),
            ("bearer s3cr3t", "s3cr3t", True),
            (" Bearer  s3cr3t ", "s3cr3t", True),
            ("Bearer s3cr3t", "other", False),
            ("Bearer s3cr3", "s3cr3t", False),
            ("Basic s3cr3t", "s3cr3t", False),
            ("s3cr3t", "s3cr3t", False),
            ("Bearer", "s3cr3t", False),
            ("Bearer ", "", False),
            ("", "s3cr3t", False),
            (None, "s3cr3t", False),
            (None, "", False),
            ("Bearer é", "é", True),
            ("Bearer \udce9", "é", False),
            ("Bearer \ud800", "\ud800", True),
        ],
    )
    def test_bearer_tokens_are_compared(self, header, token, expected):
        """
        The scheme in any case, the token exactly; bytes that are no UTF-8 do not raise.
        """
        assert expected is token_matches(header, token)

    @given(st.none() | st.text(st.characters(exclude_categories=())), st.text())
    def test_only_the_token_matches(self, header, token):
        """
        Any header is answered, and another one never with yes.
        """
        matched = token_matches(header, token)

        assert not matched or (
            header is not None and token.strip() == header.split(" ", 1)[1].strip()
        )


NOW = 1_700_000_000
WINDOW = {"max_age_s": 26 * 3600.0, "max_ahead_s": 300.0}
BODY = b'[{"email":"ada@example.com","event":"open","useragent":"caf\xc3\xa9 \\u003c"}]\r\n'


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A private key's file and its public key as SendGrid shows it, both made by openssl."""
    private = openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", stdin=b"")
    path = tmp_path_factory.mktemp("keys") / "private.pem"
    path.write_bytes(private)
    public = openssl("ec", "-pubout", "-outform", "DER", stdin=private)
    return path, base64.b64encode(public).decode()


def signed_by_openssl(private: Path, timestamp: str, body: bytes) -> str:
    made = openssl("dgst", "-sha256", "-sign", str(private), stdin=timestamp.encode() + body)
    return base64.b64encode(made).decode()


def answer_of(
    verifier: SendGridVerifier,
    body: bytes,
    signature: str | None,
    *,
    timestamp: str | None = str(NOW),
) -> Refusal | None:
    """The refusal; None if the request is believed."""
    try:
        verifier.verify(body, signature=signature, timestamp=timestamp, now_s=NOW, **WINDOW)
    except BadSignature as error:
        return error.reason
    return None


class TestSendGridVerifier:
    @pytest.mark.parametrize("body", [BODY, b"", b"[]\r\n", "[é😀]".encode()])
    def test_openssl_and_the_sdk_agree(self, signing, body):
        """
        What openssl signs is believed here and by the official SDK, and by neither if changed.
        """
        private, public = signing
        signature = signed_by_openssl(private, str(NOW), body)
        judge = EventWebhook(public)

        for given_body, expected in [(body, None), (body + b" ", Refusal.MISMATCH)]:
            assert expected is answer_of(SendGridVerifier([public]), given_body, signature)
            assert (expected is None) == judge.verify_signature(
                given_body.decode(), signature, str(NOW)
            )

    def test_bytes_that_are_no_text_are_signed_too(self, signing):
        """
        The SDK can only sign text; raw bytes verify here.
        """
        private, public = signing
        signature = signed_by_openssl(private, str(NOW), b"\xff\x00")

        assert None is answer_of(SendGridVerifier([public]), b"\xff\x00", signature)

    @pytest.mark.parametrize(
        "changed",
        [BODY.rstrip(b"\r\n"), BODY.replace(b"\\u003c", b"<"), BODY.replace(b":", b": "), BODY[1:]],
    )
    def test_a_rewritten_body_is_a_mismatch(self, signing, changed):
        """
        Stripping the last CRLF or re-encoding the JSON breaks the signature.
        """
        private, public = signing
        signature = signed_by_openssl(private, str(NOW), BODY)

        assert Refusal.MISMATCH is answer_of(SendGridVerifier([public]), changed, signature)

    def test_the_timestamp_is_signed(self, signing):
        """
        Moving the timestamp by a second, or writing it with a zero before, breaks the signature.
        """
        private, public = signing
        signature = signed_by_openssl(private, str(NOW), BODY)

        for timestamp in (str(NOW + 1), f"0{NOW}"):
            found = answer_of(SendGridVerifier([public]), BODY, signature, timestamp=timestamp)
            assert Refusal.MISMATCH is found

    @pytest.mark.parametrize(
        ("age_s", "expected"),
        [
            (0, None),
            (26 * 3600, None),
            (26 * 3600 + 1, Refusal.STALE),
            (-300, None),
            (-301, Refusal.AHEAD),
        ],
    )
    def test_the_window_includes_its_ends(self, signing, age_s, expected):
        """
        26 hours old and 5 minutes ahead are believed, a second more is not.
        """
        private, public = signing
        timestamp = str(NOW - age_s)
        signature = signed_by_openssl(private, timestamp, BODY)

        assert expected is answer_of(
            SendGridVerifier([public]), BODY, signature, timestamp=timestamp
        )

    @pytest.mark.parametrize(
        ("signature", "timestamp", "expected"),
        [
            (None, str(NOW), Refusal.MISSING),
            ("", str(NOW), Refusal.MISSING),
            ("good", None, Refusal.MISSING),
            ("good", "", Refusal.MISSING),
            ("not base64!", str(NOW), Refusal.MALFORMED),
            ("é", str(NOW), Refusal.MALFORMED),
            ("\udcff", str(NOW), Refusal.MALFORMED),
            ("AAAA", str(NOW), Refusal.MALFORMED),
            ("MAA=", str(NOW), Refusal.MALFORMED),
            ("good", "1700000000.5", Refusal.MALFORMED),
            ("good", "-1", Refusal.MALFORMED),
            ("good", "\u0661" * 10, Refusal.MALFORMED),
            ("good", f"{NOW}\n", Refusal.MALFORMED),
            ("good", "9" * 5_000, Refusal.MALFORMED),
            ("good", "9" * 12, Refusal.AHEAD),
            ("good", "0", Refusal.STALE),
            ("other key", str(NOW), Refusal.MISMATCH),
        ],
    )
    def test_each_fault_has_its_reason(self, signing, signature, timestamp, expected):  # table
        """
        Bad base64, bad DER and odd timestamps are malformed; nothing raises but our error.
        """
        private, public = signing
        known = {
            "good": signed_by_openssl(private, str(NOW), BODY),
            "other key": _signed(ec.generate_private_key(ec.SECP256R1()), BODY),
        }

        found = answer_of(
            SendGridVerifier([public]),
            BODY,
            known.get(signature, signature),
            timestamp=timestamp,
        )

        assert expected is found

    def test_any_active_key_passes(self, signing):
        """
        During a rotation both keys are accepted.
        """
        private, public = signing
        signature = signed_by_openssl(private, str(NOW), BODY)
        other = _shown(ec.generate_private_key(ec.SECP256R1()).public_key())

        assert None is answer_of(SendGridVerifier([other, public]), BODY, signature)
        assert Refusal.MISMATCH is answer_of(SendGridVerifier([other]), BODY, signature)
        assert Refusal.MISMATCH is answer_of(SendGridVerifier([]), BODY, signature)

    def test_keys_may_be_pasted_with_armour(self, signing):
        """
        PEM, line breaks, blanks, and line breaks written as backslash and n are all read.
        """
        private, public = signing
        signature = signed_by_openssl(private, str(NOW), BODY)
        pem = (
            f"-----BEGIN PUBLIC KEY-----\n{public[:64]}\n{public[64:]}\n-----END PUBLIC KEY-----\n"
        )

        assert public.startswith("MFkwEwYH")
        assert 124 == len(public)
        for written in (pem, pem.replace("\n", "\r\n"), pem.replace("\n", "\\n"), f"  {public}\n"):
            assert None is answer_of(SendGridVerifier([written]), BODY, signature)

    @pytest.mark.parametrize(
        "text", ["", "   ", "SG.not-a-key", "MFkwEwYH", "é", "\ud800", "A" * 124]
    )
    def test_what_is_no_key_is_refused_at_load(self, text):
        """
        The message shows what was found, not more of it than is needed to recognise it.
        """
        with pytest.raises(UnusableKey, match="expected a SendGrid verification key"):
            SendGridVerifier([text])

    @pytest.mark.parametrize("kind", ["P-384", "secp256k1", "RSA", "Ed25519"])
    def test_keys_of_another_kind_are_refused_at_load(self, kind):
        """
        SendGrid signs with P-256 only.
        """
        made = {
            "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
            "RSA": lambda: rsa.generate_private_key(65537, 2048),
            "Ed25519": ed25519.Ed25519PrivateKey.generate,
        }

        with pytest.raises(UnusableKey, match="P-256"):
            SendGridVerifier([_shown(made[kind]().public_key())])

    @given(st.binary(max_size=100), st.text(max_size=120), st.text(max_size=14))
    @settings(deadline=None)
    def test_garbage_is_refused(self, body, signature, timestamp):
        """
        Nothing but our error ever leaves.
        """
        assert isinstance(
            answer_of(GARBAGE_VERIFIER, body, signature, timestamp=timestamp), Refusal
        )


def _signed(key: ec.EllipticCurvePrivateKey, body: bytes) -> str:
    made = key.sign(str(NOW).encode() + body, ec.ECDSA(SHA256()))
    return base64.b64encode(made).decode()


def _shown(key: object) -> str:
    made = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return base64.b64encode(made).decode()


GARBAGE_VERIFIER = SendGridVerifier([_shown(ec.generate_private_key(ec.SECP256R1()).public_key())])
