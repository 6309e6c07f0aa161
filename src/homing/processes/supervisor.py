"""
The main process of the service: it holds the sockets, starts receiver and worker,
restarts either when it dies, passes on reload and stop, and answers to systemd.

It stays for months, so it is small: standard library only, no asyncio (which
weighs as much as all the rest), one thread, one `select`. `become_supervisor` is
for a caller that has loaded more than that.

What the children may rely on is written in `homing.processes.children`. The
configuration is theirs too: a reload passes through here unread, so a changed
address needs a restart.

Exit codes: 0 stopped; 69 an address is taken; 70 a child does not come up; 78 an
address or a socket of systemd's is no good; else what a child exited with, see
`homing.processes.restarts`.
"""

import os
import select
import signal
import socket
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
from homing.processes.spawn import NOT_STARTED, Child, ChildSpec, State

_LONGEST_PAUSE_S: Final = 1.0
_STALL_S: Final = 1.0
_TEXT_CHARS: Final = 200


def supervise(spec: ServiceSpec, environ: Mapping[str, str] | None = None) -> int:
    """
    Run the service until it is told to stop or cannot go on.

    Main thread only: it catches SIGTERM, SIGINT, SIGHUP and SIGCHLD.

    Returns:
        The exit code.
    """
    environ = os.environ if environ is None else environ
    _hold_standard_fds()
    systemd = read_systemd(environ, pid=os.getpid())
    journal = Journal.on(2, to_journal=is_journal(environ))
    addresses = {"public": spec.public, "admin": spec.admin}
    try:
        listeners = Listeners.open(addresses, systemd.listeners)
    except (BadListener, AddressUnavailable) as error:
        systemd.notify(status_line(str(error)))
        journal.error("service.failed", reason=str(error), exit_code=error.exit_code)
        return error.exit_code
    theirs = {name: value for name, value in environ.items() if name not in MAIN_PROCESS_ONLY}
    try:
        return Supervisor(spec, listeners, herald=Herald(systemd), journal=journal).run(theirs)
    finally:
        listeners.close()


def become_supervisor(spec: ServiceSpec) -> NoReturn:
    """
    Replace this process by the supervisor of *spec*: same process id, little memory.

    Sockets of systemd's and the environment pass on; open files do not, and no
    thread may be in the middle of anything.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: what lies in the working directory is not ours to import
    argv = [sys.executable, "-P", "-m", "homing.processes.supervisor", spec.to_json()]
    os.execv(sys.executable, argv)  # noqa: S606  # no shell, and the program is this Python


def _hold_standard_fds() -> None:
    # were one of them closed, a socket would get its number, and a child's stdin
    # or a stray print would land in it
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)  # noqa: FBT003  # positional-only
    os.close(fd)


@dataclass(slots=True)
class Reload:
    """A reload under way: until when, who has not answered, and what went wrong."""

    due_at: float
    waiting: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of the service: what to exit with, and since when it is coming."""

    exit_code: int
    began_at: float


