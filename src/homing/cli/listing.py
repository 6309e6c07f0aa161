"""A command that lists, and shows one: ``homing sends``, ``homing sends ID``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import click

T = TypeVar("T")

PAGE = 500

limit_option = click.option(
    "--limit", "-n", default=50, show_default=True, type=click.IntRange(1), help="At most so many."
)


class Listing(click.Group):
    """A group whose sub-command may be left out: with options alone it lists, else it shows."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the sub-command that is meant."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        if not named and not ctx.resilient_parsing:
            args = ["list" if not args or args[0].startswith("-") else "show", *args]
        return super().parse_args(ctx, args)


def newest(
    page: Callable[[int | None], list[T]], number: Callable[[T], int], *, before: int | None = None
) -> Iterator[T]:
    """
    Go through a table, newest first, a page at a time.

    Args:
        page: Gives the next rows below a number.

        number: Of a row.
    """
    while rows := page(before):
        yield from rows
        before = number(rows[-1])


def first(rows: Iterable[T], limit: int, *keeps: Callable[[T], bool]) -> list[T]:
    """The first *limit* rows that every one of *keeps* keeps."""
    return list(islice((row for row in rows if all(keep(row) for keep in keeps)), limit))
