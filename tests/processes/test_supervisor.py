"""Real supervisor, real children, real signals; events with time-outs, no sleeps."""

import http.client
import random  # noqa: TID251  # which child dies next, from a fixed seed
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from homing.processes.restarts import Patience
from homing.processes.service import Limits, ServiceSpec

PARENT = "parent = Parent.from_environment()\n"

SPEAKS_BEFORE_PARENT = """
note("before", os.environ[FDS], "NOTIFY_SOCKET" in os.environ, os.getppid())
parent = Parent.from_environment()
note("after", FDS in os.environ, parent.supervised)
serve()
"""

READY_WHEN_TOLD = f"""
{PARENT}
note("born", os.getpid())
while next_signal() != "SIGUSR1":
    parent.tick()
serve()
"""

FALLS_SILENT = f"""
{PARENT}
def silent():
    while next_signal() != "SIGUSR2":
        pass
serve(SIGUSR1=silent)
"""

DEAF_TO_TERM = f"{PARENT}serve(SIGTERM=int)"

HTTP = """
parent = Parent.from_environment()
public = parent.take("public")
public.settimeout(0.02)
note("ready", os.getpid())
parent.ready()
while next_signal() != "SIGTERM":
    parent.tick()
    while True:
        try:
            client, _ = public.accept()
        except TimeoutError:
            break
        with client:
            request = client.recv(65536)
            client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
        if signal.SIGTERM in signal.sigpending():
            break
note("stopped")
"""