class Supervisor:
    """
    The loop, and what it does about each child.

    A turn waits, listens, buries, and then does what is due; all times are
    monotonic seconds, read once a turn.
    """

    def __init__(
        self, spec: ServiceSpec, listeners: Listeners, *, herald: Herald, journal: Journal
    ) -> None:
        self._limits = spec.limits
        self._listeners = listeners
        self._herald = herald
        self._journal = journal
        self._environ: Mapping[str, str] = {}
        # in the order in which they stop: first no new work, then none
        self._children = (
            Child(ChildSpec("receiver", spec.receiver, "public")),
            Child(ChildSpec("worker", spec.worker, "admin")),
        )
        # held open here, so that a restart of one side is nothing to the other
        self._ends = dict(zip(("receiver", "worker"), channel_ends(), strict=True))
        self._turned_at = time.monotonic()
        self._up = False
        self._reload: Reload | None = None
        self._reload_again = False
        self._complaint = ""
        self._stop: Stop | None = None
        self._answers: dict[Word, Callable[[Child, str, float], None]] = {
            Word.READY: self._on_ready,
            Word.TICK: self._on_tick,
            Word.STATUS: self._on_status,
            Word.RELOADED: self._on_reloaded,
            Word.RELOAD_FAILED: self._on_reload_failed,
            Word.STOPPING: self._on_stopping,
        }

    def run(self, environ: Mapping[str, str]) -> int:
        """
        Run both children with *environ* until the end.

        Returns:
            The exit code.
        """
        self._environ = environ
        self._journal.info("service.started", **self._listeners.addresses())
        caught = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        with Signals(*caught) as signals:
            try:
                while (exit_code := self._exit_code()) is None:
                    self._turn(signals)
            finally:
                self._clear_away()
        self._journal.info("service.stopped", exit_code=exit_code)
        return exit_code

    def _turn(self, signals: Signals) -> None:
        wake_at = self._wake_at()
        self._wait(signals, wake_at)
        now = time.monotonic()
        if now - wake_at > _STALL_S:
            self._forgive_silence(now)
        self._turned_at = now
        for number in signals.read():
            self._obey(number, now)
        for child in self._children:
            self._hear(child, now)
            self._bury(child, now)
            self._tend(child, now)
        self._advance_reload(now)
        self._advance_stop(now)
        self._report(now)

    # -- waiting

    def _wait(self, signals: Signals, until: float) -> None:
        sources: list[Signals | socket.socket] = [signals]
        sources += [child.status for child in self._children if child.status is not None]
        select.select(sources, [], [], max(0.0, until - time.monotonic()))

    def _wake_at(self) -> float:
        # counted from the last turn, so that a stall in the midst of it shows too
        latest = self._turned_at + _LONGEST_PAUSE_S
        return max(self._turned_at, min((latest, *self._due_times(self._turned_at))))

    def _due_times(self, now: float) -> Iterator[float]:
        for child in self._children:
            match child.state:
                case State.WAITING:
                    yield child.due_at
                case State.READY if self._limits.hang_after_s > 0:
                    yield child.sign_at + self._limits.hang_after_s
                case State.STOPPING:
                    yield child.kill_at
                case _:
                    pass
        beat_at = self._herald.next_beat_at()
        if beat_at > now:  # an overdue beat waits for a sign of life, not for time
            yield beat_at

    def _forgive_silence(self, now: float) -> None:
        # we were stopped or suspended, and the children perhaps with us: their
        # silence meanwhile says nothing
        for child in self._children:
            child.sign_at = now

    # -- what comes from outside

    def _obey(self, number: signal.Signals, now: float) -> None:
        if number is signal.SIGHUP:
            self._reload_again = True
        elif number is signal.SIGINT and self._stop is not None:
            self._end_at_once(now)
        elif number in {signal.SIGTERM, signal.SIGINT} and self._stop is None:
            self._journal.info("service.stop_asked", signal=number.name)
            self._begin_stop(os.EX_OK, now)

    def _hear(self, child: Child, now: float) -> None:
        for word, text in child.words():
            child.sign_at = now
            self._answers[word](child, text[:_TEXT_CHARS], now)

    def _on_ready(self, child: Child, _text: str, now: float) -> None:
        if child.state is not State.STARTING:
            return
        child.state = State.READY
        child.was_ready = True
        self._journal.info("child.ready", child=child.name, pid=child.pid)
        if child.reload_owed:
            self._pass_on_reload(child)
        if not self._up and all(one.was_ready for one in self._children):
            self._up = True
            self._journal.info("service.ready")
            self._herald.ready(self._status(now), now)

    def _on_tick(self, _child: Child, _text: str, now: float) -> None:
        if self._stop is not None:
            self._herald.progress(now)

    def _on_status(self, child: Child, text: str, _now: float) -> None:
        child.text = text

    def _on_reloaded(self, child: Child, _text: str, _now: float) -> None:
        self._answer_reload(child, None)

    def _on_reload_failed(self, child: Child, text: str, _now: float) -> None:
        self._answer_reload(child, text)

    def _on_stopping(self, child: Child, _text: str, now: float) -> None:
        if child.state in {State.STARTING, State.READY}:
            child.state = State.STOPPING
            child.kill_at = now + self._limits.grace_s

    # -- life and death of a child

    def _tend(self, child: Child, now: float) -> None:
        match child.state:
            case State.WAITING if now >= child.due_at:
                self._start(child, now)
            case State.READY if self._is_hung(child, now):
                silent_s = round(now - child.sign_at, 1)
                self._journal.error("child.hung", child=child.name, silent_s=silent_s)
                self._kill(child, "hung")
            case State.STOPPING if now >= child.kill_at:
                self._journal.warning("child.overdue", child=child.name, pid=child.pid)
                self._kill(child, "did not stop in time")
            case _:
                pass

    def _is_hung(self, child: Child, now: float) -> bool:
        return 0 < self._limits.hang_after_s <= now - child.sign_at

    def _start(self, child: Child, now: float) -> None:
        name = child.spec.listener
        sockets = {name: self._listeners.sockets[name], "channel": self._ends[child.name]}
        child.sign_at = now
        try:
            child.start(sockets, self._environ)
        except OSError as error:
            reason = f"cannot start {child.spec.argv[0]}: {error.strerror}"
            self._after_death(child, NOT_STARTED, reason=reason, now=now)
            return
        child.state = State.STARTING
        self._journal.info("child.started", child=child.name, pid=child.pid)

    def _kill(self, child: Child, doom: str) -> None:
        child.doom = doom
        child.state = State.STOPPING
        child.kill_at = inf
        child.signal(signal.SIGKILL)

    def _bury(self, child: Child, now: float) -> None:
        exit_code = child.exit_code()
        if exit_code is None:
            return
        self._hear(child, now)  # what it said between the last look and its death
        child.bury()
        reason = child.doom or cause(exit_code)
        if self._stop is None:
            self._after_death(child, exit_code, reason=reason, now=now)
            return
        child.state = State.ENDED
        if exit_code not in {0, -signal.SIGTERM}:  # not yet READY, it has no handler
            self._journal.warning("child.died", child=child.name, reason=reason)

    def _after_death(self, child: Child, exit_code: int, *, reason: str, now: float) -> None:
        patience = self._limits.patience
        child.deaths = child.deaths.recorded(now, reason, patience.window_s)
        child.reload_owed = False  # its successor reads the new configuration anyway
        self._answer_reload(child, f"died ({reason})")
        match after_death(
            child.deaths,
            now=now,
            exit_code=exit_code,
            was_ready=child.was_ready,
            patience=patience,
        ):
            case RestartIn(delay_s):
                child.state = State.WAITING
                child.due_at = now + delay_s
                fields = {"child": child.name, "reason": reason, "restart_in_s": delay_s}
                self._journal.warning("child.died", **fields)
            case GiveUp(code):
                child.state = State.ENDED
                self._complaint = f"{child.name} does not start ({reason})"
                self._journal.error("service.failed", reason=self._complaint, exit_code=code)
                self._begin_stop(code, now)

    # -- reload

    def _advance_reload(self, now: float) -> None:
        if self._reload is not None:
            if self._reload.waiting and now < self._reload.due_at:
                return
            self._end_reload(self._reload, now)
        if self._reload_again and self._up and self._stop is None:
            self._begin_reload(now)

    def _begin_reload(self, now: float) -> None:
        self._journal.info("service.reload_asked")
        self._herald.reloading(now)
        self._reload_again = False
        self._reload = Reload(due_at=now + self._limits.reload_within_s)
        for child in self._children:
            if child.state in {State.STARTING, State.READY}:
                self._reload.waiting.add(child.name)
                # before READY the signal would kill it: it has no handler yet
                child.reload_owed = child.state is State.STARTING
            if child.state is State.READY:
                self._pass_on_reload(child)

    def _pass_on_reload(self, child: Child) -> None:
        child.reload_owed = False
        child.signal(signal.SIGHUP)

    def _answer_reload(self, child: Child, failure: str | None) -> None:
        if self._reload is None or child.name not in self._reload.waiting:
            return
        self._reload.waiting.remove(child.name)
        if failure is not None:
            self._reload.failures.append(f"{child.name}: {failure}")

    def _end_reload(self, reload: Reload, now: float) -> None:
        failures = [*reload.failures, *(f"{name}: no answer" for name in sorted(reload.waiting))]
        self._reload = None
        self._complaint = "reload failed: " + "; ".join(failures) if failures else ""
        if failures:
            self._journal.error("service.reload_failed", reason="; ".join(failures))
        else:
            self._journal.info("service.reloaded")
        self._herald.ready(self._status(now), now)

    # -- stop

    def _begin_stop(self, exit_code: int, now: float) -> None:
        if self._stop is not None:
            return
        self._stop = Stop(exit_code, began_at=now)
        self._reload = None
        self._listeners.close_own()
        self._herald.stopping(self._status(now), now)
        self._herald.progress(now)
        deadline = now + self._limits.grace_s
        for child in self._children:
            if child.state is State.WAITING:
                child.state = State.ENDED
            child.kill_at = min(child.kill_at, deadline)

    def _advance_stop(self, now: float) -> None:
        if self._stop is None:
            return
        receiver, worker = self._children
        self._tell_to_stop(receiver)
        # what the receiver still accepts may wake the worker, so it goes second;
        # but a receiver that does not end must not cost the worker its turn
        half_at = self._stop.began_at + self._limits.grace_s / 2
        if receiver.state is State.ENDED or now >= half_at:
            self._tell_to_stop(worker)

    def _tell_to_stop(self, child: Child) -> None:
        if child.state in {State.STARTING, State.READY}:
            child.state = State.STOPPING
            child.signal(signal.SIGTERM)

    def _end_at_once(self, now: float) -> None:
        for child in self._children:
            self._tell_to_stop(child)
            child.kill_at = now

    def _exit_code(self) -> int | None:
        if self._stop is None or any(one.state is not State.ENDED for one in self._children):
            return None
        return self._stop.exit_code

    def _clear_away(self) -> None:
        for child in self._children:
            child.kill()
        for end in self._ends.values():
            end.close()

    # -- what systemd sees

    def _report(self, now: float) -> None:
        self._herald.status(self._status(now), now)
        if self._stop is not None or all(self._is_alive(one, now) for one in self._children):
            self._herald.beat(now)

    def _is_alive(self, child: Child, now: float) -> bool:
        # while none runs it is our turn, and our loop turns
        waiting = child.state is State.WAITING
        return waiting or now - child.sign_at <= self._herald.beat_s

    def _status(self, now: float) -> str:
        parts = [self._complaint] if self._complaint else []
        return "; ".join([*parts, *(self._summary(child, now) for child in self._children)])

    def _summary(self, child: Child, now: float) -> str:
        shown = child.state.value
        if child.text and child.state is State.READY:
            shown = child.text
        elif child.text and child.state is State.STARTING:
            shown = f"{shown}, {child.text}"
        window_s = self._limits.patience.window_s
        count = child.deaths.within(now, window_s)
        if count < TROUBLE_DEATHS:
            return f"{child.name}: {shown}"
        return f"{child.name}: {shown}, died {count} times in {window_s:g} s ({child.deaths.last})"


def main(argv: list[str] | None = None) -> int:
    """Run the supervisor of the service that the only argument describes."""
    (spec,) = (sys.argv if argv is None else argv)[1:]
    return supervise(ServiceSpec.from_json(spec))


if __name__ == "__main__":
    sys.exit(main())
