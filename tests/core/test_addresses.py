"""Which addresses SendGrid delivers to."""

from __future__ import annotations

import pytest
from email_validator import validate_email
from hypothesis import given
from hypothesis import strategies as st

from homing.core import addresses

ALPHABET = st.sampled_from("abcXYZ019.-_+@'\"! \n\u00e4")


class TestRefusalOf:
    @pytest.mark.parametrize(
        "address",
        [
            "ada@example.com",
            "Ada.Lovelace+shop@mail.example.co.uk",
            "o'brien@example.com",
            "a@b.test",
            "x@xn--exmple-cua.de",
            "ada@ex\u00e4mple.de",
            "a" * 64 + "@example.com",
        ],
    )
    def test_addresses_people_have_are_fine(self, address: str) -> None:
        """Plus signs, apostrophes, sub-domains, international and test domains."""
        assert addresses.refusal_of(address) is None

    @pytest.mark.parametrize(
        "address",
        [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@example.com\n",
            "ada@example.com\r\nBcc: eve@example.com",
            "a da@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a@-x.com",
            "a@x..com",
            "a@1.2.3.4",
            "a@[1.2.3.4]",
            "a@" + "x" * 64 + ".com",
            "Ada <ada@example.com>",
            "a@b@example.com",
            "a" * 65 + "@example.com",
            "a@" + "x." * 130 + "com",
            "\u00f6@example.com",
            "a\x00@example.com",
            "\ud800@example.com",
            "a@\ud800.com",
        ],
    )
    def test_what_sendgrid_would_refuse_or_drop_is_refused(self, address: str) -> None:
        """Non-ASCII local parts are accepted with 202 and then dropped: refused here."""
        assert addresses.refusal_of(address) is not None

    def test_the_reason_shows_a_long_address_shortened(self) -> None:
        """A reason is read by people, whatever was sent."""
        reason = addresses.refusal_of("x" * 100_000)

        assert reason is not None
        assert 200 > len(reason)

    @given(
        st.text(ALPHABET, max_size=30)
        | st.builds("{}@{}.com".format, st.text(ALPHABET), st.text(ALPHABET))
    )
    def test_the_fast_path_accepts_nothing_the_full_check_would_not(self, address: str) -> None:
        """Ordinary addresses skip the library, which must agree on every one of them."""
        if len(address) <= 254 and addresses._is_ordinary(address):
            checked = validate_email(
                address, check_deliverability=False, globally_deliverable=False, strict=True
            )

            assert address.lower() == checked.normalized.lower()


class TestAsciiForm:
    def test_writes_an_international_domain_as_sendgrid_reads_it(self) -> None:
        """SendGrid takes ``xn--`` domains only."""
        assert "ada@xn--exmple-cua.de" == addresses.ascii_form("ada@ex\u00e4mple.de")

    @pytest.mark.parametrize("address", ["ada@example.com", "\u00f6@x.de", "no address", ""])
    def test_leaves_everything_else_as_it_is(self, address: str) -> None:
        """What is wrong stays wrong, for the check to say so."""
        assert address == addresses.ascii_form(address)
