"""``homing sandbox``: the whole loop with no account."""

from __future__ import annotations

import asyncio
import signal
import socket
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.main import json_option
from homing.core.durations import parse_duration
from homing.processes import exits

if TYPE_CHECKING:
    from homing.cli.feed import Feed
    from homing.emulators import Faults
    from homing.sandbox.run import Wanted
    from homing.sandbox.town import Ports

#: Mailbox, debugger, status and webhooks listen from here on, each if its port is free.
FIRST_PORT: Final = 8425
MOST_RATE: Final = 10_000


@click.command("sandbox")
@click.option("--for", "for_", metavar="DURATION", help="Stop after this long, with a summary.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="SPEC",
    help="Trouble, e.g. sendgrid=timeout-after-accept:0.05,429:0.1 or webhook=duplicate:0.2",
)
@click.option("--rate", default=2.0, show_default=True, help="Events a second.")
@click.option("--seed", default=1, show_default=True, help="Of all chance: the shop repeats.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_532),
    help="First of four ports: mailbox, debugger, status, webhooks; 0 takes any."
    f"  [default: {FIRST_PORT}, where free]",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="A new folder for store and configuration, kept afterwards.",
)
@click.option("--quiet", "-q", is_flag=True, help="Only the addresses and the summary.")
@json_option
def sandbox_command(  # noqa: PLR0913  as many as there are options
    *,
    for_: str | None,
    faults: tuple[str, ...],
    rate: float,
    seed: int,
    port: int | None,
    store: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """
    Run the whole loop with no account.

    A small shop's customers make signed Segment events; the service sends emails to an emulated
    SendGrid; what becomes of them flies home to an emulated Segment. Open the mailbox, read a
    mail, click its links: that comes home, too. Ctrl-C ends it with a summary, as --for does; the
    exit code is 0 if the books balance.
    """
    import uvloop

    from homing.cli.feed import JsonFeed, TextFeed
    from homing.sandbox.run import Wanted

    for_s, plan = _asked(for_, faults, rate=rate, seed=seed)
    if store is not None and (store / "homing.db").exists():
        msg = f"{store} holds a store already: give a new folder, the books start at nothing"
        raise click.UsageError(msg)
    _log_quietly()
    feed = JsonFeed(quiet=quiet) if as_json else TextFeed(quiet=quiet)
    with tempfile.TemporaryDirectory(prefix="homing-sandbox-") as temporary:
        folder = store or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        wanted = Wanted(folder, plan, for_s, rate=rate, seed=seed, ports=_ports(port))
        return uvloop.run(_run(wanted, feed))


def _asked(
    for_: str | None, faults: tuple[str, ...], *, rate: float, seed: int
) -> tuple[float | None, Faults]:
    """Read how long, and with which trouble."""
    from homing.emulators import BadFault, parse_faults

    if not 0 < rate <= MOST_RATE:  # so that a NaN is refused, too
        msg = f"--rate must be above 0 and at most {MOST_RATE:,}"
        raise click.UsageError(msg)
    try:
        return None if for_ is None else parse_duration(for_), parse_faults(faults, seed)
    except (ValueError, BadFault) as error:
        raise click.UsageError(str(error)) from error


async def _run(wanted: Wanted, feed: Feed) -> int:
    from homing.sandbox.run import Stops, run

    stops = Stops()
    feed.gone = stops.both
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stops.stop)
    summary = await run(wanted, feed.tell, stops, opened=feed.opened)
    feed.end(summary)
    return exits.EX_OK if summary.balances else exits.EX_FAILURE


def _ports(first: int | None) -> Ports:
    from homing.sandbox.town import Ports

    if first == 0:
        return Ports()
    wanted = range(first or FIRST_PORT, (first or FIRST_PORT) + 4)
    free = [port if _is_free(port) else 0 for port in wanted]
    taken = [port for port, found in zip(wanted, free, strict=True) if not found]
    if first is not None and taken:
        msg = f"port {taken[0]} is taken: --port 0 takes any free ones"
        raise click.UsageError(msg)
    return Ports(*free)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _log_quietly() -> None:
    """Errors alone are logged, and not those that the feed tells."""
    import structlog

    from homing import log as logs

    logs.set_up(level="error")
    told = (logs.DESTINATION_PAUSED, logs.DESTINATION_RESUMED, logs.ALERT_RAISED)

    def leave_out_told(_: object, __: str, line: MutableMapping[str, Any]) -> Any:  # noqa: ANN401
        if line.get("event") in told:
            raise structlog.DropEvent
        return line

    structlog.configure(processors=[leave_out_told, *structlog.get_config()["processors"]])
