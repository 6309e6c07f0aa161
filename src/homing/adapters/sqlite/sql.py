"""Named queries: each ``queries/NAME.sql`` is one namespace of statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import apsw

Execute: TypeAlias = Callable[..., Any]
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


class Queries:
    """The statements of one file as attributes."""

    def __init__(self, statements: dict[str, str]) -> None:
        # found as plain attributes: they are asked for several times an event
        self.__dict__.update(statements)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Each name with its statement."""
        yield from self.__dict__.items()

    def __getattr__(self, name: str) -> str:
        msg = f"no query named {name}"
        raise AttributeError(msg)


def executing(db: apsw.Connection) -> Execute:
    """
    What runs statements, on one cursor: to make one for each costs as much as a short statement.

    The next call ends what the last one left unread.
    """
    return db.cursor().execute


def load(name: str) -> Queries:
    """Read ``queries/NAME.sql``."""
    text = files(__package__).joinpath("queries", f"{name}.sql").read_text()
    parts = _NAME.split(text)[1:]
    return Queries({key: sql.strip() for key, sql in zip(parts[::2], parts[1::2], strict=True)})
