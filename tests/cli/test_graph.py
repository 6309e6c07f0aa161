"""``homing graph``: what is drawn is `homing.core.journeys.graph`'s; here is where it goes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.cli.carts import CONFIG
from tests.cli.conftest import Command


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A configuration without a store."""
    (tmp_path / "homing.toml").write_text(CONFIG)
    return tmp_path


class TestGraph:
    def test_with_how_many_wait_and_entered(self, shop: Command) -> None:
        """Mermaid, unless something else is asked for."""
        said = shop("graph", "cart").out

        assert said.startswith("flowchart TD\n")
        assert "1 waiting" in said
        assert "8 entered" in said

    def test_without_counts(self, shop: Command) -> None:
        """The configuration alone: what goes into a document."""
        said = shop("graph", "cart", "--no-counts").out

        assert "waiting" not in said
        assert "entered" not in said

    def test_without_a_store_there_are_no_counts(self, alone: Path, inside: Command) -> None:
        """And no error."""
        done = inside(alone, "graph", "cart")

        assert 0 == done.code
        assert "waiting" not in done.out

    def test_svg_to_a_file(self, shop: Command, tmp_path: Path) -> None:
        """Well-formed, and nothing on standard output."""
        done = shop("graph", "welcome", "--format", "svg", "--out", tmp_path / "welcome.svg")

        assert (0, "") == (done.code, done.out)
        root = ET.fromstring((tmp_path / "welcome.svg").read_text())  # noqa: S314  our own
        assert "1 waiting" in " ".join(root.itertext())

    def test_a_name_that_none_has(self, shop: Command) -> None:
        """With a guess at what was meant."""
        done = shop("graph", "welcom")

        assert 65 == done.code
        assert 'did you mean "welcome"?' in done.err
