"""What `homing sandbox` prints: for people, a line a thing; for programs, an object a line."""

from __future__ import annotations

import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from homing.cli.show import colours, json_out, text

if TYPE_CHECKING:
    from homing.sandbox.happenings import Happening
    from homing.sandbox.summary import Summary
    from homing.sandbox.town import Town

_COLOURS: Final = {
    "event_in": "blue",
    "journey": "bright_magenta",
    "email_out": "bright_blue",
    "sendgrid": "cyan",
    **dict.fromkeys(("home", "resolved", "resumed"), "green"),
    **dict.fromkeys(("skipped", "retry", "expired", "lost"), "yellow"),
    "unknown": "magenta",
    **dict.fromkeys(("rejected", "paused", "alert"), "red"),
}
_LABEL: Final = 9
_WHO: Final = 8
_NAME: Final = 20
#: Time and columns before the detail, with two blanks after each.
_INDENT: Final = 8 + _LABEL + _WHO + _NAME + 4 * 2


class Feed(ABC):
    """
    What a run prints.

    Args:
        quiet: Only how it begins and ends.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        #: Called when nobody reads any more.
        self.gone: Callable[[], None] = lambda: None

    def opened(self, town: Town) -> None:
        """Everything listens."""
        self._out(lambda: self._opened(_places(town)))

    def tell(self, happening: Happening) -> None:
        """Something happened."""
        if not self._quiet:
            self._out(lambda: self._tell(happening))

    def end(self, summary: Summary) -> None:
        """It is over."""
        self._out(lambda: self._end(summary))

    def _out(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.gone()

    @abstractmethod
    def _opened(self, places: Mapping[str, str]) -> None: ...

    @abstractmethod
    def _tell(self, happening: Happening) -> None: ...

    @abstractmethod
    def _end(self, summary: Summary) -> None: ...


class JsonFeed(Feed):
    """One JSON object a line: ``what`` says which; the last is the summary."""

    def _opened(self, places: Mapping[str, str]) -> None:
        json_out({"what": "opened", **places})

    def _tell(self, happening: Happening) -> None:
        json_out(
            {
                "at": datetime.fromtimestamp(happening.at, UTC).isoformat(timespec="milliseconds"),
                "what": happening.what.value,
                "who": happening.who,
                "name": happening.name,
                "detail": happening.detail,
                **happening.ids,
            }
        )

    def _end(self, summary: Summary) -> None:
        json_out(summary.as_object())


class TextFeed(Feed):
    """Aligned columns; coloured on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._colours = colours()
        # A pipe gets whole lines.
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def _opened(self, places: Mapping[str, str]) -> None:
        for name, what in _WHAT_IT_IS.items():
            click.echo(f"{name:<10} {places[name]:<36} {what}")
        click.echo(f"more       homing sends --config {places['config']}")
        click.echo("end        Ctrl-C, with a summary\n")

    def _tell(self, happening: Happening) -> None:
        click.echo(line_of(happening, colour=self._colours, width=self._width))

    def _end(self, summary: Summary) -> None:
        if not self._quiet:
            click.echo()
        for label, words in summary_lines(summary):
            click.echo(f"{label:<10} {_line(words)}")
        for problem in summary.problems:
            click.echo(self._styled(f"does not balance: {text(problem)}", "red"), err=True)
        if summary.balances:
            click.echo(self._styled("the books balance", "green"))

    def _styled(self, words: str, colour: str) -> str:
        return click.style(words, fg=colour) if self._colours else words


_WHAT_IT_IS: Final = {
    "mailbox": "what the customers got: open it, click, unsubscribe",
    "debugger": "what came home to Segment",
    "status": "Homing's own books",
}


def _places(town: Town) -> dict[str, str]:
    return {
        "mailbox": f"{town.sendgrid.url}/mailbox",
        "debugger": f"{town.segment.url}/debugger",
        "status": f"{town.admin_url}/",
        "webhooks": town.public_url,
        "config": str(town.config),
    }


def line_of(happening: Happening, *, colour: bool, width: int | None) -> str:
    """
    One thing as one line.

    Args:
        width: Of the terminal, in characters; None cuts nothing off.
    """
    at = datetime.fromtimestamp(happening.at, UTC).strftime("%H:%M:%S")
    label = happening.what.value.replace("_", " ").ljust(_LABEL)
    detail = _line(happening.detail)
    if width is not None and len(detail) > max(width - _INDENT, 20):
        detail = detail[: max(width - _INDENT, 20) - 1] + "…"
    who, name = _line(happening.who).ljust(_WHO), _line(happening.name).ljust(_NAME)
    if colour:
        label = click.style(label, fg=_COLOURS[happening.what])
        at, detail = click.style(at, dim=True), click.style(detail, dim=True)
    return f"{at}  {label}  {who}  {name}  {detail}".rstrip()


def _line(words: str) -> str:
    return text(words).replace("\n", " ")


def summary_lines(summary: Summary) -> Iterator[tuple[str, str]]:
    """The summary as label and text; what did not happen is left out."""
    events, sends = summary.events, summary.sends
    yield "lasted", f"{summary.lasted_s:g} s, {summary.made} events of the shop's"
    yield (
        "taken in",
        _joined(
            f"{events['received']} events, the shop's and SendGrid's",
            (events["duplicates"], "duplicates left out"),
            (events["quarantined"], "quarantined"),
        ),
    )
    yield from (("journey", _journey_line(name, runs)) for name, runs in summary.journeys.items())
    yield (
        "emails",
        _joined(
            f"{sends['accepted']} accepted",
            *((sends[state], state) for state in ("rejected", "expired", "dropped", "skipped")),
        ),
    )
    yield from (("  skipped", f"{n} {reason}") for reason, n in summary.skipped.items())
    yield from (("  waiting", f"{w.n} in {w.state}: {w.reason}") for w in summary.waiting)
    if summary.unknown["total"]:
        yield (
            "unknown",
            _joined(
                f"{summary.unknown['total']} outcomes",
                *((n, _RESOLVED[word]) for word, n in summary.unknown.items() if word in _RESOLVED),
            ),
        )
    yield "home", _joined(f"{summary.home} calls", (summary.calls_waiting, "calls still wait"))
    for target, played in summary.faults.items():
        yield "faults", f"{target}: " + ", ".join(f"{name} {n}" for name, n in played.items())
    if summary.lost:
        yield "lost", f"{summary.lost} events never reached Homing"
    for name, reason in summary.paused.items():
        yield "paused", f"{name}: {reason}"


def _journey_line(name: str, runs: Mapping[str, int | str]) -> str:
    """How a journey's runs stand, then what they were good for."""
    counts = {word: n for word, n in runs.items() if word not in ("converted", "value")}
    stand = ", ".join(f"{n} {word}" for word, n in counts.items())
    worth = f", worth {runs['value']}" if "value" in runs else ""
    return f"{name}: {stand}; {runs['converted']} converted{worth}"


_RESOLVED: Final = {
    "proved": "proved by an event",
    "resent": "sent again",
    "parked": "parked",
    "dropped": "given up",
    "by_hand": "resolved by hand",
}


def _joined(first: str, *counts: tuple[int, str]) -> str:
    return ", ".join([first, *(f"{n} {words}" for n, words in counts if n)])
