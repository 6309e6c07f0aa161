import os
import shutil
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.adapters.systemd import (
    Systemd,
    extend_timeout,
    is_journal,
    read_systemd,
    reloading,
    status_line,
)

PID = 4711


class TestReadSystemd:
    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            ({}, Systemd()),
            ({"NOTIFY_SOCKET": "/run/systemd/notify"}, Systemd("/run/systemd/notify")),
            ({"NOTIFY_SOCKET": "@/org/x"}, Systemd("@/org/x")),
            ({"NOTIFY_SOCKET": ""}, Systemd()),
            ({"NOTIFY_SOCKET": "@"}, Systemd()),
            ({"NOTIFY_SOCKET": "vsock:2:1234"}, Systemd()),
            ({"NOTIFY_SOCKET": "relative"}, Systemd()),
            ({"WATCHDOG_USEC": "30000000"}, Systemd(watchdog_s=30.0)),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "4711"}, Systemd(watchdog_s=30.0)),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, Systemd()),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "x"}, Systemd()),
            ({"WATCHDOG_USEC": "0"}, Systemd()),
            ({"WATCHDOG_USEC": "-5"}, Systemd()),
            ({"WATCHDOG_USEC": "1_000"}, Systemd()),
            ({"WATCHDOG_USEC": "٣"}, Systemd()),
            ({"WATCHDOG_USEC": "9" * 5000}, Systemd()),
        ],
    )
    def test_notify_and_watchdog(self, environ, expected):
        """
        As sd_notify(3) and sd_watchdog_enabled(3) read them; malformed is absent.
        """
        assert expected == read_systemd(environ, pid=PID)

    @pytest.mark.parametrize(
        ("fds", "names", "expected"),
        [
            ("2", "public:admin", (("public", 3), ("admin", 4))),
            ("1", "public", (("public", 3),)),
            ("1", None, (("unknown", 3),)),
            ("2", "public", (("unknown", 3), ("unknown", 4))),
            ("2", "public:", (("public", 3), ("unknown", 4))),
            ("0", "", ()),
            ("x", "public", ()),
            ("-1", "public", ()),
        ],
    )
    def test_sockets_by_name(self, fds, names, expected):
        """
        They start at 3, as sd_listen_fds_with_names(3) says.
        """
        environ = {"LISTEN_PID": str(PID), "LISTEN_FDS": fds}
        if names is not None:
            environ["LISTEN_FDNAMES"] = names

        assert expected == read_systemd(environ, pid=PID).listeners

    def test_sockets_for_another_process_are_not_ours(self):
        """
        The variables may be inherited by mistake.
        """
        environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "public"}

        assert () == read_systemd(environ, pid=PID).listeners

    @given(
        st.dictionaries(
            st.sampled_from(["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDNAMES"]),
            st.text(max_size=12),
        )
    )
    def test_no_environment_is_an_error(self, environ):
        """
        A service does not fail for what its manager said badly.
        """
        assert () == read_systemd(environ, pid=PID).listeners


class TestNotify:
    @pytest.mark.parametrize("abstract", [False, True])
    def test_the_assignments_arrive_in_one_datagram(self, tmp_path, abstract):
        """
        At a path or at an abstract address.
        """
        address = f"@homing-test-{os.getpid()}" if abstract else f"{tmp_path}/notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind("\0" + address[1:] if abstract else address)
            listener.settimeout(5)

            assert Systemd(address).notify("READY=1", status_line("up\nand  running"))

            assert b"READY=1\nSTATUS=up and running" == listener.recv(4096)

    @pytest.mark.parametrize("address", [None, "/nowhere/notify", "@nobody", "/" + "x" * 200])
    def test_nobody_there_is_no_error(self, address):
        """
        It says that nothing left.
        """
        assert not Systemd(address).notify("READY=1")

    def test_a_systemd_that_does_not_read_is_not_waited_for(self, tmp_path):
        """
        At most a second a datagram.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(f"{tmp_path}/notify")
            systemd = Systemd(f"{tmp_path}/notify")
            big = status_line("x" * 60_000)

            assert not all(systemd.notify(big) for _ in range(1000))

    @pytest.mark.skipif(shutil.which("systemd-notify") is None, reason="no systemd-notify here")
    def test_the_real_tool_says_the_same(self, tmp_path):
        """
        Second opinion: systemd-notify sends these very bytes.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(f"{tmp_path}/notify")
            listener.settimeout(5)
            environ = {**os.environ, "NOTIFY_SOCKET": f"{tmp_path}/notify"}
            command = ("systemd-notify", "--no-block", "READY=1", "STATUS=up")
            subprocess.run(command, env=environ, check=True, timeout=10)
            theirs = listener.recv(4096)

            Systemd(f"{tmp_path}/notify").notify("READY=1", "STATUS=up")

            assert theirs == listener.recv(4096)


class TestIsJournal:
    def test_the_descriptor_must_be_the_one_that_systemd_named(self, tmp_path):
        """
        Redirected output is not the journal, whatever the variable says.
        """
        with (tmp_path / "journal").open("w") as journal, (tmp_path / "file").open("w") as file:
            status = os.fstat(journal.fileno())
            environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}

            assert is_journal(environ, journal.fileno())
            assert not is_journal(environ, file.fileno())

    @pytest.mark.parametrize("value", ["", ":", "1", "a:b", "1:2:3", "1:2"])
    def test_a_malformed_variable_is_no_journal(self, value):
        """
        Nor is an absent one.
        """
        assert not is_journal({"JOURNAL_STREAM": value})
        assert not is_journal({}, 999)


class TestMessages:
    def test_times_are_microseconds(self):
        """
        As sd_notify(3) wants them.
        """
        assert ("RELOADING=1", "MONOTONIC_USEC=1500000") == reloading(1.5)
        assert "EXTEND_TIMEOUT_USEC=10000000" == extend_timeout(10)


class TestImport:
    def test_it_brings_nothing_heavy(self):
        """
        The supervisor imports it, and must stay small.
        """
        script = (
            "import sys, homing.processes.supervisor;"
            "print({'asyncio', 'ssl', 'ctypes', 'aiohttp', 'pydantic', 'structlog', 'logging'}"
            " & sys.modules.keys())"
        )

        done = subprocess.run((sys.executable, "-c", script), capture_output=True, check=True)

        assert b"set()" == done.stdout.strip()
