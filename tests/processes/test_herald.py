import socket

import pytest

from homing.adapters.systemd import Systemd
from homing.processes.herald import Herald


@pytest.fixture
def told(tmp_path):
    """What systemd is told, as a function that takes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"{tmp_path}/notify")
        listener.settimeout(0)

        def take() -> list[str]:
            messages = []
            while True:
                try:
                    messages.append(listener.recv(4096).decode())
                except BlockingIOError:
                    return messages

        yield take


@pytest.fixture
def herald(told, tmp_path):
    """One whose watchdog is to be fed every 15 s."""
    return Herald(Systemd(notify_address=f"{tmp_path}/notify", watchdog_s=30.0))


class TestStatus:
    def test_a_change_is_told_at_most_once_a_second(self, told, herald):
        """
        Each one costs systemd and the bus a message.
        """
        for now, text in [(0.0, "a"), (0.2, "b"), (0.9, "c"), (1.0, "d")]:
            herald.status(text, now)

        assert ["STATUS=a", "STATUS=d"] == told()

    def test_without_a_change_it_is_told_every_ten_seconds(self, told, herald):
        """
        So a restarted systemd knows it again.
        """
        for now in range(25):
            herald.status("a", float(now))

        assert ["STATUS=a"] * 3 == told()


class TestBeat:
    def test_it_comes_twice_within_the_period(self, told, herald):
        """
        However often it is asked for.
        """
        for now in range(61):
            herald.beat(float(now))

        assert ["WATCHDOG=1"] * 5 == told()
        assert 75.0 == herald.next_beat_at()

    def test_a_late_one_is_given_as_soon_as_it_may(self, told, herald):
        """
        A child back just before the deadline saves the service.
        """
        herald.beat(0.0)
        herald.beat(29.0)

        assert ["WATCHDOG=1"] * 2 == told()

    def test_without_a_watchdog_there_is_none(self, told, tmp_path):
        """
        systemd did not ask.
        """
        herald = Herald(Systemd(notify_address=f"{tmp_path}/notify"))

        herald.beat(0.0)

        assert ([], float("inf")) == (told(), herald.next_beat_at())


class TestProgress:
    def test_patience_is_asked_for_at_most_once_a_second(self, told, herald):
        """
        Ten seconds more each time.
        """
        for tenth in range(21):
            herald.progress(tenth / 10)

        assert ["EXTEND_TIMEOUT_USEC=10000000"] * 3 == told()
