"""Whether calls to a destination may leave."""

from __future__ import annotations

import pytest
from tests.stages.conftest import World
from tests.support.stages import NOON, SECOND

from homing.core.effects import Dest
from homing.core.outcomes import Delivered, Paused, Rejected
from homing.stages import act
from homing.stages.circuit import Circuit, got_through, pause


@pytest.fixture
def circuit(world: World) -> Circuit:
    """The circuit of the mail."""
    return Circuit(Dest.MAIL, world.clock)


async def granted(world: World, circuit: Circuit, *, in_flight: int = 0, waits: bool = True) -> int:
    """Of a room for nine."""
    return await world.tx(
        lambda tx: circuit.granted(tx, 9, in_flight=in_flight, is_waited=lambda _: waits)
    )


class TestAllowance:
    def test_it_follows_the_breaker(self, circuit, world):
        """
        None after a refusal, one as a probe, then ever more.
        """
        assert 9 == circuit.allowance(in_flight=0, most=9)
        circuit.heed(Paused("key"))
        assert (0, True, False) == (
            circuit.allowance(in_flight=0, most=9), circuit.is_down, circuit.is_probing,
        )  # fmt: skip
        world.clock.forward(SECOND)
        assert (1, True) == (circuit.allowance(in_flight=0, most=9), circuit.is_probing)
        circuit.heed(Delivered())
        assert (1, False) == (circuit.allowance(in_flight=0, most=9), circuit.is_down)

    def test_a_reset_lets_all_leave(self, circuit):
        """
        There is another key, say.
        """
        circuit.heed(Paused("key"))
        circuit.reset()

        assert 9 == circuit.allowance(in_flight=0, most=9)

    def test_a_refusal_of_one_item_is_an_answer(self, circuit):
        """
        The destination is well.
        """
        for _ in range(50):
            circuit.heed(Rejected("bad address"))

        assert not circuit.is_down


class TestGranted:
    async def test_all_while_nothing_is_paused(self, world, circuit):
        """
        The room there is.
        """
        assert 9 == await granted(world, circuit)

    async def test_one_probe_while_we_hold_it_ourselves(self, world, circuit):
        """
        And none beside it.
        """
        await world.tx(lambda tx: pause(tx, "mail", "HTTP 401", now_ms=NOON))

        assert [1, 0] == [await granted(world, circuit, in_flight=n) for n in (0, 1)]

    async def test_none_while_a_person_holds_it(self, world, circuit):
        """
        Whatever we think of it.
        """
        await world.tx(lambda tx: act.pause(tx, "mail", reason="x", now_ms=NOON))
        await world.tx(lambda tx: pause(tx, "mail", "HTTP 401", now_ms=NOON))

        assert 0 == await granted(world, circuit)
        assert "operator" == (await world.books()).pauses["mail"].by

    async def test_what_lacks_is_said_once_as_soon_as_anything_waits(self, world, circuit):
        """
        And no longer once it is there.
        """
        circuit.lacking = "no key"
        assert 0 == await granted(world, circuit, waits=False)
        assert {} == await world.alerts()
        for _ in range(3):
            assert 0 == await granted(world, circuit)
        assert {("waiting", "mail"): 1} == await world.alerts()

        circuit.lacking = None
        assert 9 == await granted(world, circuit)
        assert {} == await world.alerts()

    async def test_an_alert_of_an_earlier_run_is_cleared(self, world, circuit):
        """
        The key was set while nothing ran.
        """
        circuit.lacking = "no key"
        await granted(world, circuit)

        await granted(world, Circuit(Dest.MAIL, world.clock))

        assert {} == await world.alerts()


class TestGotThrough:
    @pytest.mark.parametrize(
        ("left_at_ms", "ended"), [(NOON - 1, False), (NOON, False), (NOON + 1, True)]
    )
    async def test_only_what_left_after_it_ends_a_pause(self, world, left_at_ms, ended):
        """
        With its alert.
        """
        await world.tx(lambda tx: pause(tx, "mail", "HTTP 401", now_ms=NOON))

        assert ended is await world.tx(lambda tx: got_through(tx, "mail", left_at_ms=left_at_ms))
        assert ended is ({} == await world.alerts())

    async def test_a_pause_keeps_its_beginning(self, world):
        """
        A probe that fails does not begin it anew, but counts up its alert.
        """
        for now_ms in (NOON, NOON + SECOND):
            await world.tx(lambda tx, now=now_ms: pause(tx, "mail", "HTTP 401", now_ms=now))

        assert NOON == (await world.books()).pauses["mail"].at
        assert {("paused", "mail"): 2} == await world.alerts()

    async def test_where_nothing_is_paused_nothing_ends(self, world):
        """
        The usual case.
        """
        assert not await world.tx(lambda tx: got_through(tx, "mail", left_at_ms=NOON))
