"""A supervisor as a real process, with small real children, a fake systemd and a ledger."""

import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from homing.processes.service import Limits, ServiceSpec

WITHIN_S = 10.0

# What every child of these tests starts with. Signals are waited for, not caught, so
# that a child does one thing at a time; each pause of 20 ms is a tick.
PRELUDE = """
import os, signal, socket, sys
from homing.processes.children import FDS, Parent

SIGNALS = {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
name = sys.argv[1]
ledger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ledger.connect(os.environ["LEDGER"])

def note(*what):
    ledger.send(" ".join(map(str, (name, *what))).encode())

def next_signal():
    got = signal.sigtimedwait(SIGNALS, 0.02)
    return None if got is None else signal.Signals(got.si_signo).name

def serve(**answers):
    note("ready", os.getpid())
    parent.ready()
    while True:
        match next_signal():
            case None:
                parent.tick()
            case "SIGTERM" if "SIGTERM" not in answers:
                note("stopped")
                sys.exit(0)
            case "SIGHUP" if "SIGHUP" not in answers:
                parent.reloaded()
            case other:
                note(other)
                answers.get(other, int)()
"""

PLAIN = "parent = Parent.from_environment()\nserve()"


class Inbox:
    """Messages as they come, each taken once, in order, with a time limit."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._queue: queue.Queue[str] = queue.Queue()

    def put(self, message: str) -> None:
        """Take in a message."""
        self.all.append(message)
        self._queue.put(message)

    def expect(self, start: str, within_s: float = WITHIN_S) -> str:
        """Return the next message that starts so, skipping others."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                message = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no {start!r} within {within_s} s; there were {self.all[-20:]}")
            if message.startswith(start):
                return message

    def none_for(self, seconds: float, start: str) -> bool:
        """Say whether no message that starts so comes within *seconds*."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                if self._queue.get(timeout=left).startswith(start):
                    return False
            except queue.Empty:
                return True
        return True

    def clear(self) -> None:
        """Forget what has come so far."""
        while not self._queue.empty():
            self._queue.get()


class Mailbox(Inbox):
    """An inbox fed by a datagram socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(os.fspath(path))
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        """End the reading thread."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", os.fspath(self.path))
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        while message := self._socket.recv(8192):
            self.put(message.decode())


class Log(Inbox):
    """An inbox fed by the log lines of a process: ``event key=value …``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__()
        self._process = process
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        """Wait for the end of the log."""
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.put(_plain(line))


def _plain(line: str) -> str:
    try:
        fields = json.loads(line)
    except ValueError:
        return line.rstrip()
    shown = {key: fields[key] for key in fields.keys() - {"timestamp", "level", "event"}}
    return " ".join([fields["event"], *(f"{key}={shown[key]}" for key in sorted(shown))])


@dataclass
class Service:
    """A running supervisor, and what is seen of it from outside."""

    process: subprocess.Popen[str]
    systemd: Mailbox
    ledger: Mailbox
    log: Log
    pids: dict[str, int] = field(default_factory=dict)

    def until_ready(self) -> "Service":
        """Wait until both children and the service are ready."""
        self.await_child("receiver", "worker")
        self.systemd.expect("READY=1")
        return self

    def await_child(self, *names: str) -> None:
        """Wait until each child of *names* says it is ready; learn its process id."""
        missing = set(names)
        while missing:
            name, what, *rest = self.ledger.expect("").split()
            if what == "ready":
                self.pids[name] = int(rest[0])
                missing.discard(name)

    def signal(self, number: signal.Signals, name: str | None = None) -> None:
        """Send a signal to a child, or without a name to the supervisor."""
        os.kill(self.process.pid if name is None else self.pids[name], number)

    def exit_code(self) -> int:
        """Wait for the supervisor's end."""
        return self.process.wait(timeout=WITHIN_S)

    def address(self, name: str) -> str:
        """Tell where a listening socket of the service is."""
        started = self.log.expect("service.started")
        return dict(pair.split("=", 1) for pair in started.split()[1:])[name]

    def family(self) -> list[int]:
        """List the process ids of the children that run now."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(pid) for pid in Path(path).read_text().split()]


Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a supervisor whose children run the given bodies after the prelude."""
    with ExitStack() as stack:

        def begin(
            receiver: str = PLAIN,
            worker: str = PLAIN,
            *,
            limits: Limits | None = None,
            environ: dict[str, str] | None = None,
            public: str = "127.0.0.1:0",
            prefix: tuple[str, ...] = (),
        ) -> Service:
            spec = ServiceSpec(
                receiver=_script(tmp_path, "receiver", receiver),
                worker=_script(tmp_path, "worker", worker),
                public=public,
                admin="127.0.0.1:0",
                limits=limits or Limits(),
            )
            systemd, ledger = (Mailbox(tmp_path / name) for name in ("notify", "ledger"))
            stack.callback(systemd.close)
            stack.callback(ledger.close)
            variables = {
                **os.environ,
                "NOTIFY_SOCKET": os.fspath(systemd.path),
                "LEDGER": os.fspath(ledger.path),
                **(environ or {}),
            }
            command = (sys.executable, "-P", "-m", "homing.processes.supervisor", spec.to_json())
            process = subprocess.Popen(
                (*prefix, *command), env=variables, stderr=subprocess.PIPE, text=True
            )
            stack.push(process)
            log = Log(process)
            stack.callback(log.close)
            stack.callback(_end, process)
            return Service(process, systemd, ledger, log)

        yield begin


def _script(folder: Path, name: str, body: str) -> tuple[str, ...]:
    path = folder / f"{name}.py"
    path.write_text(f"{PRELUDE}\n{body}\n")
    return (sys.executable, "-P", os.fspath(path), name)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()


def gone(pid: int, within_s: float = WITHIN_S) -> bool:
    """Say whether the process *pid* ends within the time; it need not be our child."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], within_s)[0])
    finally:
        os.close(fd)


@pytest.fixture(name="gone")
def _gone() -> Callable[[int], bool]:
    """Wait for the end of a process that need not be our child."""
    return gone
