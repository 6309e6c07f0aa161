"""What every table of the configuration has in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """
    One table of the file: frozen, and without keys that it does not know.

    Its fields are the keys, under their aliases where a key is no Python name.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        # The root builds the validators of all of them at once: five times faster.
        defer_build=True,
    )

    expected: ClassVar[str] = "a table"
    """The words for a value that is no table."""


def optional_section() -> Any:  # noqa: ANN401 - what pydantic's own Field returns
    """Declare a table that may be left out: then it is read as an empty one."""
    return Field(default={}, validate_default=True)
