"""Short hashes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homing.core.digests import address_trace, digest8, message_trace, smtp_trace

INTEGERS_OF_SQLITE = range(-(2**63), 2**63)


class TestDigest8:
    @given(st.binary())
    def test_it_fits_an_integer_of_the_database(self, text):
        """
        Signed, 64 bits, the same every time.
        """
        assert digest8(text) in INTEGERS_OF_SQLITE
        assert digest8(text) == digest8(bytes(text))

    def test_it_is_the_same_in_every_release(self):
        """
        BLAKE2b, 8 bytes, big-endian: as ``b2sum -l 64`` prints it.
        """
        assert 0xE4A6A0577479B2B4 - 2**64 == digest8(b"")


class TestTraces:
    def test_the_same_text_is_another_key_in_each_sense(self):
        """
        An address is not taken for a message id.
        """
        assert 3 == len({trace("x@y.io") for trace in (address_trace, message_trace, smtp_trace)})

    def test_an_address_is_traced_in_any_case(self):
        """
        SendGrid lower-cases what it reports.
        """
        assert address_trace("ada@x.io") == address_trace("Ada@X.io")

    @given(st.text(st.characters()))
    def test_no_text_raises(self, text):
        """
        Half a surrogate pair included.
        """
        assert message_trace(text) in INTEGERS_OF_SQLITE
        assert address_trace(text) in INTEGERS_OF_SQLITE
        assert smtp_trace(text) in INTEGERS_OF_SQLITE
