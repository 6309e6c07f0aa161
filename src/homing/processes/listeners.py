"""
The listening sockets of the service: systemd's, or our own.

Stdlib only, because the supervisor imports this.
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from homing.core.errors import HomingError

BACKLOG: Final = 1024
"""How many connections wait in the kernel; it caps this at net.core.somaxconn."""

_UNIX_PATH_BYTES: Final = 107  # sun_path of unix(7), less the final NUL


class BadListener(HomingError):
    """An address, or a socket of systemd's, that cannot be meant: configuration."""

    exit_code: ClassVar[int] = os.EX_CONFIG


class AddressUnavailable(HomingError):
    """
    The address cannot be had now: taken, forbidden, or not of this machine.

    69 and not 78, so that systemd tries again: the holder may go away.
    """

    exit_code: ClassVar[int] = os.EX_UNAVAILABLE


@dataclass(slots=True)
class Listeners:
    """
    The listening sockets by name.

    Args:
        sockets: What children inherit.

        own: Names of those we opened; the others are systemd's.

        paths: Unix sockets to remove from the file system at the end.
    """

    sockets: dict[str, socket.socket] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, wanted: Mapping[str, str], given: Iterable[tuple[str, int]]) -> Self:
        """
        Take what systemd has *given* (name, fd), open the rest of what is *wanted*.

        Args:
            wanted: Addresses by name; systemd's socket wins over the address.

            given: As in `Systemd.listeners`.

        Raises:
            BadListener: An address, or a given socket, is not usable.

            AddressUnavailable: An address is taken.
        """
        listeners = cls()
        try:
            for name, fd in given:
                listeners._adopt(name, fd, wanted)
            for name in wanted.keys() - listeners.sockets.keys():
                listeners._open(name, wanted[name])
        except HomingError:
            listeners.close()
            raise
        return listeners

    def addresses(self) -> dict[str, str]:
        """Name each socket's actual address, as a person would write it."""
        return {name: written(one) for name, one in sorted(self.sockets.items())}

    def close_own(self) -> None:
        """
        Close the sockets we opened, so that clients are refused rather than kept waiting.

        Those of systemd stay: there a client waits for the service to come back.
        """
        for name in self.own:
            self.sockets.pop(name).close()
        self.own.clear()
        for path in self.paths:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self.paths.clear()

    def close(self) -> None:
        """Close all of them; what systemd holds stays open there."""
        self.close_own()
        for one in self.sockets.values():
            one.close()
        self.sockets.clear()

    def _adopt(self, name: str, fd: int, wanted: Mapping[str, str]) -> None:
        if name not in wanted or name in self.sockets:
            names = " or ".join(sorted(wanted))
            msg = (
                f"expected systemd to pass one socket named {names}, got {name!r}:"
                " set FileDescriptorName= in the socket unit"
            )
            raise BadListener(msg)
        self.sockets[name] = adopt(fd)

    def _open(self, name: str, address: str) -> None:
        self.sockets[name] = listen(address)
        self.own.add(name)
        path = _unix_path(address)
        if path is not None:
            self.paths.append(path)


def listen(address: str) -> socket.socket:
    """
    Open a listening stream socket, non-blocking.

    Args:
        address: ``127.0.0.1:8400``, ``[::1]:8400``, ``name:8400`` (its first IPv4
            address, else its first), or the path of a Unix socket: ``/run/x`` or
            ``unix:/run/x``. Port 0 lets the kernel choose.

    Raises:
        BadListener: *address* is none of these.

        AddressUnavailable: The address is taken or cannot be bound.
    """
    path = _unix_path(address)
    if path is not None:
        return _listen_unix(address, path)
    return _listen_tcp(address)


def adopt(fd: int) -> socket.socket:
    """
    Take over a listening stream socket that another process opened.

    Raises:
        BadListener: *fd* is not that, as with ``Accept=yes`` or ``ListenDatagram=``.
    """
    try:
        one = socket.socket(fileno=fd)
        accepting = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        msg = f"expected file descriptor {fd} to be a socket: {error.strerror}"
        raise BadListener(msg) from error
    if one.type != socket.SOCK_STREAM or not accepting:
        one.close()
        msg = f"expected file descriptor {fd} to be a listening stream socket (Accept=no)"
        raise BadListener(msg)
    one.settimeout(0)
    one.set_inheritable(False)
    return one


def written(one: socket.socket) -> str:
    """Write the address of a listening socket the way `listen` reads it."""
    name = one.getsockname()
    match one.family:
        case socket.AF_INET6:
            return f"[{name[0]}]:{name[1]}"
        case socket.AF_INET:
            return f"{name[0]}:{name[1]}"
        case _:
            return f"unix:{os.fsdecode(name)}"


def _listen_tcp(address: str) -> socket.socket:
    family, target = _resolved(address)
    one = socket.socket(family, socket.SOCK_STREAM)
    # connections of a predecessor in TIME_WAIT are no reason to wait
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _bound(one, target, address)


def _listen_unix(address: str, path: str) -> socket.socket:
    if not 0 < len(os.fsencode(path)) <= _UNIX_PATH_BYTES or "\0" in path:
        msg = f"expected {address} to be a path of 1 to {_UNIX_PATH_BYTES} bytes"
        raise BadListener(msg)
    _remove_stale(path)
    return _bound(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path, address)


def _bound(one: socket.socket, target: object, address: str) -> socket.socket:
    try:
        one.bind(target)  # type: ignore[arg-type]  # the stubs know no union of families
        one.listen(BACKLOG)
    except OSError as error:
        one.close()
        raise _unavailable(address, error) from error
    one.settimeout(0)
    return one


def _unavailable(address: str, error: OSError) -> AddressUnavailable:
    taken = error.errno == errno.EADDRINUSE
    why = "it is taken by another process" if taken else error.strerror or str(error)
    return AddressUnavailable(f"cannot listen on {address}: {why}")


def _unix_path(address: str) -> str | None:
    if address.startswith("unix:"):
        return address.removeprefix("unix:")
    return address if address.startswith("/") else None


def _resolved(address: str) -> tuple[socket.AddressFamily, object]:
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    digits = port.isascii() and port.isdecimal() and len(port) <= 5
    if not (colon and host and digits and int(port) < 65_536) or (":" in host and not bracketed):
        msg = f'expected a listening address like "127.0.0.1:8400" or "[::1]:8400", got "{address}"'
        raise BadListener(msg)
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        msg = f"cannot listen on {address}: the host name is not known"
        raise AddressUnavailable(msg) from error
    family, _, _, _, target = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, target


def _remove_stale(path: str) -> None:
    """Remove the socket of a process that died; one that answers is left in place."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        client.settimeout(1)
        try:
            client.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
