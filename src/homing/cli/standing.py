"""For commands that call SendGrid by themselves, on the store, while no service runs."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.reach import loaded_config, store_path

if TYPE_CHECKING:
    from homing.adapters.plain_http import PlainHttpApi
    from homing.adapters.sqlite.state import SqliteState
    from homing.config import Loaded

LOOK_S: Final = 0.2
"""How often something that takes long is looked at."""


@asynccontextmanager
async def standing_alone(
    config: Path | None,
) -> AsyncIterator[tuple[SqliteState, PlainHttpApi, Loaded]]:
    """
    Open the store and SendGrid's API.

    Raises:
        NoStore: There is none.
        StoreBusy: A service runs after all.
    """
    import os

    from homing.adapters.plain_http import PlainHttpApi
    from homing.adapters.sqlite.state import NoStore, SqliteState
    from homing.processes.apis import USER_AGENT, bearer_of

    loaded, path = loaded_config(config), store_path(config)
    if not path.exists():
        msg = f"no store at {path}: `homing serve` makes it"
        raise NoStore(msg)
    store = SqliteState(path, on_fatal=lambda _: None)
    try:
        bearer = bearer_of(loaded.settings, os.environ)
        async with PlainHttpApi(
            loaded.settings.sendgrid.endpoint, authorization=bearer, user_agent=USER_AGENT
        ) as api:
            yield store, api, loaded
    finally:
        await store.close()


def clear() -> None:
    """Take the line of progress away."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
