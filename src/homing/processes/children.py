"""
The contract between the supervisor and the two processes it starts.

Environment of a child:

``HOMING_FDS``
    The inherited file descriptors by name: ``public=3,channel=5,status=6``.
    The receiver has ``public``, ``channel`` and ``status``; the worker has
    ``admin``, ``channel`` and ``status``.

``HOMING_SUPERVISOR``
    The process id of the supervisor, which is the direct parent: no shell and no
    wrapper that stays in between.

Descriptors:

``public``, ``admin``
    A listening stream socket. The supervisor keeps it open too, so that
    connections wait in the kernel while a child restarts. A server that calls
    listen() again, as asyncio's do, must be given the same
    `homing.processes.listeners.BACKLOG`, or it shortens the queue.

``channel``
    This side's end of one pair of datagram sockets between receiver and worker
    (`homing.processes.channel.Channel`). A child that restarts gets the same
    end; what was sent meanwhile still waits there, and is the child's to drain.

``status``
    A SOCK_SEQPACKET socket, one `Word` a message, child to supervisor. End of
    file means that the supervisor is gone.

A child ticks at least once a second while all its loops turn, and from its
first moment, so also during a long start: one that is silent is taken for hung.

Signals: SIGHUP asks for a reload, answered by RELOADED or RELOAD_FAILED, and
never comes before READY; SIGTERM asks to finish what is in flight and exit 0;
SIGKILL follows when the time for that is over.

Exit codes before the first READY: 78 (configuration), 75 (busy), 74 (I/O) and
65 (data) end the whole service with that code. Every other death, and any death
of a child that was READY once, is answered by a restart.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:  # the supervisor imports this module and must stay small
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Mapping, MutableMapping

FDS: Final = "HOMING_FDS"
SUPERVISOR: Final = "HOMING_SUPERVISOR"

WORD_BYTES: Final = 4096
"""No message on the status socket is longer; a longer text is cut."""

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_UNSENT: Final = 32


class Word(StrEnum):
    """What a child says; words with a text are written ``WORD=text``."""

    READY = "READY"
    TICK = "TICK"
    STATUS = "STATUS"
    RELOADED = "RELOADED"
    RELOAD_FAILED = "RELOAD_FAILED"
    STOPPING = "STOPPING"


def spell(word: Word, text: str = "") -> bytes:
    """Write a word as the bytes of one message."""
    line = f"{word}={text}" if text else word.value
    return line.encode(errors="replace")[:WORD_BYTES]


def spelled(message: bytes) -> tuple[Word, str] | None:
    """Read one message back: (word, text), or None when it is no word of ours."""
    word, _, text = message.decode(errors="replace").partition("=")
    try:
        return Word(word), text
    except ValueError:
        return None


class Parent:
    """
    The supervisor, as a child sees it.

    Without a supervisor (one process, tests) `supervised` is False, `take` finds
    nothing, and saying something does nothing.

    Nothing here blocks. A tick that finds the socket full is dropped; any other
    word is kept and goes first with the next one.
    """

    def __init__(
        self, fds: Mapping[str, int] | None = None, *, supervisor: int | None = None
    ) -> None:
        self._sockets = {name: socket.socket(fileno=fd) for name, fd in (fds or {}).items()}
        for inherited in self._sockets.values():
            inherited.settimeout(0)
            inherited.set_inheritable(False)
        self._status = self._sockets.pop("status", None)
        self._unsent: deque[bytes] = deque(maxlen=_UNSENT)
        self._supervisor = supervisor

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] | None = None) -> Self:
        """
        Take over what the supervisor handed down, once, as early as possible.

        From here on the child dies with the supervisor: the kernel sends it
        SIGKILL. It exits at once (70) when the supervisor is gone already.
        """
        variables = os.environ if environ is None else environ
        fds = variables.pop(FDS, "")
        supervisor = int(variables.pop(SUPERVISOR, "0")) or None
        if supervisor is not None:
            _die_with(supervisor)
        named = (one.partition("=") for one in fds.split(",") if one)
        return cls({name: int(fd) for name, _, fd in named}, supervisor=supervisor)

    @property
    def supervised(self) -> bool:
        """Whether a supervisor listens."""
        return self._status is not None

    def take(self, name: str) -> socket.socket | None:
        """Hand over an inherited socket, non-blocking; None when there is none (left)."""
        return self._sockets.pop(name, None)

    def watch(self, loop: AbstractEventLoop, on_lost: Callable[[], object] | None = None) -> None:
        """
        Call *on_lost* when the supervisor is gone; by default exit at once (70).

        The second net below `from_environment`: it also holds where the kernel
        cannot tell a child of its parent's death.
        """
        status = self._status
        if status is None:
            return

        def look() -> None:
            if _is_over(status):
                loop.remove_reader(status)
                (on_lost or _exit_orphaned)()

        loop.add_reader(status, look)

    def ready(self) -> None:
        """Say that everything works: sockets served, store open, recovery done."""
        self._say(spell(Word.READY))

    def tick(self) -> None:
        """Say that all loops turn. Call it at least once a second."""
        self._send_unsent()
        if not self._unsent:
            self._sent(spell(Word.TICK))

    def status(self, text: str) -> None:
        """Say in a few words how things are; ``systemctl status`` shows it."""
        self._say(spell(Word.STATUS, " ".join(text.split())))

    def reloaded(self) -> None:
        """Answer SIGHUP: the new configuration is in force."""
        self._say(spell(Word.RELOADED))

    def reload_failed(self, text: str) -> None:
        """Answer SIGHUP: the old configuration stays, and why."""
        self._say(spell(Word.RELOAD_FAILED, " ".join(text.split())))

    def ask_reload(self) -> bool:
        """
        Ask for a reload of both children, as ``systemctl reload`` does.

        The answer is a SIGHUP to each, this one too.

        Returns:
            False when there is no supervisor to ask.
        """
        if self._supervisor is None:
            return False
        os.kill(self._supervisor, signal.SIGHUP)
        return True

    def stopping(self) -> None:
        """Say that this child will exit soon; silence is no hang from here on."""
        self._say(spell(Word.STOPPING))

    def close(self) -> None:
        """Close what was not taken, and fall silent."""
        for inherited in (*self._sockets.values(), self._status):
            if inherited is not None:
                inherited.close()
        self._sockets.clear()
        self._status = None

    def _say(self, message: bytes) -> None:
        self._unsent.append(message)
        self._send_unsent()

    def _send_unsent(self) -> None:
        while self._unsent and self._sent(self._unsent[0]):
            self._unsent.popleft()

    def _sent(self, message: bytes) -> bool:
        if self._status is None:
            return True
        try:
            self._status.send(message)
        except BlockingIOError:
            return False
        except OSError:  # the supervisor is gone: `watch` ends this process
            return True
        return True


def _is_over(status: socket.socket) -> bool:
    try:
        return not status.recv(WORD_BYTES)  # no word for children exists yet
    except BlockingIOError:
        return False
    except OSError:
        return True


def _die_with(supervisor: int) -> None:
    if sys.platform == "linux":
        # only children need it, and the supervisor imports this module
        import ctypes  # noqa: PLC0415

        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    # the signal is not sent for a death before prctl
    if os.getppid() != supervisor:
        _exit_orphaned()


def _exit_orphaned() -> None:
    # no clean-up: the store is made for kill -9, and a successor waits for its lock
    os._exit(os.EX_SOFTWARE)
