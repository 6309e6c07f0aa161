"""``homing sandbox``: the whole loop with no account."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homing.core.durations import parse_duration
from homing.processes import exits

if TYPE_CHECKING:
    from homing.sandbox.town import Town

SETTLE_S = 30.0


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
@click.option("--seed", default=1, show_default=True, help="Of all chance.")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False), help="Keep it there.")
@click.option("--quiet", "-q", is_flag=True, help="Only the URLs and the summary.")
def sandbox_command(
    *,
    for_: str | None,
    faults: tuple[str, ...],
    rate: float,
    seed: int,
    store: Path | None,
    quiet: bool,
) -> int:
    """
    Run the whole loop with no account.

    A small shop's customers make signed Segment events; the service sends emails to an emulated
    SendGrid; what becomes of them flies home to an emulated Segment. Open the mailbox, read a
    mail, click its links: that comes home, too.
    """
    import uvloop

    from homing import log as logs
    from homing.emulators import BadFault, parse_faults

    try:
        for_s = None if for_ is None else parse_duration(for_)
        plan = parse_faults(faults, seed)
    except (ValueError, BadFault) as error:
        raise click.UsageError(str(error)) from error
    logs.set_up(level="error")
    with tempfile.TemporaryDirectory(prefix="homing-sandbox-") as temporary:
        folder = store or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        run = _run(folder, plan, Story(for_s, rate, seed, quiet=quiet))
        try:
            return uvloop.run(run)
        except KeyboardInterrupt:
            return exits.EX_OK


class Story:
    """How long, how fast, and how loud."""

    def __init__(self, for_s: float | None, rate: float, seed: int, *, quiet: bool) -> None:
        self.for_s = for_s
        self.rate = rate
        self.seed = seed
        self.quiet = quiet

    def say(self, what: str, who: str, detail: str) -> None:
        """One line."""
        if not self.quiet:
            click.echo(f"{what:<10} {who:<18} {detail}")


async def _run(folder: Path, faults: object, story: Story) -> int:
    from homing.emulators import Shop
    from homing.sandbox.telling import tell_home, tell_mail, told_event
    from homing.sandbox.town import town

    async with town(folder, faults=faults, seed=story.seed) as here:  # type: ignore[arg-type]
        click.echo(f"mailbox   {here.sendgrid.url}/mailbox     (emulated SendGrid)")
        click.echo(f"debugger  {here.segment.url}/debugger    (emulated Segment)")
        click.echo(f"status    {here.admin_url}/             (Homing)")
        tellers = [
            asyncio.create_task(tell_mail(here, story.say)),
            asyncio.create_task(tell_home(here, story.say)),
        ]

        def take(event: dict[str, object]) -> None:
            told_event(story.say, event)
            here.sender.send(event)

        shop = Shop(story.seed, rate=story.rate)
        await shop.run(take, for_s=story.for_s)
        code = await _end(here)
        for teller in tellers:
            teller.cancel()
        return code


async def _end(here: Town) -> int:
    """Wait until all is quiet, and hold the books against what the vendors saw."""
    from homing.sandbox.balance import imbalances
    from homing.sandbox.telling import quiet

    is_quiet = await quiet(here, timeout_s=SETTLE_S)
    books = await here.service.books()
    events, sends = books.events, books.sends
    click.echo(
        f"\n{events['received']} events taken in ({events['duplicates']} duplicates left out), "
        f"{sends['accepted']} emails accepted, {sends['skipped']} skipped, "
        f"{books.unknown['total']} outcomes once unknown, "
        f"{books.effects['segment']['done']} calls written home"
    )
    wrong = imbalances(here, books)
    if not is_quiet:
        wrong.append(f"something is still under way after {SETTLE_S:g} s")
    for problem in wrong:
        click.echo(f"does not balance: {problem}", err=True)
    if wrong:
        return exits.EX_FAILURE
    click.echo("the books balance")
    return exits.EX_OK
