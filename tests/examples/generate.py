"""The pages of ``examples/`` that follow from the code: ``python -m tests.examples.generate``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from homing.config import Loaded, load
from homing.core.journeys.graph import mermaid
from homing.core.journeys.programs import Programs
from homing.simulation import Simulation, read_happenings

FOLDER: Final = Path(__file__).parents[2] / "examples"
NAMES: Final = tuple(sorted(path.parent.name for path in FOLDER.glob("*/homing.toml")))

_GRAPH: Final = re.compile(r"```mermaid\n.*?```", re.DOTALL)


@cache
def loaded(name: str) -> Loaded:
    """The configuration of an example, on a machine without secrets."""
    return load(FOLDER / name / "homing.toml", environ={})


@cache
def lines(name: str) -> tuple[dict[str, Any], ...]:
    """What happens to its people, as objects."""
    return played(name, events(name))


def events(name: str) -> list[bytes]:
    """Its events, one a line."""
    return (FOLDER / name / "events.jsonl").read_bytes().splitlines()


def played(name: str, raw: Iterable[bytes]) -> tuple[dict[str, Any], ...]:
    """What its configuration does with events."""
    plans = loaded(name).plans
    simulation = Simulation(plans, Programs(plans.journeys))
    return tuple(line.view() for line in simulation.play(read_happenings(raw, name=name)))


def shell(
    commands: str, folder: Path, environ: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """Run commands as somebody would who has just installed Homing."""
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=folder, env={"PATH": tools, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def timeline(name: str, environ: Mapping[str, str] = MappingProxyType({})) -> str:
    """What ``homing simulate`` prints of an example."""
    done = shell("homing simulate events.jsonl", FOLDER / name, environ)
    done.check_returncode()
    return done.stdout


def readme(name: str) -> str:
    """The page of an example, with the graph of its journey."""
    (journey,) = loaded(name).plans.journeys.values()
    block = f"```mermaid\n{mermaid(journey)}```"
    return _GRAPH.sub(lambda _: block, (FOLDER / name / "README.md").read_text())


def write_pages() -> None:
    """Write every timeline and graph anew."""
    for name in NAMES:
        (FOLDER / name / "timeline.txt").write_text(timeline(name))
        (FOLDER / name / "README.md").write_text(readme(name))


if __name__ == "__main__":
    write_pages()
