"""The worker's parts put together, and what a reload changes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from homing.adapters.sqlite.log import SqliteLog, log_path
from homing.config import Loaded, load
from homing.core.errors import HomingError
from homing.processes.assembly import Assembly, assemble, plans_of

ROUTE = """
[email.a]
template = "d-00000000000000000000000000000001"
[route.a]
when = 'event = "A"'
send = "a"
track = { event = "B" }
"""
BARE = '[sendgrid]\nfrom = "us@x.io"\n' + ROUTE
KEYS = '[segment]\nwrite_key = "${WK}"\n[sendgrid]\nfrom = "us@x.io"\napi_key = "${AK}"\n' + ROUTE
ENVIRON = {"WK": "write-key", "AK": "SG.key"}


def never(error: BaseException) -> None:
    """The disk does not fail here."""
    raise error


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str], Loaded]:
    """Load a configuration."""

    def load_text(text: str) -> Loaded:
        path = tmp_path / "homing.toml"
        path.write_text(text)
        return load(path, environ=ENVIRON)

    return load_text


@asynccontextmanager
async def assembled(loaded: Loaded) -> AsyncIterator[Assembly]:
    """A worker's parts, over a log that its receiver has made."""
    async with AsyncExitStack() as stack:
        log = SqliteLog(log_path(loaded.store_path), on_fatal=never, synchronous="OFF")
        stack.push_async_callback(log.close)
        assembly = await assemble(loaded, ENVIRON, on_fatal=never)
        stack.push_async_callback(assembly.close)
        yield assembly


def lacking(assembly: Assembly) -> list[bool]:
    """Whether mail, suppressions and Segment wait for a key."""
    stages = assembly.stages
    circuits = (stages.deliver.circuit, stages.suppress.circuit, stages.write_back.circuit)
    return [circuit.lacking is not None for circuit in circuits]


class TestPlansOf:
    def test_without_a_write_key_nothing_is_asked_for_that_would_wait_for_one(self, loaded):
        """
        Neither write-back nor suppressions nor a route's calls; all else stays.
        """
        with_key, without = plans_of(loaded(KEYS)), plans_of(loaded(BARE))

        assert with_key.writes_to_segment
        assert with_key.writeback.events
        assert not without.writes_to_segment
        assert not without.writeback.events
        assert not without.writeback.suppression_to_segment
        assert with_key.writeback.names == without.writeback.names
        assert ["a"] == [route.name for route in without.routes]

    def test_a_route_that_writes_to_segment_is_warned_of(self, loaded):
        """
        When the configuration is checked.
        """
        said = "`route.a.track` is not written: `segment.write_key` is not set"

        assert [said] == [w.message for w in loaded(BARE).warnings if "write_key" in w.message]
        assert not [w for w in loaded(KEYS).warnings if "write_key" in w.message]


class TestAssemble:
    async def test_without_keys_what_is_there_waits(self, loaded):
        """
        No call is made only to be refused.
        """
        async with assembled(loaded(BARE)) as assembly:
            assert [True, True, True] == lacking(assembly)
            assert not assembly.stages.evaluate.taker.rules.plans.writes_to_segment

    async def test_in_capture_mode_nothing_lacks(self, loaded):
        """
        Nothing leaves anyway.
        """
        text = BARE.replace("[sendgrid]", '[sendgrid]\nmode = "capture"')
        async with assembled(loaded(text)) as assembly:
            assert [False, False, False] == lacking(assembly)
            assert assembly.stages.deliver.capture


class TestUse:
    async def test_a_reload_brings_keys_and_takes_them_away(self, loaded):
        """
        From the next batch on.
        """
        async with assembled(loaded(BARE)) as assembly:
            stages = assembly.stages
            assembly.use(loaded(KEYS), ENVIRON)
            assert [False, False, False] == lacking(assembly)
            assert "write-key" == stages.write_back.write_key
            assert stages.evaluate.taker.rules.plans.writes_to_segment
            assert stages.deliver.wake.is_set()

            assembly.use(loaded(BARE), ENVIRON)
            assert [True, True, True] == lacking(assembly)

    async def test_alerts_go_where_the_new_configuration_says(self, loaded):
        """
        Nowhere, somewhere, nowhere again, somewhere else; the address may be a secret.
        """
        literal = '\n[alerts]\nwebhook = "http://127.0.0.1:9/alerts"\n'
        secret = '\n[alerts]\nwebhook = "${HOOK}"\n'
        environ = {**ENVIRON, "HOOK": "http://127.0.0.1:9/secret"}
        async with assembled(loaded(KEYS)) as assembly:
            told = []
            for text in ("", literal, "", secret):
                assembly.use(loaded(KEYS + text), environ)
                told.append(assembly.stages.alert.api is not None)
            answer = await assembly.stages.alert.api.call("POST", "", b"{}")

        assert [False, True, False, True] == told
        assert not answer.headers_sent

    async def test_a_webhook_that_is_no_url_changes_nothing(self, loaded):
        """
        A slip in the environment is said.
        """
        text = KEYS + '\n[alerts]\nwebhook = "${HOOK}"\n'
        async with assembled(loaded(KEYS)) as assembly:
            with pytest.raises(HomingError, match="is no URL"):
                assembly.use(loaded(text), {**ENVIRON, "HOOK": "nowhere"})

            assert assembly.stages.alert.api is None

    async def test_a_secret_that_cannot_be_had_changes_nothing(self, loaded):
        """
        The old configuration stays.
        """
        async with assembled(loaded(KEYS)) as assembly:
            before = assembly.stages.evaluate.taker.rules
            with pytest.raises(HomingError):
                assembly.use(loaded(KEYS), {})

            assert before is assembly.stages.evaluate.taker.rules
