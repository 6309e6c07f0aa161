import contextlib
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.processes.listeners import (
    AddressUnavailable,
    BadListener,
    Listeners,
    adopt,
    listen,
    written,
)

WANTED = {"public": "127.0.0.1:0", "admin": "127.0.0.1:0"}


def connect(one: socket.socket) -> None:
    with socket.socket(one.family, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(one.getsockname())


class TestListen:
    @pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "localhost:0", "0.0.0.0:0"])
    def test_a_client_can_connect(self, address):
        """
        IPv4, IPv6, a name.
        """
        with listen(address) as one:
            connect(one)

            assert (0.0, False) == (one.gettimeout(), one.get_inheritable())

    def test_a_name_means_its_ipv4_address(self):
        """
        So that who connects to 127.0.0.1 finds what listens on localhost.
        """
        with listen("localhost:0") as one:
            assert written(one).startswith("127.0.0.1:")

    def test_a_unix_path_is_taken_over_from_the_dead_only(self, tmp_path):
        """
        A socket file that nobody answers is removed; one that is served is taken.
        """
        path = f"{tmp_path}/public.sock"
        listen(f"unix:{path}").close()

        with listen(path) as one:
            connect(one)
            assert f"unix:{path}" == written(one)
            with pytest.raises(AddressUnavailable, match="taken by another process"):
                listen(path)
            connect(one)

    def test_a_file_that_is_no_socket_is_left_alone(self, tmp_path):
        """
        A wrong path in the configuration deletes nothing.
        """
        path = tmp_path / "homing.db"
        path.write_text("data")

        with pytest.raises(AddressUnavailable, match=r"homing\.db: it is taken"):
            listen(os.fspath(path))

        assert "data" == path.read_text()

    def test_a_taken_port_is_named(self):
        """
        69, so that systemd tries again.
        """
        with listen("127.0.0.1:0") as holder, pytest.raises(AddressUnavailable) as caught:
            listen(written(holder))

        assert 69 == caught.value.exit_code
        assert str(caught.value).endswith(": it is taken by another process")

    @pytest.mark.parametrize("address", ["192.0.2.1:80", "no..host:80", "/nowhere/x"])
    def test_an_address_not_of_this_machine_is_named(self, address):
        """
        Perhaps the interface comes up later: unavailable, not misconfigured.
        """
        with pytest.raises(AddressUnavailable, match=f"cannot listen on {address}"):
            listen(address)

    @pytest.mark.parametrize(
        "address",
        [
            "",
            ":",
            "8400",
            ":8400",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:http",
            "127.0.0.1:65536",
            "::1:8400",
            "[]:1",
            "127.0.0.1:-1",
            "127.0.0.1:٣",
            "127.0.0.1:1_0",
            "unix:",
            "/" + "x" * 107,
        ],
    )
    def test_what_is_no_address_is_refused(self, address):
        """
        78: only an editor can help.
        """
        with pytest.raises(BadListener, match="expected"):
            listen(address)

    @given(st.text(max_size=30).filter(lambda text: not text.startswith(("/", "unix:"))))
    def test_no_text_without_a_port_is_taken(self, host):
        """
        Refused by us, not by a name server.
        """
        with pytest.raises(BadListener):
            listen(f"{host}:http")


class TestAdopt:
    def test_a_listening_socket_is_taken_over(self):
        """
        Under the number that systemd passed.
        """
        passed = socket.create_server(("127.0.0.1", 0))
        os.set_inheritable(passed.fileno(), True)

        with adopt(passed.detach()) as one:
            connect(one)
            assert (0.0, False) == (one.gettimeout(), one.get_inheritable())

    def test_anything_else_is_refused(self, tmp_path):
        """
        A datagram socket, a connection, a file, a number without a file.
        """
        pair = socket.socketpair()
        wrong = [socket.socket(type=socket.SOCK_DGRAM).detach(), *(one.detach() for one in pair)]
        for fd in wrong:
            with pytest.raises(BadListener, match="listening stream socket"):
                adopt(fd)
        with (tmp_path / "file").open("w") as file, pytest.raises(BadListener, match="a socket"):
            adopt(file.fileno())
        with pytest.raises(BadListener, match="a socket"):
            adopt(999)


class TestListeners:
    def test_what_systemd_gives_is_taken_and_the_rest_is_opened(self):
        """
        systemd's address wins over the configured one.
        """
        passed = socket.create_server(("127.0.0.1", 0))
        address = written(passed)

        listeners = Listeners.open(WANTED, [("public", passed.detach())])

        assert address == listeners.addresses()["public"]
        assert {"admin"} == listeners.own
        listeners.close()

    @pytest.mark.parametrize("names", [["homing.socket"], ["public", "public"], ["unknown"]])
    def test_a_socket_nobody_asked_for_is_refused(self, names):
        """
        The usual cause, a unit without FileDescriptorName, is in the message.
        """
        given_ones = [(name, socket.create_server(("127.0.0.1", 0)).detach()) for name in names]

        with pytest.raises(BadListener, match=r"named admin or public, got '.*FileDescriptorName="):
            Listeners.open(WANTED, given_ones)

        for _, fd in given_ones:
            with contextlib.suppress(OSError):  # the first "public" was adopted and closed
                os.close(fd)

    def test_closing_our_own_leaves_systemds(self):
        """
        There the clients of a restart wait.
        """
        passed = socket.create_server(("127.0.0.1", 0))
        listeners = Listeners.open(WANTED, [("public", passed.detach())])

        listeners.close_own()

        assert ["public"] == list(listeners.sockets)
        connect(listeners.sockets["public"])
        listeners.close()

    def test_our_own_unix_socket_is_removed_at_the_end(self, tmp_path):
        """
        No stale file is left behind.
        """
        path = tmp_path / "public.sock"
        listeners = Listeners.open({"public": f"unix:{path}"}, [])
        assert path.exists()

        listeners.close()

        assert not path.exists()

    def test_one_that_fails_closes_the_others(self):
        """
        Nothing stays open after an error.
        """
        wanted = {"public": "127.0.0.1:0"}
        with listen("127.0.0.1:0") as holder, pytest.raises(AddressUnavailable):
            Listeners.open({**wanted, "admin": written(holder)}, [])
