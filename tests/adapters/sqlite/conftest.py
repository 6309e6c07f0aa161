"""Files, disks that fail on demand, and a note of what was fatal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.faulty_vfs import FaultyDisk

from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.faults import StoreFailed


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[FaultyDisk]:
    """A disk that is sound until told otherwise, and again at the end."""
    made = FaultyDisk(f"faulty-{request.node.name}")
    yield made
    made.writing = made.syncing = None


@pytest.fixture
def fatal() -> list[StoreFailed]:
    """What the writer said was fatal."""
    return []


@pytest.fixture
def no_ballast(tmp_path: Path) -> Ballast:
    """Do without."""
    return Ballast(tmp_path, size=0)
