"""The manual's pages on journeys say what is so."""

from __future__ import annotations

import re
from pathlib import Path

from tests.examples.generate import FOLDER, shell

from homing.core.journeys.run import Passage
from homing.simulation import SimLine

DOCS = FOLDER.parent / "docs"
BLOCK = re.compile(r"(?:(To the end of|Into) `([\w./-]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)


def played(page: str, folder: Path) -> list[str]:
    """
    Do what a page says, in a folder: write its files, run its commands.

    Returns:
        What the commands printed before each block of output that it shows.
    """
    found: list[str] = []
    printed = ""
    for where, name, language, code in BLOCK.findall(page):
        if name:
            with (folder / "shop" / name).open("a" if where.startswith("To") else "x") as file:
                file.write(f"\n{code}" if where.startswith("To") else code)
        elif language == "sh":
            printed = _run(code, folder)
        elif language == "text":
            found.append(printed)
    return found


def _run(commands: str, folder: Path) -> str:
    shop = folder / "shop"
    done = shell(commands, shop if shop.exists() else folder)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


class TestJourneys:
    def test_its_session_runs_as_it_stands(self, tmp_path: Path) -> None:
        """Its commands print what it shows, to the byte."""
        page = (DOCS / "how-to" / "journeys.md").read_text()

        shown = re.findall(r"```text\n(.*?)```", page, re.DOTALL)

        assert 2 == len(shown)
        assert shown == played(page, tmp_path)


class TestSimulate:
    PAGE = DOCS / "reference" / "simulate.md"

    def test_every_field_is_explained(self) -> None:
        """In the table of fields, and no other."""
        (table,) = re.findall(r"\n\| field \|.*?\n\n", self.PAGE.read_text(), re.DOTALL)
        told = [
            name
            for row in table.strip().splitlines()[2:]
            for name in re.findall(r"`(\w+)`", cell(row))
        ]

        assert sorted(SimLine.__struct_fields__) == sorted(told)

    def test_every_word_is_explained(self) -> None:
        """In the table of words, those of a run's history."""
        (table,) = re.findall(r"\n\n\| `what` \|.*?\n\n", self.PAGE.read_text(), re.DOTALL)
        told = [re.findall(r"`(\w+)`", cell(row))[0] for row in table.strip().splitlines()[2:]]

        assert told == words_in(SimLine.__doc__)
        assert told == words_in(Passage.__doc__)


def cell(row: str) -> str:
    """The first cell of a row."""
    return row.split("|")[1]


def words_in(doc: str | None) -> list[str]:
    """The words that a docstring lists behind ``what``."""
    (listed,) = re.findall(r"``what``: (.*?)\.", doc or "", re.DOTALL)
    return [word.strip() for word in listed.replace("\n", " ").split(",")]
