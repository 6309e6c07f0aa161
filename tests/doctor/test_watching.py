"""Whether a post came, seen from beside the service."""

from __future__ import annotations

import pytest
from tests.support.rows import NOON

from homing.adapters.sqlite.log import SqliteLog, log_path
from homing.adapters.sqlite.state import SqliteState
from homing.doctor.watching import Came, Watch

SAMPLE = b'[{"email":"example@test.com","event":"open"}]'


class Hurried:
    """A clock on which two looks are all the time there is."""

    def __init__(self):
        self.looks = iter(range(1_000))

    def monotonic_s(self):
        return float(next(self.looks))


def fatal(error):
    raise error


@pytest.fixture
async def files(tmp_path):
    """The files of a service, as it writes them."""
    path = tmp_path / "homing.db"
    state = SqliteState(path, on_fatal=fatal, synchronous="OFF")
    log = SqliteLog(log_path(path), on_fatal=fatal, synchronous="OFF")
    yield path, state, log
    await state.close()
    await log.close()


def watch(path):
    return Watch(path, Hurried(), source="sendgrid/default")


class TestWatch:
    async def test_the_sample_at_its_door_is_taken(self, files):
        """Among other posts."""
        path, _, log = files
        await log.append("sendgrid/default", SAMPLE, NOON)
        watching = watch(path)
        await log.append("sendgrid/default", b"[]", NOON)
        await log.append("sendgrid/default", SAMPLE, NOON)

        assert Came.TAKEN is await watching.came(within_s=3.0)

    async def test_what_came_before_or_elsewhere_does_not_count(self, files):
        """Nor what is no sample."""
        path, _, log = files
        await log.append("sendgrid/default", SAMPLE, NOON)
        watching = watch(path)
        await log.append("sendgrid/shop", SAMPLE, NOON)
        await log.append("segment/default", SAMPLE, NOON)
        await log.append("sendgrid/default", b"[]", NOON)

        assert Came.UNSEEN is await watching.came(within_s=3.0)

    async def test_a_refusal_shows_in_the_alerts(self, files):
        """Only a new one, of SendGrid's posts."""
        path, state, log = files
        await log.append("x", b"", NOON)
        await state.write(lambda tx: tx.books.alert("refused", "sendgrid", "401", at=NOON))
        old = watch(path)
        await state.write(lambda tx: tx.books.alert("refused", "segment", "401", at=NOON))
        assert Came.UNSEEN is await old.came(within_s=3.0)

        watching = watch(path)
        await state.write(lambda tx: tx.books.alert("refused", "sendgrid", "401", at=NOON))
        assert Came.REFUSED is await watching.came(within_s=3.0)
