import select
import signal

from homing.processes.signals import Signals


class TestSignals:
    def test_each_signal_that_came_is_told_once_in_order(self):
        """
        And only those that are wanted.
        """
        with Signals(signal.SIGUSR1, signal.SIGUSR2) as signals:
            for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2):
                signal.raise_signal(number)

            assert select.select([signals], [], [], 5)[0]
            assert [signal.SIGUSR2, signal.SIGUSR1] == signals.read()
            assert [] == signals.read()

    def test_afterwards_everything_is_as_it_was(self):
        """
        Handlers and the wake-up descriptor.
        """
        before = signal.getsignal(signal.SIGUSR1)

        with Signals(signal.SIGUSR1):
            assert before is not signal.getsignal(signal.SIGUSR1)

        assert before is signal.getsignal(signal.SIGUSR1)
        assert -1 == signal.set_wakeup_fd(-1)
