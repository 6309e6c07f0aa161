"""One child process as the supervisor sees it: started, heard, told, buried."""

import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from homing.processes.children import FDS, SUPERVISOR, WORD_BYTES, Word, spelled
from homing.processes.restarts import Deaths

_WORDS_AT_ONCE: Final = 256
NOT_STARTED: Final = 127
"""Stands for the exit code of a process that could not be started, as in a shell."""


class State(Enum):
    """Where a child is in its life; after ENDED nothing follows."""

    WAITING = "restarting"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """
    What to start.

    Args:
        name: ``receiver`` or ``worker``; for logs and the status.

        argv: Program and arguments.

        listener: Name of the listening socket it gets: ``public`` or ``admin``.
    """

    name: str
    argv: tuple[str, ...]
    listener: str


class Child:
    """
    A child through all its processes.

    It decides nothing: `Supervisor` does, and changes `state`, `due_at` and the rest.
    """

    def __init__(self, spec: ChildSpec) -> None:
        self.name = spec.name
        self.spec = spec
        self.state = State.WAITING
        self.due_at = -inf  # WAITING: when to start
        self.kill_at = inf  # STOPPING: when patience ends
        self.sign_at = -inf  # when it last gave a sign of life
        self.was_ready = False
        self.deaths = Deaths()
        self.text = ""
        self.reload_owed = False
        self.doom = ""  # why we killed it, if we did
        self._process: subprocess.Popen[bytes] | None = None
        self._status: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """Process id, while there is a process."""
        return None if self._process is None else self._process.pid

    @property
    def status(self) -> socket.socket | None:
        """The supervisor's end of the status socket, while there is one."""
        return self._status

    def start(self, sockets: Mapping[str, socket.socket], environ: Mapping[str, str]) -> None:
        """
        Start a process that inherits *sockets* by name, and a new status socket.

        Raises:
            OSError: There is no such program, or no room for a process.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        fds = {name: one.fileno() for name, one in (*sockets.items(), ("status", theirs))}
        named = ",".join(f"{name}={fd}" for name, fd in fds.items())
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603  # argv is the caller's, no shell
                    self.spec.argv,
                    env={**environ, FDS: named, SUPERVISOR: str(os.getpid())},
                    pass_fds=tuple(fds.values()),
                    stdin=subprocess.DEVNULL,
                    # Ctrl-C in a terminal is for us: we stop the children, in order
                    process_group=0,
                )
            except OSError:
                ours.close()
                raise
        self._status = ours
        self.text = self.doom = ""

    def words(self) -> list[tuple[Word, str]]:
        """Read what it said since, in order; what is no word of ours is left out."""
        heard: list[tuple[Word, str] | None] = []
        while self._status is not None and len(heard) < _WORDS_AT_ONCE:
            try:
                message = self._status.recv(WORD_BYTES)
            except BlockingIOError:
                break
            except OSError:
                message = b""
            if message:
                heard.append(spelled(message))
            else:  # it closed the socket; an end of file left open would wake us for ever
                self.close_status()
        return [word for word in heard if word is not None]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when there is no process."""
        if self._process is not None:
            self._process.send_signal(number)

    def exit_code(self) -> int | None:
        """Say how the process ended, as `subprocess.Popen.poll` does; None while it runs."""
        return None if self._process is None else self._process.poll()

    def bury(self) -> None:
        """Forget the process that ended."""
        self._process = None
        self.close_status()

    def close_status(self) -> None:
        """Close our end of the status socket."""
        if self._status is not None:
            self._status.close()
            self._status = None

    def kill(self) -> None:
        """End the process now and wait for it; for when the supervisor itself fails."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.bury()