class TestStart:
    def test_each_child_inherits_its_sockets_and_nothing_of_systemds(self, start):
        """
        The receiver has public, the worker admin, both channel and status.
        """
        service = start(SPEAKS_BEFORE_PARENT, SPEAKS_BEFORE_PARENT)

        service.await_child("receiver", "worker")

        said = sorted(line for line in service.ledger.all if " before " in line)
        names = [[pair.split("=")[0] for pair in line.split()[2].split(",")] for line in said]
        assert [["public", "channel", "status"], ["admin", "channel", "status"]] == names
        assert [["False", str(service.process.pid)]] * 2 == [line.split()[3:] for line in said]

    def test_a_child_takes_its_inheritance_out_of_the_environment(self, start):
        """
        What a child starts in turn does not believe it is ours.
        """
        service = start(SPEAKS_BEFORE_PARENT)

        assert "receiver after False True" == service.ledger.expect("receiver after")

    def test_ready_is_told_only_when_both_children_are(self, start):
        """
        One half of a service is no service.
        """
        service = start(worker=READY_WHEN_TOLD)
        service.log.expect("child.ready child=receiver")
        service.pids["worker"] = int(service.ledger.expect("worker born").split()[2])
        assert not [one for one in service.systemd.all if "READY=1" in one]

        service.signal(signal.SIGUSR1, "worker")

        assert "READY=1\nSTATUS=receiver: ready; worker: ready" == service.systemd.expect("READY")

    def test_a_long_start_tells_how_far_it_is(self, start):
        """
        Whoever waits for a migration sees that it moves.
        """
        migrates = f"{PARENT}parent.status('migration 3 of 5')\nwhile next_signal() is None: pass"

        service = start(worker=migrates)

        service.systemd.expect("STATUS=receiver: ready; worker: starting, migration 3 of 5")

    def test_an_address_that_is_taken_is_named(self, start):
        """
        Exit 69, so that systemd tries again, and the log says which address.
        """
        with socket.create_server(("127.0.0.1", 0)) as holder:
            address = f"127.0.0.1:{holder.getsockname()[1]}"

            service = start(public=address)

            assert 69 == service.exit_code()
        why = f"cannot listen on {address}: it is taken by another process"
        assert f"STATUS={why}" == service.systemd.expect("STATUS")
        assert f"service.failed exit_code=69 reason={why}" == service.log.expect("service.failed")

    def test_closed_standard_descriptors_do_no_harm(self, start):
        """
        No socket takes the place of standard input or error.
        """
        closing = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")

        service = start(prefix=closing).until_ready()

        service.signal(signal.SIGTERM)
        assert 0 == service.exit_code()

    def test_a_systemd_that_does_not_listen_does_no_harm(self, start, tmp_path):
        """
        The service is for its users, not for its manager.
        """
        service = start(environ={"NOTIFY_SOCKET": f"{tmp_path}/nobody", "WATCHDOG_USEC": "2000"})

        service.await_child("receiver", "worker")

        service.log.expect("service.ready")

    def test_it_stays_small(self, start):
        """
        It runs for months beside two processes that need the memory: no asyncio in it.
        """
        service = start().until_ready()

        status = Path(f"/proc/{service.process.pid}/status").read_text()

        (resident,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        assert int(resident) <= 16 * 1024

    def test_a_caller_becomes_the_supervisor(self, tmp_path):
        """
        The process id stays, so systemd's main process does.
        """
        spec = ServiceSpec(("x",), ("x",), public="nonsense", admin="127.0.0.1:0")
        path = tmp_path / "caller.py"
        path.write_text(
            "import os\n"
            "from homing.processes.service import ServiceSpec\n"
            "from homing.processes.supervisor import become_supervisor\n"
            f"print(os.getpid())\nbecome_supervisor(ServiceSpec.from_json({spec.to_json()!r}))\n"
        )

        with subprocess.Popen(
            (sys.executable, path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            out, err = process.communicate(timeout=10)

        assert (78, f"{process.pid}\n") == (process.returncode, out)
        assert "expected a listening address like" in err


class TestRestart:
    def test_whichever_child_dies_is_started_again(self, start):
        """
        Killed at random, each comes back, and the other never notices.
        """
        service = start().until_ready()
        chance = random.Random(20)  # noqa: S311  # no secret

        for _ in range(4):
            name, other = chance.sample(("receiver", "worker"), 2)
            before = dict(service.pids)
            service.signal(signal.SIGKILL, name)
            service.await_child(name)

            assert before[name] != service.pids[name]
            assert before[other] == service.pids[other]

    def test_a_child_that_keeps_dying_is_named_in_the_status_and_goes_on(self, start):
        """
        Three deaths within the window are worth a word to whoever looks.
        """
        service = start().until_ready()

        for _ in range(3):
            service.signal(signal.SIGKILL, "worker")
            service.await_child("worker")

        expected = "STATUS=receiver: ready; worker: ready, died 3 times in 60 s (SIGKILL)"
        assert expected == service.systemd.expect(expected)

    def test_what_the_other_side_sent_meanwhile_waits_in_the_channel(self, start):
        """
        A restarted child gets the same end; the survivor notices nothing.
        """
        sends = f"""
from homing.processes.channel import Channel
{PARENT}
channel = Channel(parent.take("channel"))
serve(SIGUSR1=lambda: note("sent", channel.send(b"news")))
"""
        reads = f"""
from homing.processes.channel import Channel
{PARENT}
channel = Channel(parent.take("channel"))
serve(SIGUSR1=lambda: note("drained", channel.drain()))
"""
        service = start(sends, reads).until_ready()
        for _ in range(2):
            service.signal(signal.SIGUSR1, "receiver")
            assert "receiver sent True" == service.ledger.expect("receiver sent")
        service.signal(signal.SIGKILL, "worker")
        service.await_child("worker")

        service.signal(signal.SIGUSR1, "worker")

        assert "worker drained 2" == service.ledger.expect("worker drained")

    def test_no_request_fails_while_the_receiver_restarts(self, start):
        """
        Four clients, five graceful restarts, zero errors: connections wait in the kernel.
        """
        service = start(HTTP)
        port = int(service.address("public").rpartition(":")[2])
        service.until_ready()
        results: list[str] = []
        served = threading.Semaphore(0)
        enough = threading.Event()

        def client() -> None:
            while not enough.is_set():
                results.append(_request(port))
                served.release()

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()

        for _ in range(5):
            assert all(served.acquire(timeout=10) for _ in range(20))
            service.signal(signal.SIGTERM, "receiver")
            service.await_child("receiver")
        enough.set()
        for thread in threads:
            thread.join()
        assert {"200 ok"} == set(results)


def _request(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/segment", b"{}")
        answer = connection.getresponse()
        return f"{answer.status} {answer.read().decode()}"
    except OSError as error:
        return repr(error)
    finally:
        connection.close()


class TestHang:
    LIMITS = Limits(hang_after_s=0.4)

    def test_a_child_that_stops_ticking_is_killed_and_restarted(self, start):
        """
        A loop that hangs is found although its process lives.
        """
        service = start(worker=FALLS_SILENT, limits=self.LIMITS).until_ready()
        before = service.pids["worker"]

        service.signal(signal.SIGUSR1, "worker")

        service.log.expect("child.hung child=worker")
        service.await_child("worker")
        assert before != service.pids["worker"]
        assert "child.died child=worker reason=hung restart_in_s=0.0" in service.log.all

    def test_a_stopped_process_counts_as_hung(self, start):
        """
        SIGSTOP leaves no process that could say anything.
        """
        service = start(limits=self.LIMITS).until_ready()

        service.signal(signal.SIGSTOP, "receiver")

        service.await_child("receiver")
        assert [] == [line for line in service.log.all if "child=worker reason" in line]

    def test_a_child_may_take_its_time_until_it_is_ready(self, start):
        """
        Recovery can be long; only systemd's start time-out bounds it.
        """
        never_ticks = (
            f"{PARENT}note('born', os.getpid())\nwhile next_signal() is None: pass\nserve()"
        )
        service = start(worker=never_ticks, limits=Limits(hang_after_s=0.1))
        service.pids["worker"] = int(service.ledger.expect("worker born").split()[2])
        assert service.log.none_for(0.4, "child.hung child=worker")

        service.signal(signal.SIGUSR1, "worker")

        service.until_ready() if "receiver" in service.pids else service.systemd.expect("READY=1")

    def test_a_pause_of_the_whole_machine_is_nobodys_fault(self, start):
        """
        A suspended supervisor does not hold the silence meanwhile against its children.
        """
        service = start(limits=self.LIMITS).until_ready()
        everybody = ("receiver", "worker", None)
        for name in everybody:
            service.signal(signal.SIGSTOP, name)
        service.systemd.none_for(1.8, "READY")

        for name in reversed(everybody):
            service.signal(signal.SIGCONT, name)

        assert service.log.none_for(0.5, "child.hung")

    def test_a_child_that_babbles_is_heard_no_further_than_its_words(self, start):
        """
        Noise, a huge text, a flood: the words among them count, the supervisor lives.
        """
        babbles = f"""
{PARENT}
def babble():
    pipe = parent._status
    pipe.setblocking(True)
    for noise in (b"\\xff" * 4000, b"READY=" * 9000, b"STATUS=" + b"\\xe2" * 90000, b"=", b"NO"):
        pipe.send(noise)
    for _ in range(5000):
        pipe.send(b"TICK")
    parent.status("calm\\nagain")
serve(SIGUSR1=babble)
"""
        service = start(worker=babbles).until_ready()

        service.signal(signal.SIGUSR1, "worker")

        service.systemd.expect("STATUS=receiver: ready; worker: calm again")


class TestWatchdog:
    ENVIRON: ClassVar = {"WATCHDOG_USEC": "500000"}

    def test_it_is_fed_while_both_children_tick(self, start):
        """
        Twice within systemd's period.
        """
        service = start(environ=self.ENVIRON).until_ready()

        for _ in range(3):
            service.systemd.expect("WATCHDOG=1", within_s=0.5)

    def test_it_starves_while_a_child_is_silent_and_is_fed_when_it_ticks_again(self, start):
        """
        The ping says that everything works, not that one process lives.
        """
        limits = Limits(hang_after_s=0)
        service = start(worker=FALLS_SILENT, limits=limits, environ=self.ENVIRON).until_ready()
        service.signal(signal.SIGUSR1, "worker")
        service.ledger.expect("worker SIGUSR1")
        service.systemd.none_for(0.5, "nothing")

        assert service.systemd.none_for(1.0, "WATCHDOG")

        service.signal(signal.SIGUSR2, "worker")
        service.systemd.expect("WATCHDOG=1")

    def test_it_is_for_another_process_when_its_id_says_so(self, start):
        """
        A wrapper's watchdog is not ours to feed.
        """
        service = start(environ={**self.ENVIRON, "WATCHDOG_PID": "1"}).until_ready()

        assert service.systemd.none_for(0.6, "WATCHDOG")


class TestReload:
    def test_it_is_passed_on_and_told_when_both_have_answered(self, start):
        """
        RELOADING with its time in one datagram, then READY.
        """
        service = start().until_ready()

        service.signal(signal.SIGHUP)

        first, second = service.systemd.expect("RELOADING=1").split("\n")
        assert ("RELOADING=1", "MONOTONIC_USEC", True) == (
            first,
            second.split("=")[0],
            int(second.split("=")[1]) > 0,
        )
        service.systemd.expect("READY=1")
        service.log.expect("service.reloaded")

    def test_a_child_may_ask_for_it(self, start):
        """
        `homing reload` speaks to the worker, and means both.
        """
        asks = f"{PARENT}serve(SIGUSR1=parent.ask_reload)"
        service = start(worker=asks).until_ready()

        service.signal(signal.SIGUSR1, "worker")

        service.systemd.expect("RELOADING=1")
        service.systemd.expect("READY=1")

    def test_a_refused_configuration_is_told_until_a_good_one_comes(self, start):
        """
        The old one stays in force, and the status says why.
        """
        picky = f"""
{PARENT}
answers = iter(["no [store]", ""])
def answer():
    why = next(answers)
    parent.reload_failed(why) if why else parent.reloaded()
serve(SIGHUP=answer)
"""
        service = start(worker=picky).until_ready()
        service.signal(signal.SIGHUP)

        expected = (
            "READY=1\nSTATUS=reload failed: worker: no [store]; receiver: ready; worker: ready"
        )
        assert expected == service.systemd.expect("READY=1")
        assert "service.reload_failed reason=worker: no [store]" == service.log.expect(
            "service.reload_failed"
        )

        service.signal(signal.SIGHUP)

        assert "READY=1\nSTATUS=receiver: ready; worker: ready" == service.systemd.expect("READY=1")

    def test_no_answer_is_a_failure(self, start):
        """
        systemd is not left waiting for a child that forgot.
        """
        service = start(worker=f"{PARENT}serve(SIGHUP=int)", limits=Limits(reload_within_s=0.2))
        service.until_ready()

        service.signal(signal.SIGHUP)

        assert "reload failed: worker: no answer" in service.systemd.expect("READY=1")

    def test_a_child_that_dies_of_it_is_a_failure(self, start):
        """
        Its successor reads the new file; that it died is told.
        """
        service = start(worker=f"{PARENT}serve(SIGHUP=lambda: os._exit(3))").until_ready()

        service.signal(signal.SIGHUP)

        assert "reload failed: worker: died (exit 3)" in service.systemd.expect("READY=1")
        service.await_child("worker")

    def test_before_ready_it_waits_for_the_child(self, start):
        """
        A process without a handler would die of SIGHUP.
        """
        service = start(worker=READY_WHEN_TOLD)
        service.pids["worker"] = int(service.ledger.expect("worker born").split()[2])
        service.log.expect("child.ready child=receiver")
        service.signal(signal.SIGHUP)

        service.signal(signal.SIGUSR1, "worker")

        service.systemd.expect("READY=1")
        service.systemd.expect("RELOADING=1")
        service.systemd.expect("READY=1")
        assert not [line for line in service.log.all if line.startswith("child.died")]

    def test_a_storm_of_signals_is_two_reloads_at_most_at_a_time(self, start):
        """
        They are coalesced; none is queued, none is lost.
        """
        service = start().until_ready()

        for _ in range(2000):
            service.signal(signal.SIGHUP)

        service.systemd.expect("READY=1")
        service.signal(signal.SIGTERM)
        assert 0 == service.exit_code()

    def test_one_that_comes_during_another_follows_it(self, start):
        """
        The last state of the file always wins.
        """
        slow = f"""
{PARENT}
def answer():
    note("asked")
    while next_signal() != "SIGUSR1":
        parent.tick()
    parent.reloaded()
serve(SIGHUP=answer)
"""
        service = start(worker=slow).until_ready()
        service.signal(signal.SIGHUP)
        service.ledger.expect("worker asked")
        service.signal(signal.SIGHUP)
        service.signal(signal.SIGHUP)

        service.signal(signal.SIGUSR1, "worker")
        service.systemd.expect("READY=1")
        service.ledger.expect("worker asked")
        service.signal(signal.SIGUSR1, "worker")
        service.systemd.expect("READY=1")

        assert service.systemd.none_for(0.2, "RELOADING")


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_the_receiver_ends_before_the_worker_is_told(self, start, number):
        """
        No new work first, then no work: exit 0.
        """
        finishes = f"""
{PARENT}
def finish():
    note("told")
    while next_signal() != "SIGUSR1":
        parent.tick()
    note("finished")
    sys.exit(0)
serve(SIGTERM=finish)
"""
        service = start(finishes).until_ready()
        service.signal(number)
        service.ledger.expect("receiver told")
        service.systemd.expect("STOPPING=1")
        service.systemd.expect("EXTEND_TIMEOUT_USEC=")
        assert "worker stopped" not in service.ledger.all

        service.signal(signal.SIGUSR1, "receiver")

        assert 0 == service.exit_code()
        said = [line for line in service.ledger.all if line.split()[1] in {"finished", "stopped"}]
        assert ["receiver finished", "worker stopped"] == said

    def test_whoever_does_not_end_in_time_is_killed(self, start, gone):
        """
        The whole takes no longer than the grace; the exit code is 0 all the same.
        """
        limits = Limits(grace_s=0.6)
        service = start(DEAF_TO_TERM, DEAF_TO_TERM, limits=limits).until_ready()

        service.signal(signal.SIGTERM)

        assert 0 == service.exit_code()
        assert all(gone(pid) for pid in service.pids.values())
        overdue = [line.split()[1] for line in service.log.all if line.startswith("child.overdue")]
        assert ["child=receiver", "child=worker"] == overdue

    def test_a_second_interrupt_ends_at_once(self, start):
        """
        Ctrl-C twice is somebody in a hurry.
        """
        service = start(DEAF_TO_TERM).until_ready()
        service.signal(signal.SIGINT)
        service.ledger.expect("receiver SIGTERM")

        service.signal(signal.SIGINT)

        assert 0 == service.exit_code()

    def test_a_stop_before_ready_is_obeyed(self, start):
        """
        A child that is still starting is not waited for.
        """
        service = start(worker=f"{PARENT}note('born')\nwhile next_signal() != 'SIGTERM': pass")
        service.ledger.expect("worker born")

        service.signal(signal.SIGTERM)

        assert 0 == service.exit_code()

    def test_our_own_address_is_refused_while_the_rest_drains(self, start):
        """
        Without systemd nobody will answer those who queue, so they learn it at once.
        """
        drains = f"""
{PARENT}
def close():
    parent.take("public").close()
    note("closed")
serve(SIGTERM=close)
"""
        service = start(drains, limits=Limits(grace_s=5))
        port = int(service.address("public").rpartition(":")[2])
        service.until_ready()
        service.signal(signal.SIGTERM)
        service.ledger.expect("receiver closed")

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()

    def test_nothing_survives_a_killed_supervisor(self, start, gone):
        """
        An orphan would hold the store against its successor.
        """
        service = start(DEAF_TO_TERM, DEAF_TO_TERM).until_ready()

        service.signal(signal.SIGKILL)

        assert all(gone(pid) for pid in service.pids.values())

    def test_nor_does_a_child_that_was_still_loading(self, start, gone, tmp_path):
        """
        Death before the child could ask the kernel for its signal is seen in its parent's id.
        """
        loading = f"""
note("born", os.getpid())
while next_signal() != "SIGUSR1": pass
{PARENT}
note("lives")
serve()
"""
        service = start(worker=loading)
        pid = service.pids["worker"] = int(service.ledger.expect("worker born").split()[2])
        service.signal(signal.SIGKILL)
        service.exit_code()

        service.signal(signal.SIGUSR1, "worker")

        assert gone(pid)
        assert "worker lives" not in service.ledger.all


class TestExitCode:
    @pytest.mark.parametrize("code", [65, 74, 75, 78])
    def test_a_hopeless_first_start_ends_the_service_with_its_code(self, start, code, gone):
        """
        Configuration, lock, disk and data errors do not go away by trying again.
        """
        service = start(worker=f"note('born')\nsys.exit({code})")

        assert code == service.exit_code()
        assert 1 == service.ledger.all.count("worker born")

    def test_after_the_first_ready_no_code_ends_the_service(self, start):
        """
        A half-edited file must not turn one crash into an outage of both.
        """
        flag = "os.environ['LEDGER'] + '.once'"
        body = f"""
{PARENT}
if os.path.exists({flag}):
    note("again")
    os.unlink({flag})
    sys.exit(78)
serve(SIGUSR1=lambda: (open({flag}, "w").close(), os._exit(78)))
"""
        service = start(worker=body).until_ready()

        service.signal(signal.SIGUSR1, "worker")

        service.ledger.expect("worker again")
        service.await_child("worker")

    def test_a_child_that_never_comes_up_ends_the_service(self, start):
        """
        More than so many deaths within the window, and none of its lives was ready: 70.
        """
        limits = Limits(patience=Patience(deaths=2))
        service = start(worker="note('born')\nsys.exit(3)", limits=limits)

        assert 70 == service.exit_code()
        assert 3 == service.ledger.all.count("worker born")
        why = "service.failed exit_code=70 reason=worker does not start (exit 3)"
        assert why == service.log.expect("service.failed")

    def test_a_program_that_is_not_there_ends_the_service(self, tmp_path):
        """
        The log says what could not be started.
        """
        limits = Limits(patience=Patience(deaths=0))
        spec = ServiceSpec(
            ("/nowhere/python",), ("/nowhere/python",), "127.0.0.1:0", "127.0.0.1:0", limits
        )

        done = subprocess.run(
            (sys.executable, "-P", "-m", "homing.processes.supervisor", spec.to_json()),
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )

        assert 70 == done.returncode
        assert "cannot start /nowhere/python: No such file or directory" in done.stderr


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None,
    reason="systemd-socket-activate is not installed",
)
class TestSocketActivation:
    def test_the_sockets_of_systemd_are_taken_by_name(self, start, tmp_path):
        """
        The first caller is the one who starts the service, and gets an answer.
        """
        addresses = {name: f"{tmp_path}/{name}.sock" for name in ("public", "admin")}
        opened = [part for path in addresses.values() for part in ("-l", path)]
        passed = [part for name in ("LEDGER", "NOTIFY_SOCKET") for part in ("-E", name)]
        prefix = ("systemd-socket-activate", *opened, "--fdname=public:admin", *passed)
        service = start(HTTP, public="127.0.0.1:1", prefix=prefix)
        service.log.expect(f"Listening on {addresses['admin']}")

        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(addresses["public"])
            client.sendall(b"POST / HTTP/1.0\r\n\r\n")

            assert client.recv(100).startswith(b"HTTP/1.0 200 OK")

        pairs = " ".join(f"{name}=unix:{addresses[name]}" for name in ("admin", "public"))
        assert f"service.started {pairs}" == service.log.expect("service.started")
        service.until_ready()

    def test_a_socket_without_our_name_is_refused(self, start, tmp_path):
        """
        A unit that forgot FileDescriptorName= is told so, with exit code 78.
        """
        path = f"{tmp_path}/public.sock"
        prefix = ("systemd-socket-activate", "-l", path, "--fdname=homing.socket")
        service = start(prefix=prefix)
        service.log.expect("Listening on")

        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)

            assert 78 == service.exit_code()

        assert "got 'homing.socket': set FileDescriptorName=" in service.log.expect(
            "service.failed"
        )
