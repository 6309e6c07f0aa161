"""
What systemd tells a service, and what a service tells systemd.

The protocols are a few environment variables and one datagram socket, so the
standard library is enough. The supervisor imports this: nothing heavy may be
imported here.

Source: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3),
systemd.exec(5) "JOURNAL_STREAM".
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAIN_PROCESS_ONLY: Final = frozenset(
    {
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
    }
)
"""Variables that are for the main process and must not reach its children."""

_FIRST_FD: Final = 3  # SD_LISTEN_FDS_START
_SEND_WITHIN_S: Final = 1.0
_UNNAMED: Final = "unknown"  # what sd_listen_fds_with_names(3) calls it


@dataclass(frozen=True, slots=True)
class Systemd:
    """
    What the environment of the main process said, read once.

    Without systemd every field is empty and `notify` does nothing.

    Args:
        notify_address: Path of systemd's socket; a leading ``@`` is abstract.

        watchdog_s: systemd restarts the service when this many seconds pass
            without ``WATCHDOG=1``.

        listeners: Sockets that systemd opened for us: (name, fd) as in
            ``FileDescriptorName=``.
    """

    notify_address: str | None = None
    watchdog_s: float | None = None
    listeners: tuple[tuple[str, int], ...] = ()

    def notify(self, *assignments: str) -> bool:
        """
        Send *assignments*, such as ``"READY=1"``, to systemd in one datagram.

        Waits at most a second.

        Returns:
            Whether the datagram left; False too when there is no systemd.
        """
        if self.notify_address is None:
            return False
        address = os.fsencode(self.notify_address)
        if address.startswith(b"@"):
            address = b"\0" + address[1:]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_SEND_WITHIN_S)
            try:
                sender.sendto("\n".join(assignments).encode(), address)
            except OSError:
                return False
        return True


def read_systemd(environ: Mapping[str, str], *, pid: int) -> Systemd:
    """
    Read what systemd says to the process *pid*.

    Variables that are malformed, or meant for another process, count as absent.
    """
    return Systemd(
        notify_address=_notify_address(environ),
        watchdog_s=_watchdog_s(environ, pid),
        listeners=_listeners(environ, pid),
    )


def is_journal(environ: Mapping[str, str], fd: int = 2) -> bool:
    """
    Say whether what is written to *fd* goes to the journal.

    ``JOURNAL_STREAM`` alone is not enough: a shell may have redirected *fd*.
    """
    try:
        device, inode = environ.get("JOURNAL_STREAM", "").split(":")
        status = os.fstat(fd)
        return (int(device), int(inode)) == (status.st_dev, status.st_ino)
    except (ValueError, OSError):
        return False


def status_line(text: str) -> str:
    """Write *text* as the assignment that ``systemctl status`` shows, on one line."""
    return "STATUS=" + " ".join(text.split())


def reloading(now_s: float) -> tuple[str, str]:
    """
    Say that a reload starts; both assignments belong in one datagram.

    Args:
        now_s: Monotonic clock, in seconds.
    """
    return "RELOADING=1", f"MONOTONIC_USEC={int(now_s * 1_000_000)}"


def extend_timeout(seconds: float) -> str:
    """Ask systemd to wait *seconds* from now before it loses patience."""
    return f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}"


def _notify_address(environ: Mapping[str, str]) -> str | None:
    address = environ.get("NOTIFY_SOCKET", "")
    # systemd 254 also knows vsock:, for virtual machines; we are never one
    return address if len(address) > 1 and address[0] in "/@" else None


def _watchdog_s(environ: Mapping[str, str], pid: int) -> float | None:
    period_us = _number(environ, "WATCHDOG_USEC")
    if period_us <= 0 or _number(environ, "WATCHDOG_PID", default=pid) != pid:
        return None
    return period_us / 1_000_000


def _listeners(environ: Mapping[str, str], pid: int) -> tuple[tuple[str, int], ...]:
    count = _number(environ, "LISTEN_FDS")
    if count <= 0 or _number(environ, "LISTEN_PID") != pid:
        return ()
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    named = names if len(names) == count else [_UNNAMED] * count
    return tuple((name or _UNNAMED, _FIRST_FD + at) for at, name in enumerate(named))


def _number(environ: Mapping[str, str], name: str, *, default: int = -1) -> int:
    text = environ.get(name)
    if text is None:
        return default
    # int() would also take "1_000", " 7" and digits of other scripts
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
