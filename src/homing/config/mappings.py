"""The mappings of a configuration, compiled once each and known by their place in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from homing.config.documents import Document
from homing.config.expressions import RawMapping
from homing.config.leaves import all_of
from homing.config.problems import Finding, Loc
from homing.config.settings import Settings
from homing.core.mapping import Compiled, MappingError, compile_mapping

_STEP = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True)
class Mappings:
    """Every mapping of the settings: *compiled* by its place, and the *sources* of those."""

    compiled: Mapping[Loc, Compiled]
    sources: Mapping[Compiled, object]
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, settings: Settings, document: Document) -> Mappings:
        """Compile all mappings; what cannot be meant so becomes a finding."""
        compiled: dict[Loc, Compiled] = {}
        sources: dict[Compiled, object] = {}
        findings: list[Finding] = []
        for loc, raw in all_of(RawMapping, settings):
            place = document.key(loc)
            try:
                program = compile_mapping(raw.value, place=place)
            except MappingError as error:
                inside = _STEP.findall(error.place.removeprefix(place))
                findings.append(Finding((*loc, *inside), str(error)))
            else:
                compiled[loc], sources[program] = program, raw.value
        return cls(compiled, sources, tuple(findings))
