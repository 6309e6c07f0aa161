"""Work that is done later."""

import pytest

from homing.emulators.later import Later
from homing.emulators.waiting import Changes


@pytest.fixture
def changes():
    return Changes()


class TestLater:
    async def test_work_is_done_in_order(self, changes):
        """After the delay, oldest first."""
        later, done = Later(0.001, changes), []
        for number in range(50):
            later.add(lambda number=number: done.append(number))

        assert [] == done
        await changes.until(lambda: later.idle)
        assert list(range(50)) == done

    async def test_it_can_be_held(self, changes):
        """What came due meanwhile is done at once when that ends."""
        later, other, done = Later(0.0, changes), Later(0.005, changes), []
        later.held = True
        later.add(lambda: done.append(1))
        other.add(lambda: None)
        await changes.until(lambda: other.idle)

        held = list(done)
        later.held = False

        assert ([], [1]) == (held, done)

    async def test_all_can_be_done_now(self, changes):
        """Held or not, and only once."""
        later, done = Later(3600.0, changes), []
        later.held = True
        later.add(lambda: done.append(1))

        later.do_all()
        later.do_all()

        assert ([1], True) == (done, later.idle)

    async def test_one_can_be_done_first(self, changes):
        """It is not done again, and nothing else is done the sooner for it."""
        later, done = Later(0.01, changes), []
        works = [lambda number=number: done.append(number) for number in range(3)]
        for work in works:
            later.add(work)

        later.do(works[2])
        first = list(done)
        await changes.until(lambda: later.idle)

        assert ([2], [2, 0, 1]) == (first, done)
        with pytest.raises(ValueError, match="not in"):
            later.do(works[2])

    async def test_the_end_ends_it(self, changes):
        """No timer fires once it is closed."""
        later, other, done = Later(0.0, changes), Later(0.005, changes), []
        later.add(lambda: done.append(1))
        later.close()
        other.add(lambda: None)

        await changes.until(lambda: other.idle)

        assert [] == done
