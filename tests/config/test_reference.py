"""The manual's page about the configuration has every key, with its true default."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from homing.config import load
from homing.config.actions import ACTION_KEYS
from homing.config.presets import PRESETS
from homing.config.settings import SCOPES
from homing.config.shape import keys_of, section_at

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "configuration.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
# Tables that are explained where they stand first.
ELSEWHERE = {
    *("suppression.opt_in", "journey.NAME.exit.send", "journey.NAME.exit.track"),
    "journey.NAME.quiet_hours",
    *(f"journey.NAME.step.{key}" for key in ("send", "track", "identify", "upsert_contact")),
}


def name_of(loc):
    """
    Write a place as the page's headings do.
    """
    return ".".join(part for part in loc if part != 0)


def tables(loc=()):
    """
    Walk every table there can be, by a place in the settings where it stands.
    """
    yield loc
    for key in keys_of(section_at(loc)):
        for below in ((*loc, key), (*loc, key, "NAME"), (*loc, key, 0)):
            if section_at(below):
                yield from tables(below)
                break


@cache
def rows_by_table():
    """
    Read the page: table -> key -> default.
    """
    found = {}
    for part in re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        names = [""] if heading == "The top" else re.findall(r"`\[+([\w.]+)\]+`", heading)
        found |= {name: {row[1]: row[3] for row in ROW.finditer(body)} for name in names}
    return found


def meaning_of(info, value):
    """
    Read a value as its key would; what is a meaning already stays as it is.
    """
    kind = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return value


def keys_in(value, loc=()):
    """
    List every key that a document sets, with its table's name.
    """
    for key, child in value.items():
        yield name_of((*loc, key))
        for below in ((*loc, key), (*loc, key, "NAME"), (*loc, key, 0)):
            if section_at(below):
                several = {"NAME": lambda c: c.values(), 0: list}.get(below[-1], lambda c: [c])
                for table in several(child):
                    if isinstance(table, dict):
                        yield from keys_in(table, below)
                break


TABLES = [loc for loc in tables() if name_of(loc) not in ELSEWHERE]
KEYS = [
    (loc, key)
    for loc in TABLES
    for key in keys_of(section_at(loc))
    if loc or not (section_at((key,)) or section_at((key, "NAME")))
]


class TestPage:
    def test_each_table_has_its_heading_and_no_other_has(self):
        """
        What is on the page is in the models, and the other way round.
        """
        assert {name_of(loc) for loc in TABLES} | {"suppression.opt_in"} == set(rows_by_table())

    @pytest.mark.parametrize("loc", TABLES, ids=name_of)
    def test_each_key_has_its_row_and_no_other_has(self, loc):
        """
        A key that is new has a row; one that is gone leaves none.
        """
        keys = {key for at, key in KEYS if at == loc}

        assert keys == set(rows_by_table()[name_of(loc)])

    @pytest.mark.parametrize(
        ("loc", "key"), KEYS, ids=lambda part: part if isinstance(part, str) else name_of(part)
    )
    def test_each_default_is_the_true_one(self, loc, key):
        """
        What the page gives as the default reads as the model's own.
        """
        info = keys_of(section_at(loc))[key]
        default = rows_by_table()[name_of(loc)][key]

        if info.is_required():
            assert "required" == default
        elif info.default is None or info.default == "" or section_at((*loc, key)):
            assert "—" == default
        else:
            written = tomllib.loads(f"x = {default.strip('`')}")["x"]
            assert meaning_of(info, info.default) == meaning_of(info, written)

    def test_all_examples_together_are_one_configuration(self, tmp_path):
        """
        What can be copied from the page loads, and shows every key.
        """
        path = tmp_path / "homing.toml"
        path.write_text("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)))
        (tmp_path / "emails").mkdir()
        for name in ("receipt.html", "receipt.txt"):
            (tmp_path / "emails" / name).write_text("Thank you")

        load(path, environ={})

        shown = set(keys_in(tomllib.loads(path.read_text())))
        as_in_routes = {f"journey.NAME.step.{key}" for key in ACTION_KEYS} - {
            "journey.NAME.step.send"
        }
        assert as_in_routes == {name_of((*loc, key)) for loc, key in KEYS} - shown

    def test_the_presets_are_those_of_the_code(self):
        """
        The table of names is the one that is used.
        """
        rows = re.findall(r"^\| `(\w+)` \| (\w[\w ]+) \| (\w[\w ]+) \|$", PAGE, re.MULTILINE)

        assert PRESETS["email-spec"] == {event: name for event, name, _ in rows}
        assert PRESETS["engage"] == {event: name for event, _, name in rows}
        assert PRESETS["email-spec"] == PRESETS["segment-sendgrid"]

    def test_the_words_that_no_group_may_have_are_all_named(self):
        """
        They are listed where groups are explained.
        """
        (row,) = re.findall(r"^\| `groups` .*$", PAGE, re.MULTILINE)

        assert SCOPES == set(re.findall(r"`(\w+)`", row)) - {"groups"}
