"""The doors of the public listener, as the configuration describes them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.stages import FixedClock

from homing.config import MissingSecret, load
from homing.core.errors import HomingError
from homing.processes.doors import reception_of
from homing.stages.receive import BatchRule, Reception

KEY = base64.b64encode(
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


class NoLog:
    """Nothing is posted here."""

    async def append(self, source: str, body: bytes, received_ms: int) -> int:
        """Never asked."""
        raise AssertionError


def opened(folder: Path, text: str, **environ: str) -> Reception:
    """The doors of a configuration."""
    path = folder / "homing.toml"
    path.write_text(text)
    environment: Mapping[str, str] = environ
    settings = load(path, environ=environment).settings
    return reception_of(settings, environment, log=NoLog(), clock=FixedClock())


class TestReceptionOf:
    def test_the_default_doors_are_always_there(self, tmp_path):
        """
        And answer 503 until something is configured for them.
        """
        doors = opened(tmp_path, "")

        assert {"segment": {"default"}, "sendgrid": {"default"}} == {
            kind: set(names) for kind, names in doors.names.items()
        }
        for kind in doors.names:
            assert 503 == doors.take(kind, "default", b"{}", headers={}).status

    def test_sources_have_their_secrets_token_and_rule(self, tmp_path):
        """
        Several secrets while one is replaced.
        """
        doors = opened(
            tmp_path,
            '[segment.source.web]\nsecrets = ["${A}", "${B}"]\ntoken = "${T}"\n'
            '[segment.source.app]\nsecrets = ["${A}"]\nbatch = "first-element"\n',
            A="a", B="b", T="t",
        )  # fmt: skip

        web, app = doors.sources["web"], doors.sources["app"]
        assert ((b"a", b"b"), "t", BatchRule.REQUIRE_TOKEN) == (web.secrets, web.token, web.batch)
        assert ((b"a",), None, BatchRule.FIRST_ELEMENT) == (app.secrets, app.token, app.batch)
        assert {"default", "web", "app"} == set(doors.sources)

    def test_webhooks_have_their_keys_and_window(self, tmp_path):
        """
        26 hours back and five minutes ahead, unless told otherwise.
        """
        doors = opened(
            tmp_path,
            '[sendgrid.webhook.default]\npublic_keys = ["${K}"]\n'
            '[sendgrid.webhook.other]\npublic_keys = []\nmax_age = "1h"\n',
            K=KEY,
        )  # fmt: skip

        default, other = doors.webhooks["default"], doors.webhooks["other"]
        assert (26 * 3_600, 300, True) == (
            default.max_age_s, default.max_ahead_s, default.verifier is not None,
        )  # fmt: skip
        assert (3_600, None) == (other.max_age_s, other.verifier)

    def test_a_secret_that_is_missing_is_named(self, tmp_path):
        """
        Before any door opens.
        """
        with pytest.raises(MissingSecret, match="NOWHERE"):
            opened(tmp_path, '[segment.source.web]\nsecrets = ["${NOWHERE}"]\n')

    def test_a_key_that_is_none_is_refused(self, tmp_path):
        """
        Rather than refuse every post.
        """
        with pytest.raises(HomingError):
            opened(tmp_path, '[sendgrid.webhook.default]\npublic_keys = ["${K}"]\n', K="no key")
