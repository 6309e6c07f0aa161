"""``homing init``: a configuration to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import click

from homing.core.errors import HomingError

STARTER: Final = files("homing.cli") / "starter"


class AlreadyThere(HomingError):
    """A file that would be written exists."""


@click.command("init")
@click.argument("folder", default=".", metavar="[DIR]", type=click.Path(path_type=Path))
def init_command(folder: Path) -> None:
    """
    Write a commented configuration in capture mode, an email and an example event.

    Nothing is overwritten: if any of the files exists, none is written.
    """
    wanted = dict(_files(STARTER, folder))
    existing = [str(path) for path in wanted if path.exists()]
    if existing:
        msg = f"nothing written; there already: {', '.join(existing)}"
        raise AlreadyThere(msg)
    for path, source in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(source.read_bytes())
        click.echo(f"wrote {path}")
    config = folder / "homing.toml"
    click.echo(f"next: homing check {config}")


def _files(source: Traversable, target: Path) -> Iterator[tuple[Path, Traversable]]:
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, target / entry.name)
        else:
            yield target / entry.name, entry
