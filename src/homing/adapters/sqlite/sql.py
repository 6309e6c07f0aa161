"""Named queries: each ``queries/NAME.sql`` is one namespace of statements."""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


class Queries:
    """The statements of one file as attributes."""

    def __init__(self, statements: dict[str, str]) -> None:
        self._statements = statements

    def __getattr__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            msg = f"no query named {name}"
            raise AttributeError(msg) from None


def load(name: str) -> Queries:
    """Read ``queries/NAME.sql``."""
    text = files(__package__).joinpath("queries", f"{name}.sql").read_text()
    parts = _NAME.split(text)[1:]
    return Queries({key: sql.strip() for key, sql in zip(parts[::2], parts[1::2], strict=True)})
