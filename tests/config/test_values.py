"""Kinds of value: what fits, what it becomes, and what does not fit."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from homing.config import values
from homing.config.secrets import SecretRef
from homing.config.values import Listen, StoreUrl, is_loopback
from homing.core.addresses import refusal_of
from homing.core.plans import Address

HEX = "0123456789abcdef" * 2
PUBLIC_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPT"
    "nlvFYPAZFceEu/1FwCM/QmGUhA=="
)


def fits(kind, value):
    """
    Read a value as the kind.
    """
    return TypeAdapter(kind).validate_python(value)


GOOD = [
    (values.Duration, "2h", 7_200.0),
    (values.Duration, "1d12h", 129_600.0),
    (values.Offset, "-1h", -3_600.0),
    (values.Offset, "0s", 0.0),
    (values.Size, "8MiB", 8_388_608),
    (values.Size, "8MB", 8_000_000),
    (values.Size, "64 KiB", 65_536),
    (values.Size, "64kB", 64_000),
    (values.Size, "1GiB", 2**30),
    (values.Size, 1_000, 1_000),
    (values.ListenAddress, "127.0.0.1:8400", Listen("127.0.0.1", 8400)),
    (values.ListenAddress, "[::1]:8401", Listen("::1", 8401)),
    (values.ListenAddress, "localhost:0", Listen("localhost", 0)),
    (values.Url, "https://api.sendgrid.com/", "https://api.sendgrid.com"),
    (values.Url, "http://127.0.0.1:9999", "http://127.0.0.1:9999"),
    (values.Url, "http://[::1]:9999/base", "http://[::1]:9999/base"),
    (values.Store, "sqlite:homing.db", StoreUrl("sqlite", "homing.db")),
    (values.Store, "sqlite:/var/x.db", StoreUrl("sqlite", "/var/x.db")),
    (values.Store, "postgresql://h/db", StoreUrl("postgresql", "postgresql://h/db")),
    (values.EmailAddress, "a@b.example", Address("a@b.example")),
    (values.EmailAddress, "Acme <a@b.example>", Address("a@b.example", "Acme")),
    (values.EmailAddress, '"Acme, Inc." <a@b.example>', Address("a@b.example", "Acme, Inc.")),
    (values.EmailAddress, "Müller & Söhne <a@b.example>", Address("a@b.example", "Müller & Söhne")),
    (values.EmailAddress, "a@münchen.example", Address("a@xn--mnchen-3ya.example")),
    (values.EmailAddress, "a+b@c.test", Address("a+b@c.test")),
    (values.Template, f"d-{HEX}", f"d-{HEX}"),
    (values.ClockTime, "09:05", dt.time(9, 5)),
    (values.Zone, "Europe/Berlin", "Europe/Berlin"),
    (values.Rate, 3, 3.0),
    (values.Rate, 0.5, 0.5),
    (values.PublicKey, PUBLIC_KEY, SecretRef("literal", PUBLIC_KEY)),
    (values.AlertUrl, "https://x.example", SecretRef("literal", "https://x.example")),
    (values.Name, "cart-reminder_2", "cart-reminder_2"),
    (values.Label, "Wait for it", "Wait for it"),
]

BAD = [
    (values.Duration, ["2 hours", "", "0s", "-1h", 7_200, 2.5, True, None, [], "9" * 5_000 + "h"]),
    (values.Offset, ["soon", "--1h", 3]),
    (values.Size, ["", "8 gigs", "-1", "0", 0, -1, "2GiB", "9" * 5_000, 8.5, True, "8Mib"]),
    (
        values.ListenAddress,
        [
            *("", "8400", ":8400", "localhost", "::1:8400", "[::1]", "[::1", "h:65536", "h:-1"),
            *("[1:2:3]:80", "http://h:80", "unix:/run/x", "h:80\n", "h :80", 8400, "[::1%lo]:80"),
        ],
    ),
    (
        values.Url,
        [
            *("", "api.sendgrid.com", "http://api.sendgrid.com", "ftp://x.example", "https://"),
            *(
                "https://u:p@x.example",
                "https://x.example?a=b",
                "https://x.example#f",
                "https://x y",
            ),
            *("https://[x", "https://x.example:99999", "https://x.example\n", "https://é.example"),
            *("http://127.0.0.1.evil.example", "http://localhost.evil.example", "//x.example", 1),
            *("https://x.example:0", "http://0.0.0.0:1"),
        ],
    ),
    (
        values.Store,
        [
            *("", "homing.db", "sqlite:", "sqlite::memory:", "sqlite:///x.db", "mysql://x", 1),
            *("postgresql:x", "postgresql://u:secret@h/db", "sqlite:a\0b", "SQLITE:x"),
        ],
    ),
    (
        values.EmailAddress,
        [
            *(
                "",
                "Acme",
                "a@",
                "@b.example",
                "a b@c.example",
                "a@b",
                "a@b..example",
                "a@-b.example",
            ),
            *(
                "Acme <a@b.example",
                "Acme a@b.example",
                "<>",
                "A\n<a@b.example>",
                "a@b.example\nBcc: x",
            ),
            *(
                "A <a@b.example> x",
                "é@b.example",
                "a@" + "b" * 64 + ".example",
                "a" * 65 + "@b.example",
            ),
            *(
                "a@[127.0.0.1]",
                " " * 5_000 + "<",
                "a@b.1",
                1,
                True,
                "a.@b.example",
                "a@b_c.example",
            ),
        ],
    ),
    (
        values.Template,
        [
            "",
            "d-",
            f"d-{HEX}0",
            f"d-{'g' * 32}",
            f"d-{HEX}\n",
            1,
            "123e4567-e89b-12d3-a456-426614174000",
        ],
    ),
    (values.ClockTime, ["9:00", "24:00", "09:60", "09:00:00", "noon", dt.time(9), 9, ""]),
    (values.Zone, ["Mars/Base", "", "../etc/passwd", "/etc/passwd", "Europe", "\0", 1, "a" * 300]),
    (values.Rate, [0, -1, 10_001, True, "3", float("nan"), float("inf")]),
    (values.Share, [0, 1.1, "half"]),
    (values.Secret, ["SG.literal", "${", 1, ["x"], {"a": "x"}]),
    (values.PublicKey, ["too short", "-----BEGIN PUBLIC KEY-----", 1]),
    (values.AlertUrl, ["http://x.example", "x"]),
    (values.Name, ["", "a b", "a.b", "-a", "é", "a" * 74, "a/b", "a\n", 1]),
    (values.Label, ["", "a.b", "a\nb", "a" * 74]),
    (values.EventName, ["", "a\tb", "a" * 256, 1]),
]


class TestKinds:
    @pytest.mark.parametrize(("kind", "value", "meaning"), GOOD)
    def test_what_fits_is_read(self, kind, value, meaning):
        """
        Each form that the manual shows has its meaning.
        """
        assert meaning == fits(kind, value)

    @pytest.mark.parametrize(
        ("kind", "value"), [(kind, value) for kind, wrong in BAD for value in wrong]
    )
    def test_what_does_not_fit_is_refused_in_our_words(self, kind, value):
        """
        Every misfit, however hostile, is the one error that the messages are made of.
        """
        with pytest.raises(ValidationError) as error:
            fits(kind, value)

        assert ["expected"] == [detail["type"] for detail in error.value.errors()]

    @pytest.mark.parametrize(("kind", "value"), [(kind, SecretRef("env", "A")) for kind, _ in BAD])
    def test_a_reference_fits_only_where_a_secret_is_expected(self, kind, value):
        """
        A reference elsewhere would be used as text by mistake.
        """
        secrets = (values.Secret, values.PublicKey, values.AlertUrl)
        if kind in secrets:
            assert value == fits(kind, value)
        else:
            with pytest.raises(ValidationError):
                fits(kind, value)

    @given(st.from_regex(r"[a-z0-9.@_+-]{1,30}", fullmatch=True))
    def test_an_address_that_is_read_is_one_that_can_be_sent_to(self, text):
        """
        The quick check accepts nothing that the full one refuses.
        """
        try:
            address = fits(values.EmailAddress, text)
        except ValidationError:
            return

        assert refusal_of(address.email) is None


class TestListen:
    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("127.0.0.1", True),
            ("127.9.9.9", True),
            ("::1", True),
            ("localhost", True),
            ("LOCALHOST", True),
            ("0.0.0.0", False),  # noqa: S104 - the host under test
            ("::", False),
            ("10.0.0.1", False),
            ("homing.example", False),
            ("127.0.0.1.evil.example", False),
        ],
    )
    def test_only_this_machine_is_loopback(self, host, expected):
        """
        A name is trusted only if it is localhost.
        """
        assert expected is is_loopback(host)
        assert expected is Listen(host, 80).is_loopback

    @pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80", "localhost:80"])
    def test_it_reads_back_as_written(self, text):
        """
        IPv6 gets its brackets back.
        """
        assert text == str(fits(values.ListenAddress, text))
