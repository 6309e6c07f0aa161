"""``homing tail``: what happens, as it happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.main import config_option, json_option
from homing.cli.reach import store_path
from homing.cli.show import cell, json_out, named

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.ports import Tx

POLL_S = 0.5
# more than this between two looks is counted, not shown
AT_ONCE = 1_000
WATCHED = 1_000

FIELDS: Final = {
    "what": "event, send (made or changed), run (something happened to it), or skipped (more came "
    "than can be shown)",
    "count": "of skipped: how many",
    "…": "the fields of `events list` or `sends list`; of a run: run, journey, key, person, at, "
    "happened (as what of its history), step, name, reason, due_at, event, send, value",
}


@click.command("tail")
@click.option("--follow", "-f", is_flag=True, help="Go on until interrupted.")
@click.option("--lines", "-n", default=10, show_default=True, type=click.IntRange(0),
              help="How many of the past.")  # fmt: skip
@config_option
@json_option
def tail_command(*, follow: bool, lines: int, config: Path | None, as_json: bool) -> None:
    """
    The newest events and sends; with -f also those to come, and what happens to sends and runs.
    """
    from homing.adapters.sqlite.state import reading

    watch, path = Watch(), store_path(config)
    with reading(path) as tx:
        found = list(watch.newest(tx, lines))
    _out(found, as_json=as_json)
    while follow:
        time.sleep(POLL_S)
        with reading(path) as tx:
            found = list(watch.news(tx))
        _out(found, as_json=as_json)


class Watch:
    """What was already shown."""

    def __init__(self) -> None:
        self._event = 0
        self._passage: int | None = None
        self._sends: dict[int, tuple[str, str | None]] = {}

    def newest(self, tx: Tx, lines: int) -> Iterator[dict[str, Any]]:
        """The last *lines* of the past, oldest first."""
        found = list(self.news(tx, at_once=max(lines, 1)))
        found = [line for line in found if line["what"] != "skipped"]
        yield from found[len(found) - min(lines, len(found)) :]

    def news(self, tx: Tx, *, at_once: int = AT_ONCE) -> Iterator[dict[str, Any]]:
        """What is new or changed since the last look, in order of arrival."""
        lines = [*self._events(tx, at_once), *self._changes(tx), *self._passages(tx, at_once)]
        lines.sort(key=lambda line: (line[0], line[1]["what"]))
        yield from (line for _, line in lines)

    def _events(self, tx: Tx, at_once: int) -> Iterator[tuple[int, dict[str, Any]]]:
        from homing.cli.views import event_view

        rows = tx.events.newest(state=None, before=None, limit=at_once)
        new = [row for row in reversed(rows) if row.id > self._event]
        if new and self._event and new[0].id > self._event + 1:
            count = new[0].id - self._event - 1
            yield new[0].received_at, {"what": "skipped", "count": count}
        for row in new:
            yield row.received_at, {"what": "event", **event_view(tx, row)}
        self._event = rows[0].id if rows else self._event

    def _passages(self, tx: Tx, at_once: int) -> Iterator[tuple[int, dict[str, Any]]]:
        from homing.cli.run_stories import passage_view
        from homing.cli.views import run_view

        if self._passage is None:
            self._passage = max(0, last_passage(tx) - at_once)
        for number, one in tx.runs.passages_after(self._passage, limit=AT_ONCE):
            self._passage = number
            run = tx.runs.get(one.run)
            whose: dict[str, Any] = dict.fromkeys(("journey", "key", "person"))
            if run is not None:
                view = run_view(tx, run)
                whose = {name: view[name] for name in whose}
            line = passage_view(tx, one)
            happened = line.pop("what")
            told = {"what": "run", "run": f"r{one.run}", **whose, "happened": happened, **line}
            yield one.at, told

    def _changes(self, tx: Tx) -> Iterator[tuple[int, dict[str, Any]]]:
        from homing.cli.views import send_view

        rows = tx.sends.newest(state=None, before=None, limit=WATCHED)
        for row in reversed(rows):
            if self._sends.get(row.id) != (row.state, row.mail):
                yield _changed_at(row), {"what": "send", **send_view(row)}
        self._sends = {row.id: (row.state, row.mail) for row in rows}


def last_passage(tx: Tx) -> int:
    """The number of the newest line of all histories; 0 without any."""
    low, high = 0, 1 << 62  # found by halves: each look is one row of an index
    while low < high:
        middle = (low + high) // 2
        found = tx.runs.passages_after(middle, limit=1)
        if found:
            low = found[0][0]
        else:
            high = middle
    return low


def _changed_at(row: SendRow) -> int:
    """About when a send came into its state, in unix ms."""
    return max(filter(None, (row.reserved_at, row.in_flight_at, row.accepted_at)))


def _out(lines: list[dict[str, Any]], *, as_json: bool) -> None:
    for line in lines:
        if as_json:
            json_out(line)
        else:
            click.echo(_line(named(line)))


def _line(line: Mapping[str, Any]) -> str:
    if line["what"] == "skipped":
        return f"… {line['count']} events more"
    if line["what"] == "event":
        parts = (line["id"], line["type"], line["name"], line["person"], line["state"])
        at = line["received_at"]
    elif line["what"] == "run":
        names = ("run", "journey", "key", "person", "happened", "step", "name", "due_at", "send")
        parts = tuple(line[name] for name in names)
        at = line["at"]
    else:
        parts = (line["id"], line["email"], line["to"], line["state"], line["mail"])
        at = line["accepted_at"] or line["reserved_at"]
    words = [line["what"].ljust(5), *(cell(part) for part in parts if part)]
    reason = f"  ({cell(line['reason'], None)})" if line["reason"] else ""
    return f"{at}  {'  '.join(words)}{reason}"
