"""
The main process of the service: it holds the sockets, starts receiver and worker,
restarts either when it dies, passes on reload and stop, and answers to systemd.

It stays for months, so it is small: standard library only, no asyncio (which
weighs as much as all the rest), one thread, one `select`. `become_supervisor` is
for a caller that has loaded more than that.

What the children may rely on is written in `homing.processes.children`.

Exit codes: 0 stopped; 69 an address is taken; 70 a child does not come up; 78 an
address or a socket of systemd's is no good; else what a child exited with, see
`homing.processes.restarts`.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, NoReturn

from homing.adapters.systemd import MAIN_PROCESS_ONLY, is_journal, read_systemd, status_line
from homing.processes.channel import channel_ends
from homing.processes.children import Word
from homing.processes.herald import Herald
from homing.processes.journal import Journal
from homing.processes.listeners import AddressUnavailable, BadListener, Listeners
from homing.processes.restarts import TROUBLE_DEATHS, GiveUp, RestartIn, after_death, cause
from homing.processes.service import ServiceSpec
from homing.processes.signals import Signals
from homing.processes.spawn import NOT_STARTED, Child, State

_LONGEST_PAUSE_S: Final = 1.0
_STALL_S: Final = 1.0
_TEXT_CHARS: Final = 200


@dataclass(slots=True)
class Reload:
    """A reload under way: who has not answered, until when, and what went wrong."""

    due_at: float
    waiting: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of the service: what to exit with, and since when it is coming."""

    exit_code: int
    began_at: float


def supervise(spec: ServiceSpec, environ: Mapping[str, str] = os.environ) -> int:
    """
    Run the service until it is told to stop or cannot go on.

    Main thread only: it takes SIGTERM, SIGINT, SIGHUP and SIGCHLD.

    Returns:
        The exit code.
    """
    systemd = read_systemd(environ, pid=os.getpid())
    journal = Journal.on(2, to_journal=is_journal(environ))
    try:
        listeners = Listeners.open(
            {"public": spec.public, "admin": spec.admin}, systemd.listeners
        )
    except (BadListener, AddressUnavailable) as error:
        systemd.notify(status_line(str(error)))
        journal.error("service.failed", reason=str(error), exit_code=error.exit_code)
        return error.exit_code
    theirs = {name: value for name, value in environ.items() if name not in MAIN_PROCESS_ONLY}
    return Supervisor(spec, listeners=listeners, herald=Herald(systemd), journal=journal).run(theirs)
